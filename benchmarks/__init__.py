"""The scripts behind every figure that is quoted, one each."""

"""Stage crappify: high-resolution planes made to look as if scanned fast at low resolution."""

"""Stage report: one HTML page that opens from disk and loads nothing, and the provenance."""

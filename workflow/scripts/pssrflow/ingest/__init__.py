"""Stage ingest: raw acquisitions of any format, streamed into OME-Zarr."""

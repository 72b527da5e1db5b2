"""A volume on disk: OME-Zarr (OME-NGFF 0.5, Zarr v3), its regions, grey levels and pyramid."""

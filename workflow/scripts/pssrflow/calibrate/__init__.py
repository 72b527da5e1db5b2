"""Stage calibrate: how a real fast scan relates to a slow scan of the same field."""

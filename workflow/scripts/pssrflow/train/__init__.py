"""Stage train: one network on the pairs of all training rows, out of core, resumed after a kill."""

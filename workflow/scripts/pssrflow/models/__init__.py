"""A network with its weights, however it came about."""

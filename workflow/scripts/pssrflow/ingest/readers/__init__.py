"""One file for each format; `open` finds the one that takes a path."""

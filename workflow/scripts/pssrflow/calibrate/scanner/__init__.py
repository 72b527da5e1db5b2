"""A physical point scanner, fitted to pairs by regression."""

"""Pairs of HR and LR pixels: registered, split without a leak, drawn as patches."""

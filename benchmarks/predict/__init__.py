"""Predict at scale: seams, cuts, speed, memory, kills and many parts."""

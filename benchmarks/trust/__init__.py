"""Are the promises of the map of trust kept? On simulated and on real images."""

"""A simulated electron microscope; independent of the crappifier, whose constants it repeats."""

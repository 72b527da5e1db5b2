"""PSSR2 as reference and as competitor; most of it runs in an environment that has PSSR2."""

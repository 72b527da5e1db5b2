"""Packages, for the tests of this folder."""

from packages import exported, package, trained

__all__ = ["exported", "package", "trained"]

"""The release, which decides no result."""

__version__ = "0.1.0"

"""Core of PSSRflow: functions on arrays and stores that never see ``snakemake``."""

__version__ = "0.1.0"

"""Core of PSSRflow: functions on arrays and stores that never see ``snakemake``."""

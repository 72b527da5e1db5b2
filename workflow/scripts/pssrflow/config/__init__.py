"""What the user wrote, checked while Snakemake parses: configuration and sample sheet."""

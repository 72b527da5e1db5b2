"""Rule calibrate_crappifier: fit the crappifier to acquired pairs."""

from pathlib import Path

from pssrflow.calibrate.settings import Settings
from pssrflow.calibrate.stage import Scans, calibrate
from pssrflow.run.job import job

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads, snakemake.output.fit):
        calibrate(
            rows=[Scans(**row) for row in snakemake.params.rows],
            crappify=snakemake.params.crappify,
            settings=Settings(**snakemake.params.calibrate),
            seed=snakemake.params.seed,
            folder=Path(snakemake.output.fit).parent,
        )

"""Rules ingest_hr, _lr, _paired_lr and _weight: stream a raw acquisition into OME-Zarr."""

from pssrflow.ingest.stage import ingest
from pssrflow.run.job import job

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads, snakemake.params.store):
        ingest(
            path=snakemake.params.path,
            store=snakemake.params.store,
            done=snakemake.output.done,
            threads=snakemake.threads,
            mem_mb=snakemake.resources.mem_mb,
            **snakemake.params.ingest,
            **snakemake.params.overrides,
        )

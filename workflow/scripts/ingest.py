"""Rules ingest_hr, ingest_lr and ingest_paired_lr: stream a raw acquisition into OME-Zarr."""

from pssrflow.ingest import ingest
from pssrflow.jobs import job

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

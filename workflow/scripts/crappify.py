"""Rule crappify_acquisition: degrade an HR store into an LR store."""

from pssrflow.crappifier import Crappifier
from pssrflow.crappify import crappify
from pssrflow.jobs import job

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads, snakemake.params.lr):
        crappify(
            hr=snakemake.params.hr,
            lr=snakemake.params.lr,
            done=snakemake.output.done,
            crappifier=Crappifier.from_config(**snakemake.params.crappify),
            seed=snakemake.params.seed,
            sample=snakemake.wildcards.sample,
            chunk=snakemake.params.chunk,
            shard=snakemake.params.shard,
            percentiles=snakemake.params.percentiles,
            threads=snakemake.threads,
            mem_mb=snakemake.resources.mem_mb,
        )

"""Rule crappify_acquisition: degrade an HR store into an LR store."""

from pssrflow.crappify.chain import Crappifier
from pssrflow.crappify.registry import settings_of
from pssrflow.crappify.stage import crappify
from pssrflow.run.job import job

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads, snakemake.params.lr):
        params = snakemake.params
        settings = settings_of(params.crappify, *snakemake.input.fit, **params.accept)
        crappify(
            hr=params.hr,
            lr=params.lr,
            done=snakemake.output.done,
            crappifier=Crappifier.from_config(**settings),
            seed=params.seed,
            sample=snakemake.wildcards.sample,
            realisation=int(params.realisation),
            chunk=params.chunk,
            shard=params.shard,
            percentiles=params.percentiles,
            threads=snakemake.threads,
            mem_mb=snakemake.resources.mem_mb,
            cluster=params.cluster,
        )

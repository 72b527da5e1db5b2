"""Rules crappify_acquisition and crappify_draw: degrade an HR store into an LR store."""

from pssrflow.crappify.chain import Crappifier
from pssrflow.crappify.settings import settings_of
from pssrflow.crappify.squares import NoiseKey
from pssrflow.crappify.stage import crappify
from pssrflow.ingest.settings import Settings
from pssrflow.run.job import job
from pssrflow.run.memory import Budget
from pssrflow.volumes.store import Store

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads, snakemake.params.lr):
        params = snakemake.params
        settings = settings_of(params.crappify, *snakemake.input.fit, **params.accept)
        crappify(
            hr=Store(params.hr),
            lr=Store(params.lr),
            done=snakemake.output.done,
            crappifier=Crappifier.from_config(**settings),
            key=NoiseKey(params.seed, snakemake.wildcards.sample, int(params.realisation), 0, 0, 0),
            settings=Settings(
                chunk=params.chunk, shard=params.shard, percentiles=params.percentiles
            ),
            budget=Budget(snakemake.threads, snakemake.resources.mem_mb),
            cluster=params.cluster,
        )

"""Rules crappify_*: degrade an HR store into an LR store, in one job or in several."""

from pathlib import Path

from pssrflow.crappify.chain import Crappifier
from pssrflow.crappify.settings import settings_of
from pssrflow.crappify.squares import NoiseKey
from pssrflow.crappify.stage import Work, begin, complete, crappify, fill
from pssrflow.ingest.settings import Settings
from pssrflow.run.job import job
from pssrflow.run.memory import Budget
from pssrflow.run.shares import Shares, made_of
from pssrflow.run.workers import Workers
from pssrflow.volumes.store import Store

if __name__ == "__main__":
    params, lr = snakemake.params, snakemake.params.lr
    one_of_many = snakemake.rule == "crappify_part"
    writes, shares_store = (snakemake.output[0], lr) if one_of_many else (lr, None)
    with job(snakemake.log[0], snakemake.threads, writes, shares_store):
        settings = settings_of(params.crappify, *snakemake.input.fit, **params.accept)
        work = Work.of(
            hr=Store(params.hr),
            lr=Store(lr),
            crappifier=Crappifier.from_config(**settings),
            key=NoiseKey(params.seed, params.sample, params.realisation, 0, 0, 0),
        )
        stored = params.done, Settings(**params.ingest)
        decided = [params.crappify, params.ingest, params.seed, params.realisation, params.code]
        content = [snakemake.input.hr, *snakemake.input.fit]
        shares = Shares(Path(params.shares), made_of(content, *decided))
        # No parameter: who makes them changes no byte.
        workers = Workers.of(snakemake.config, snakemake.config["crappify"]["cluster"])
        budget = Budget(snakemake.threads, snakemake.resources.mem_mb)
        if snakemake.rule == "crappify_init":
            begin(work, *stored, shares, params.parts)
        elif one_of_many:
            fill(work, shares, int(snakemake.wildcards.part), budget, workers)
        elif shares.parts:
            complete(work, *stored, shares, budget)
        else:
            crappify(work, *stored, budget, workers)

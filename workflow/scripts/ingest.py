"""Rules ingest_*: stream a raw acquisition into OME-Zarr, in one job or in several."""

from pathlib import Path

from pssrflow.ingest.readers.acquisition import Overrides
from pssrflow.ingest.readers.open import completed
from pssrflow.ingest.settings import Settings
from pssrflow.ingest.stage import Work, begin, complete, fill, ingest
from pssrflow.run.job import job
from pssrflow.run.memory import Budget
from pssrflow.run.shares import Shares, made_of
from pssrflow.volumes.store import Store

if __name__ == "__main__":
    params, store = snakemake.params, snakemake.params.store
    one_of_many = snakemake.rule == "ingest_part"
    writes, shares_store = (snakemake.output[0], store) if one_of_many else (store, None)
    with job(snakemake.log[0], snakemake.threads, writes, shares_store):
        overrides = Overrides(**params.overrides)
        work = Work(
            path=params.path,
            store=Store(store),
            done=params.done,
            settings=Settings(**params.ingest),
            overrides=completed(overrides, params.path, params.beside),
        )
        decided = [params.path, params.ingest, params.overrides, params.fingerprint, params.code]
        shares = Shares(Path(params.shares), made_of(snakemake.input.raw, *decided))
        budget = Budget(snakemake.threads, snakemake.resources.mem_mb)
        if snakemake.rule == "ingest_init":
            begin(work, shares, params.parts)
        elif one_of_many:
            fill(work, shares, int(snakemake.wildcards.part), budget)
        elif shares.parts:
            complete(work, shares, budget)
        else:
            ingest(work, budget)

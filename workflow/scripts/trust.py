"""Rules trust_*: the map of trust of a prediction, in one job or in several."""

from pathlib import Path

from pssrflow.ingest.settings import Settings
from pssrflow.pairs.field import open_row
from pssrflow.run.job import job
from pssrflow.run.memory import Budget
from pssrflow.run.shares import Shares, made_of
from pssrflow.trust.maps import Looked
from pssrflow.trust.promise import Promise
from pssrflow.trust.stage import Work, begin, complete, fill, make
from pssrflow.volumes.store import Store

if __name__ == "__main__":
    params, given = snakemake.params, snakemake.input
    one_of_many = snakemake.rule == "trust_part"
    own, shares_store = (snakemake.output[0], params.trust) if one_of_many else (params.trust, None)
    with job(snakemake.log[0], snakemake.threads, own, shares_store):
        looked = Looked(
            Promise.read(params.promise), Store(params.lr), Store(params.sr), params.limit
        )
        truth = open_row(params.truth, looked.promise.scale) if params.truth else None
        work = Work(looked, Store(params.trust), Settings(**params.ingest), truth)
        beside = [*given.truth, *given.registration, *given.mask]
        decided = [params.limit, params.ingest, params.code]
        shares = Shares(
            Path(params.shares),
            made_of([given.lr, given.sr, given.promised, *beside], *decided),
        )
        budget = Budget(snakemake.threads, snakemake.resources.mem_mb)
        if snakemake.rule == "trust_init":
            begin(work, params.done, shares, params.parts)
        elif one_of_many:
            fill(work, shares, int(snakemake.wildcards.part), budget)
        elif shares.parts:
            complete(work, params.done, shares, budget)
        else:
            make(work, params.done, budget)

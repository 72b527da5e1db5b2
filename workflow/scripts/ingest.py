"""Rule ingest_acquisition: stream a raw acquisition into OME-Zarr."""

from pssrflow.ingest.readers.acquisition import Overrides
from pssrflow.ingest.readers.open import completed
from pssrflow.ingest.settings import Settings
from pssrflow.ingest.stage import ingest
from pssrflow.run.job import job
from pssrflow.run.memory import Budget
from pssrflow.volumes.store import Store

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads, snakemake.params.store):
        path = snakemake.params.path
        overrides = Overrides(**snakemake.params.overrides)
        ingest(
            path=path,
            store=Store(snakemake.params.store),
            done=snakemake.output.done,
            settings=Settings(**snakemake.params.ingest),
            overrides=completed(overrides, path, snakemake.params.beside),
            budget=Budget(snakemake.threads, snakemake.resources.mem_mb),
        )

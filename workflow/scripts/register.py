"""Rule register_pair: measure how an acquired LR image lies beside the HR image."""

from pssrflow.pairs.registration import register
from pssrflow.run.job import job
from pssrflow.volumes.store import Store

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads, snakemake.output.done):
        register(
            hr=Store(snakemake.params.hr),
            lr=Store(snakemake.params.lr),
            scale=snakemake.params.scale,
            sample=snakemake.wildcards.sample,
            done=snakemake.output.done,
            mask=snakemake.params.mask,
        )

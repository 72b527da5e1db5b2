"""Rule assemble_ensemble: take several networks as one."""

from pssrflow.jobs import job
from pssrflow.train.untrained import assemble

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads, snakemake.params.folder):
        assemble(
            members=snakemake.params.members,
            scale=snakemake.params.scale,
            folder=snakemake.params.folder,
            done=snakemake.output.done,
        )

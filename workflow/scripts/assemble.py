"""Rule assemble_ensemble: take several networks as one."""

from pssrflow.models.assemble import assemble
from pssrflow.models.folder import ModelFolder
from pssrflow.run.job import job

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads, snakemake.params.folder):
        assemble(
            members=snakemake.params.members,
            scale=snakemake.params.scale,
            folder=ModelFolder(snakemake.params.folder, snakemake.output.done),
        )

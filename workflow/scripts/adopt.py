"""Rule adopt_package: take in a model package of bioimage.io instead of training."""

from pssrflow.models.folder import ModelFolder
from pssrflow.models.package import adopt_package
from pssrflow.run.job import job

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads, snakemake.params.folder):
        adopt_package(
            package=snakemake.params.package,
            scale=snakemake.params.scale,
            percentiles=snakemake.params.percentiles,
            folder=ModelFolder(snakemake.params.folder, snakemake.output.done),
        )

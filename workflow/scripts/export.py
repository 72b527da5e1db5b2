"""Rule export_model: write a trained network as a model package of bioimage.io."""

from pssrflow.export.settings import Settings
from pssrflow.export.stage import export_package
from pssrflow.run.job import job
from pssrflow.volumes.store import Store

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads, snakemake.output.package):
        export_package(
            weights=snakemake.params.weights,
            done=snakemake.input.train,
            lr=Store(snakemake.params.lr),
            package=snakemake.output.package,
            percentiles=snakemake.params.percentiles,
            about=Settings.parse(snakemake.params.about, "export"),
            threads=snakemake.threads,
            python=snakemake.params.python,
        )

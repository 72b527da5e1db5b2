"""Rule report: one self-contained page, its figures, and the provenance of everything it shows."""

from pssrflow.report.provenance import Run
from pssrflow.report.stage import write_report
from pssrflow.run.job import job
from pssrflow.run.layout import Layout, Sample

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads, snakemake.output.page):
        write_report(
            Run(
                layout=Layout(**snakemake.params.layout),
                samples=[Sample(**row) for row in snakemake.params.rows],
                models=list(snakemake.params.models),
                config=dict(snakemake.params.config),
                fit=next(iter(snakemake.input.fit), None),
                named=list(snakemake.params.named),
            )
        )

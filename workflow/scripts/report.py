"""Rule report: one self-contained page, and the provenance of everything it shows."""

from pssrflow.report.provenance import write_provenance
from pssrflow.report.stage import write_report
from pssrflow.run.job import job

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads, snakemake.output.page):
        provenance = write_provenance(
            snakemake.output.provenance,
            results=snakemake.params.results,
            rows=snakemake.params.rows,
            models=snakemake.params.models,
            config=snakemake.params.config,
        )
        write_report(
            snakemake.output.page,
            results=snakemake.params.results,
            rows=snakemake.params.rows,
            models=snakemake.params.models,
            config=snakemake.params.config,
            provenance=provenance,
            calibration=next(iter(snakemake.input.fit), None),
        )

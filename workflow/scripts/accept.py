"""Rule accept: stop where a prediction is worse than `report.fail_on` allows."""

from pssrflow.run.job import job
from pssrflow.trust.judge import accept

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads, snakemake.output[0]):
        accept(snakemake.input.verdict, snakemake.params.fail_on, snakemake.output[0])

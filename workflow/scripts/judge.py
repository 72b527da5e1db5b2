"""Rule judge: which predictions are fit for use, in one file."""

from pssrflow.run.job import job
from pssrflow.trust.judge import judge

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads, snakemake.output[0]):
        judge(snakemake.params.predictions, snakemake.output[0])

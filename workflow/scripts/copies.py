"""Rule find_copies: rows that are learnt from and rows that are tested share no pixel."""

from pssrflow.pairs.apart import keep_apart
from pssrflow.run.job import job

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads, snakemake.output[0]):
        keep_apart(snakemake.params.learnt, snakemake.params.tested, snakemake.output[0])

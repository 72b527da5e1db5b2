"""Rule choose_smoothing: choose how wide the Gaussian of the baseline is."""

from pssrflow.evaluate.baselines import choose
from pssrflow.run.job import job

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads, snakemake.output[0]):
        choose(snakemake.params.rows, snakemake.params.scale, snakemake.output[0])

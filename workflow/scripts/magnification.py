"""Rule choose_magnification: at which magnifications to learn, by pixel sizes."""

from pssrflow.pairs.magnification import Asked, choose_zoom
from pssrflow.run.job import job

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads, snakemake.output[0]):
        choose_zoom(
            learnt=snakemake.params.learnt,
            asked=[Asked(*one) for one in snakemake.params.asked],
            scale=snakemake.params.scale,
            done=snakemake.output[0],
        )

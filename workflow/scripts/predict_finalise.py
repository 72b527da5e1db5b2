"""Rule predict_finalise: verify every shard and build the pyramid."""

from pssrflow.jobs import job
from pssrflow.predict import finalise

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads, snakemake.params.sr):
        finalise(
            sr=snakemake.params.sr,
            plan=snakemake.input.plan,
            markers=snakemake.input.parts,
            done=snakemake.output.done,
            threads=snakemake.threads,
        )

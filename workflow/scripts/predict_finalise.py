"""Rule predict_finalise: verify every shard and build the pyramid."""

from pssrflow.predict.assembly import finalise
from pssrflow.run.job import job

if __name__ == "__main__":
    params = snakemake.params
    with job(snakemake.log[0], snakemake.threads, params.sr):
        finalise(
            sr=params.sr,
            std=params.std,
            plan=snakemake.input.plan,
            markers=snakemake.input.parts,
            pyramid=snakemake.input.pyramid,
            done=snakemake.output.done,
            threads=snakemake.threads,
        )

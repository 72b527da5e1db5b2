"""Rule predict_part: super-resolve the shards of one part."""

from pssrflow.jobs import job
from pssrflow.predict import run_part

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads):
        run_part(
            lr=snakemake.params.lr,
            weights=snakemake.params.weights,
            sr=snakemake.params.sr,
            plan=snakemake.input.plan,
            part=int(snakemake.wildcards.part),
            marker=snakemake.output.marker,
            threads=snakemake.threads,
            precision=snakemake.params.precision,
        )

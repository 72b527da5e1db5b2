"""Rule predict_part: super-resolve the shards of one part."""

from pssrflow.jobs import job
from pssrflow.predict import run_part

if __name__ == "__main__":
    output, store = snakemake.output.marker, snakemake.params.sr
    with job(snakemake.log[0], snakemake.threads, output, shares=store):
        run_part(
            lr=snakemake.params.lr,
            weights=snakemake.params.weights,
            sr=store,
            plan=snakemake.input.plan,
            part=int(snakemake.wildcards.part),
            marker=output,
            threads=snakemake.threads,
            precision=snakemake.params.precision,
        )

"""Rule predict_pyramid: verify a share of the shards and build the pyramid above them."""

from pssrflow.predict.assembly import build_pyramid
from pssrflow.run.job import job

if __name__ == "__main__":
    output, params = snakemake.output.marker, snakemake.params
    with job(snakemake.log[0], snakemake.threads, output, shares=params.sr):
        build_pyramid(
            sr=params.sr,
            std=params.std,
            plan=snakemake.input.plan,
            markers=snakemake.input.parts,
            part=int(snakemake.wildcards.part),
            parts=params.parts,
            marker=output,
            threads=snakemake.threads,
        )

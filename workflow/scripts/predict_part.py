"""Rule predict_part: super-resolve the blocks of one part."""

from pssrflow.predict.stage import run_part
from pssrflow.run.job import job

if __name__ == "__main__":
    output, params = snakemake.output.marker, snakemake.params
    with job(snakemake.log[0], snakemake.threads, output, shares=params.sr, tensors=True):
        run_part(
            lr=params.lr,
            weights=params.weights,
            sr=params.sr,
            std=params.std,
            mask=params.mask,
            plan=snakemake.input.plan,
            part=int(snakemake.wildcards.part),
            marker=output,
            done=params.done,
            threads=snakemake.threads,
            precision=params.precision,
            code=params.code,
        )

"""Rule evaluate_prediction: compare a prediction and its baselines with the truth."""

from pssrflow.evaluate.stage import Judged, evaluate
from pssrflow.pairs.aligned import read_shift
from pssrflow.run.files import read_json
from pssrflow.run.job import job
from pssrflow.volumes.store import Store

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads, snakemake.output.metrics):
        shift, rest = read_shift(next(iter(snakemake.input.registration), None))
        evaluate(
            Judged(
                hr=Store(snakemake.params.hr),
                lr=Store(snakemake.params.lr),
                sr=Store(snakemake.params.sr),
                scale=snakemake.params.scale,
                shift=shift,
                fraction=rest,
                width=read_json(snakemake.input.smoothing)["width"],
            ),
            sample=snakemake.wildcards.sample,
            model=snakemake.wildcards.model,
            table=snakemake.output.metrics,
            done=snakemake.output.done,
        )

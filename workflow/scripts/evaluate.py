"""Rule evaluate_prediction: compare a prediction and its baselines with the truth."""

from pssrflow.evaluate.stage import Judged, evaluate
from pssrflow.pairs.aligned import read_shift
from pssrflow.pairs.mask import open_mask
from pssrflow.run.files import read_json
from pssrflow.run.job import job
from pssrflow.volumes.store import Store

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads, snakemake.output.metrics):
        shift, rest = read_shift(next(iter(snakemake.input.registration), None))
        params = snakemake.params
        hr, lr = Store(params.hr), Store(params.lr)
        sizes = lr.volume.shape, params.scale, hr.volume.shape
        evaluate(
            Judged(
                hr=hr,
                lr=lr,
                sr=Store(params.sr),
                scale=params.scale,
                shift=shift,
                fraction=rest,
                mask=open_mask(params.mask, *sizes, shift) if params.mask else None,
                width=read_json(snakemake.input.smoothing)["width"],
            ),
            sample=snakemake.wildcards.sample,
            model=snakemake.wildcards.model,
            table=snakemake.output.metrics,
            done=snakemake.output.done,
        )

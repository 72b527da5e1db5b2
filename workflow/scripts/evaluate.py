"""Rules evaluate_*: compare a prediction and its baselines with the truth, in one job or more."""

from pathlib import Path

from pssrflow.evaluate.stage import Judged, evaluate, fill
from pssrflow.pairs.aligned import read_shift
from pssrflow.pairs.mask import open_mask
from pssrflow.run.files import read_json
from pssrflow.run.job import job
from pssrflow.run.shares import Shares, made_of
from pssrflow.run.workers import Workers, absolute
from pssrflow.volumes.store import Store

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads, snakemake.output[0]):
        given, params, names = snakemake.input, snakemake.params, snakemake.wildcards
        shift, rest = read_shift(next(iter(given.registration), None))
        # Workers may stand elsewhere.
        hr, lr, sr = (Store(absolute(path)) for path in (params.hr, params.lr, params.sr))
        workers = Workers.of(snakemake.config)
        sizes = lr.volume.shape, params.scale, hr.volume.shape
        judged = Judged(
            hr=hr,
            lr=lr,
            sr=sr,
            scale=params.scale,
            shift=shift,
            warp=rest,
            mask=open_mask(absolute(params.mask), *sizes, shift) if params.mask else None,
            width=read_json(given.smoothing)["width"],
        )
        content = [given.hr, given.lr, given.sr, given.smoothing, *given.mask, *given.registration]
        shares = Shares(Path(params.shares), made_of(content, params.scale, params.code))
        if snakemake.rule == "evaluate_part":
            fill(judged, shares, int(names.part), params.parts, workers)
        else:
            written = snakemake.output.metrics, snakemake.output.done
            evaluate(judged, names.sample, names.model, *written, shares, workers)

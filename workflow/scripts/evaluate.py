"""Rules evaluate_*: compare a prediction and its baselines with the truth, in one job or more."""

from pathlib import Path

from pssrflow.calibrate.frames import noise_of_frames
from pssrflow.evaluate.baselines import Baselines
from pssrflow.evaluate.judged import Judged
from pssrflow.evaluate.stage import evaluate, fill
from pssrflow.evaluate.tasks import checked_task
from pssrflow.pairs.aligned import Scan, read_shift
from pssrflow.pairs.mask import open_mask
from pssrflow.run.job import job
from pssrflow.run.shares import Shares, made_of
from pssrflow.run.workers import Workers, absolute
from pssrflow.volumes.store import Store

if __name__ == "__main__":
    with job(snakemake.log[0], snakemake.threads, snakemake.output[0]):
        given, params, names = snakemake.input, snakemake.params, snakemake.wildcards
        shift, warp = read_shift(next(iter(given.registration), None))
        # Workers may stand elsewhere.
        hr, lr, sr = (Store(absolute(path)) for path in (params.hr, params.lr, params.sr))
        workers = Workers.of(snakemake.config)
        sizes = lr.volume.shape, params.scale, hr.volume.shape
        # Halves of one scan lie on each other.
        beside = read_shift(next(iter(given.twice), None))
        judged = Judged(
            hr=hr,
            lr=lr,
            sr=sr,
            scale=params.scale,
            shift=shift,
            warp=warp,
            mask=open_mask(absolute(params.mask), *sizes, shift) if params.mask else None,
            against=Baselines.read(given.smoothing),
            crappified=params.crappified,
            second=Scan(Store(absolute(params.hr2)), *beside) if params.hr2 else None,
            noise=noise_of_frames(next(iter(given.fit), None), hr.volume),
            tasks=tuple(map(checked_task, params.tasks["asked"])),
            pssr2=params.pssr2,
        )
        rest = [*given.mask, *given.registration, *given.hr2, *given.twice, *given.fit]
        content = [given.hr, given.lr, given.sr, given.smoothing, *rest]
        decided = params.scale, params.crappified, params.tasks, params.pssr2, params.code
        shares = Shares(Path(params.shares), made_of(content, *decided))
        done_by = workers, snakemake.threads
        if snakemake.rule == "evaluate_part":
            fill(judged, shares, int(names.part), params.parts, *done_by)
        else:
            written = snakemake.output.metrics, snakemake.output.done
            evaluate(judged, names.sample, names.model, *written, shares, *done_by)

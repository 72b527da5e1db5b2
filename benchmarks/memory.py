"""Peak memory of ingest, crappify and evaluate must not grow with the field.

Simulated fields of both sizes go through the same functions as in the rules, each in a process of
its own, whose peak resident memory is printed. Evaluate compares the HR image with itself, in some
pieces of the plane: it is the same for all of them. Of predict: `python -m benchmarks.predict
memory`.
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.machine import heading, parser
from benchmarks.processes import benchmark, peak_mb
from benchmarks.tables import print_table
from pssrflow.crappify.chain import Crappifier
from pssrflow.crappify.kernels import Downsampling
from pssrflow.crappify.noise import Gaussian, Poisson
from pssrflow.crappify.squares import NoiseKey
from pssrflow.crappify.stage import Work as Crappify
from pssrflow.crappify.stage import crappify
from pssrflow.evaluate.judged import Judged
from pssrflow.evaluate.stage import fill
from pssrflow.ingest.readers.acquisition import Overrides
from pssrflow.ingest.settings import Settings
from pssrflow.ingest.stage import Work, ingest
from pssrflow.run.job import job
from pssrflow.run.memory import Budget
from pssrflow.run.shares import Shares
from pssrflow.simulate.microscope import Place, acquire
from pssrflow.simulate.settings import Microscope
from pssrflow.volumes.store import Store

SIZES = Settings(chunk=(1, 256, 256), shard=(1, 2048, 2048))
STAGES = ("simulate", "ingest", "crappify", "evaluate")
# Pieces that are evaluated.
PIECES = 8


def run_stage(stage: str, folder: Path, size: int, threads: int) -> None:
    """Run one stage as its rule does."""
    raw, budget = folder / "raw.ome.tif", Budget(threads, 4000)
    hr, lr = (Store(folder / name) for name in ("hr.ome.zarr", "lr.ome.zarr"))
    if stage == "simulate":
        acquire(raw, Microscope(), Place(0), (1, size, size))
    elif stage == "ingest":
        ingest(Work(raw, hr, folder / "hr.json", SIZES, Overrides()), budget)
    elif stage == "evaluate":
        judged = Judged(hr, lr, hr, 4)
        parts = max(1, len(judged.boxes()) // PIECES)
        fill(judged, Shares(folder / "shares", "this"), 0, parts, threads=threads)
    else:
        chain = Crappifier(Downsampling(4), (Poisson(intensity=1), Gaussian(intensity=3)))
        key = NoiseKey(0, "s", 0, 0, 0, 0)
        crappify(Crappify.of(hr, lr, chain, key), folder / "lr.json", SIZES, budget)


def peak_memory(stage: str, folder: Path, size: int, threads: int) -> float:
    """Peak resident memory (MB) of a stage in a process of its own."""
    own = ["--stage", stage, "--folder", folder, "--threads", threads]
    return peak_mb(benchmark("memory", size, *own))


def measured(sizes: Sequence[int], threads: int) -> dict[tuple[str, int], float]:
    """Peak memory by stage and size."""
    peaks = {}
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            for stage in STAGES:
                peaks[stage, size] = peak_memory(stage, Path(folder), size, threads)
    return peaks


def rows(peaks: dict[tuple[str, int], float], sizes: Sequence[int]) -> Iterator[list[str]]:
    """Peak memory of every stage by size, and the largest to the smallest."""
    for stage in STAGES[1:]:
        found = [peaks[stage, size] for size in sizes]
        yield [stage, *(f"{p:.0f}" for p in found), f"{found[-1] / found[0]:.2f}"]


def main(options: argparse.Namespace) -> None:
    """Measure, and print."""
    peaks = measured(options.sizes, options.threads)
    print(heading())
    names = ["stage", *(f"{size}², MB" for size in options.sizes), "ratio"]
    print_table(names, rows(peaks, options.sizes))


def parsed() -> argparse.Namespace:
    """The command line; with a stage it is a process that another one of these started."""
    arguments = parser(__doc__)
    arguments.add_argument("sizes", type=int, nargs="*", default=[8192, 16384])
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    arguments.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return arguments.parse_args()


if __name__ == "__main__":
    options = parsed()
    if options.stage:
        with job(options.folder / "log.txt", options.threads, options.folder / options.stage):
            run_stage(options.stage, options.folder, options.sizes[0], options.threads)
    else:
        main(options)

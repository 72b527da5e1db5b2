"""Megapixels a second of one job and of two that share an image, on one core each.

    python -m benchmarks.shares [--size 32768] [--rounds 3]

A simulated field is repeated to an image, which the stages ingest and crappify store as their rules
do; what their jobs do before their own work, and the last job after it, is not counted.
"""

import argparse
import functools
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tifffile

from benchmarks.machine import heading, parser
from benchmarks.processes import answer, benchmark
from benchmarks.tables import in_turns, print_table, spread
from pssrflow.crappify import stage as crappifying
from pssrflow.crappify.chain import Crappifier, crappify_plane
from pssrflow.crappify.kernels import Downsampling
from pssrflow.crappify.noise import Gaussian, Poisson
from pssrflow.crappify.squares import NoiseKey
from pssrflow.ingest import stage as ingesting
from pssrflow.ingest.readers.acquisition import Overrides
from pssrflow.ingest.settings import Settings
from pssrflow.run.job import job
from pssrflow.run.memory import Budget
from pssrflow.run.shares import Shares
from pssrflow.simulate.microscope import Place, scan
from pssrflow.simulate.settings import Microscope
from pssrflow.volumes.store import Store

CHAIN = Crappifier(Downsampling(4), (Poisson(intensity=1), Gaussian(intensity=13)))
KEY = NoiseKey(0, "s", 0, 0, 0, 0)
SIZES = Settings()
ONE = Budget(1, 4000)


def ingest_work(folder: Path) -> ingesting.Work:
    store = Store(folder / "hr.ome.zarr")
    return ingesting.Work(folder / "raw.tif", store, folder / "hr.json", SIZES, Overrides())


def crappify_work(folder: Path) -> crappifying.Work:
    hr, lr = Store(folder / "hr.ome.zarr"), Store(folder / "lr.ome.zarr")
    return crappifying.Work.of(hr, lr, CHAIN, KEY)


def begin(stage: str, folder: Path, parts: int) -> Shares:
    """Create the store that parts fill."""
    shares = Shares(folder / f"{stage}.parts", "")
    if stage == "ingest":
        ingesting.begin(ingest_work(folder), shares, parts)
    else:
        crappifying.begin(crappify_work(folder), folder / "lr.json", SIZES, shares, parts)
    return shares


def fill(stage: str, folder: Path, part: int) -> None:
    """Fill a part on one core; print when it began and ended."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[part % len(cores)]})
    # Compilers and codecs are loaded once in a job, whatever its size.
    crappify_plane(np.zeros((64, 64), np.uint8), CHAIN, KEY, 0, 255)
    shares = Shares(folder / f"{stage}.parts", "")
    with job(folder / f"{stage}.{part}.log", 1, folder / f"{stage}.{part}"):
        start = time.time()
        if stage == "ingest":
            ingesting.fill(ingest_work(folder), shares, part, ONE)
        else:
            crappifying.fill(crappify_work(folder), shares, part, ONE)
        print([start, time.time()])


def speed(stage: str, folder: Path, parts: int, pixels: int) -> float:
    """Megapixels a second of all parts at the same time."""
    begin(stage, folder, parts)
    one = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS", "RAYON", "BLOSC")}
    own = os.environ | one
    running = [benchmark("shares", "--fill", stage, folder, part, env=own) for part in range(parts)]
    begun, ended = zip(*map(answer, running))
    # Each by its own time: one may begin later than the other.
    return pixels / 1e6 / statistics.mean(b - a for a, b in zip(begun, ended))


def rows(folder: Path, size: int, rounds: int) -> list[Sequence[str]]:
    """A row for each stage."""
    tile = scan(Microscope(), Place(0), 0, slice(0, 2048), slice(0, 2048))
    repeat = -(-size // 2048)
    image = np.tile(tile, (repeat, repeat))
    tifffile.imwrite(folder / "raw.tif", image, tile=(512, 512), compression="zlib")
    found = []
    for stage in ("ingest", "crappify"):
        measured = functools.partial(speed, stage, folder, pixels=image.size)
        ways = {n: functools.partial(measured, n) for n in (1, 2)}
        one, two = in_turns(ways, rounds, lambda way: way()).values()
        if stage == "ingest":
            shares = Shares(folder / "ingest.parts", "")
            ingesting.complete(ingest_work(folder), shares, Budget(2, 4000))
        ratio = statistics.median(b / a for a, b in zip(one, two))
        medians = (f"{statistics.median(v):.0f} ({spread(v)})" for v in (one, two))
        found.append([stage, *medians, f"{ratio:.2f}"])
    return found


def parsed() -> argparse.Namespace:
    """The command line; with `--fill` it is a process that another one of these started."""
    arguments = parser(__doc__ or "")
    arguments.add_argument("--size", type=int, default=32768, help="HR pixels along y and x")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--fill", nargs=3, help=argparse.SUPPRESS)
    return arguments.parse_args()


def main(options: argparse.Namespace) -> None:
    """Measure, and print."""
    print(heading())
    with tempfile.TemporaryDirectory() as folder:
        names = ["stage", "one job", "two jobs", "two over one"]
        print_table(names, rows(Path(folder), options.size, options.rounds))


if __name__ == "__main__":
    options = parsed()
    if options.fill:
        stage, folder, part = options.fill
        fill(stage, Path(folder), int(part))
    else:
        main(options)

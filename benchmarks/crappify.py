"""HR megapixels a second that the crappifier makes, with reading and writing of the stores.

The stage `crappify` runs as its rule does, on a simulated field that is repeated to fill the
store: on one core, on two, as two processes of one core each (what cores and memory give when
nothing is shared), and in memory without any store; where `--pssr2` names the Python of an
environment that has PSSR2 (see pssr2/reference.py), PSSR2 runs the same chain in memory, in turns.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.machine import heading, parser
from benchmarks.processes import answer, benchmark
from benchmarks.tables import in_turns, print_table, spread
from pssrflow.crappify.chain import Crappifier, crappify_plane
from pssrflow.crappify.kernels import Downsampling
from pssrflow.crappify.noise import Gaussian, Poisson
from pssrflow.crappify.squares import NoiseKey
from pssrflow.crappify.stage import Work, crappify
from pssrflow.ingest.settings import Settings
from pssrflow.run.job import job
from pssrflow.run.memory import Budget
from pssrflow.simulate.microscope import Place, scan
from pssrflow.simulate.settings import Microscope
from pssrflow.volumes.done import finish
from pssrflow.volumes.intensity import Intensity, Range
from pssrflow.volumes.store import Store, write_shard
from pssrflow.volumes.volume import Volume

CHAIN = Crappifier(Downsampling(4), (Poisson(intensity=1), Gaussian(intensity=13)))
CHUNK, SHARD = (1, 256, 256), (1, 2048, 2048)
SIZES = Settings(chunk=CHUNK, shard=SHARD)
KEY = NoiseKey(0, "s", 0, 0, 0, 0)


def make_field(folder: Path, size: int) -> None:
    """HR store of a simulated field, repeated."""
    tile = scan(Microscope(), Place(0), 0, slice(0, 2048), slice(0, 2048))[None, None, None]
    intensity = Intensity((Range(0.0, 255.0, 0.0),), ((0.0, 255.0),))
    volume = Volume((1, 1, 1, size, size), "uint8", CHUNK, SHARD, (None,) * 3, ("0",), intensity)
    Store(folder / "hr.ome.zarr").create(volume)
    array = Store(folder / "hr.ome.zarr").level(mode="r+")
    digests = {r: write_shard(array, r, tile) for r in volume.shards()}
    finish(Store(folder / "hr.ome.zarr"), folder / "hr.json", digests, 2)


def stage(folder: Path, *processes: Sequence[int]) -> float:
    """Megapixels a second of the stage in processes at once, each on the cores that are named."""
    running = [_start(folder, cores) for cores in processes]
    return sum(answer(process) for process in running)


def _start(folder, cores):
    # BLAS and the codecs would else take threads of their own.
    one = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")}
    own = os.environ | one | {"RAYON_NUM_THREADS": str(len(cores))}
    return benchmark("crappify", "--folder", folder, "--cores", *cores, env=own)


def run_stage(folder: Path, cores: Sequence[int]) -> None:
    """Run the stage on these cores and print its speed."""
    os.sched_setaffinity(0, cores)
    # Compilers and codecs are loaded once in a job, whatever its size.
    crappify_plane(np.zeros((64, 64), np.uint8), CHAIN, KEY, 0, 255)
    pixels = Store(folder / "hr.ome.zarr").level().size
    own = "-".join(map(str, cores))
    hr, lr = Store(folder / "hr.ome.zarr"), Store(folder / f"lr{own}.ome.zarr")
    done, budget = folder / f"lr{own}.json", Budget(len(cores), 8000)
    with job(folder / f"log{own}.txt", len(cores), folder / f"lr{own}"):
        start = time.perf_counter()
        crappify(Work.of(hr, lr, CHAIN, KEY), done, SIZES, budget)
        print(pixels / 1e6 / (time.perf_counter() - start))


def in_memory(plane: np.ndarray) -> float:
    """Megapixels a second of one call on an array."""
    start = time.perf_counter()
    crappify_plane(plane, CHAIN, KEY, 0, 255)
    return plane.size / 1e6 / (time.perf_counter() - start)


def pssr2(python: str) -> float:
    """Megapixels a second of PSSR2 on an array."""
    process = benchmark("pssr2.reference", "--throughput", python=python)
    return answer(process)["hr_megapixel_per_s"]


def ways(folder: Path, python: str | None) -> dict[str, Callable[[], float]]:
    """What is compared; each gives its speed."""
    plane = np.tile(scan(Microscope(), Place(0), 0, slice(0, 2048), slice(0, 2048)), (2, 2))
    in_memory(plane)
    first, second = sorted(os.sched_getaffinity(0))[:2]
    found = {
        "crappify with stores, 1 core": lambda: stage(folder, [first]),
        "crappify with stores, 2 cores": lambda: stage(folder, [first, second]),
        "two processes with stores, 1 core each": lambda: stage(folder, [first], [second]),
        "in memory, 1 core": lambda: in_memory(plane),
    }
    if python:
        found["PSSR2 in memory, 1 process"] = lambda: pssr2(python)
    return found


def rows(found: dict[str, list[float]]) -> Iterator[tuple[str, str, str]]:
    """Median and spread of every way."""
    for name, speeds in found.items():
        yield name, f"{statistics.median(speeds):.0f}", spread(speeds)


def print_gains(found: dict[str, list[float]]) -> None:
    """What a second core gives to one process, and a second process."""
    one, two, apart = list(found.values())[:3]
    for name, more in (("One core to two", two), ("One process to two", apart)):
        ratio = statistics.median(b / a for a, b in zip(one, more))
        print(f"\n{name}: {ratio:.2f} times (median of the rounds)")


def main(options: argparse.Namespace) -> None:
    """Measure, and print."""
    print(heading())
    with tempfile.TemporaryDirectory() as scratch:
        make_field(Path(scratch), options.size)
        compared = ways(Path(scratch), options.pssr2)
        found = in_turns(compared, options.rounds, lambda way: way())
    print_table(["way", "HR megapixel/s, median", "lowest to highest"], rows(found))
    print_gains(found)


def parsed() -> argparse.Namespace:
    """The command line; with cores it is a process that another one of these started."""
    arguments = parser(__doc__)
    arguments.add_argument("--size", type=int, default=65536, help="HR pixels along y and x")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--pssr2", help="Python of an environment with PSSR2")
    arguments.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments.add_argument("--cores", type=int, nargs="+", help=argparse.SUPPRESS)
    return arguments.parse_args()


if __name__ == "__main__":
    options = parsed()
    if options.cores:
        run_stage(options.folder, options.cores)
    else:
        main(options)

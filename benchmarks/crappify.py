"""HR megapixels a second that the crappifier makes, with reading and writing of the stores.

The stage `crappify` runs as its rule does, on a simulated field that is repeated to fill the
store: on one core, on two, as two processes of one core each (what cores and memory give when
nothing is shared), and in memory without any store; where `--pssr2` names the Python of an
environment that has PSSR2 (see pssr2_reference.py), PSSR2 runs the same chain in memory, in turns.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from machine import heading
from pssrflow.crappify.chain import Crappifier, NoiseKey, crappify_plane
from pssrflow.crappify.kernels import Downsampling
from pssrflow.crappify.noise import Gaussian, Poisson
from pssrflow.crappify.stage import crappify
from pssrflow.run.job import job
from pssrflow.simulate.microscope import scan
from pssrflow.simulate.settings import Microscope
from pssrflow.volumes.done import finish
from pssrflow.volumes.intensity import Intensity
from pssrflow.volumes.store import create, open_level, write_shard
from pssrflow.volumes.volume import Volume

CHAIN = Crappifier(Downsampling(4), (Poisson(1), Gaussian(13)))
CHUNK, SHARD = (1, 256, 256), (1, 2048, 2048)


def make_field(folder, size):
    """HR store of a simulated field, repeated."""
    tile = scan(0, Microscope(), 0, slice(0, 2048), slice(0, 2048))[None, None, None]
    intensity = Intensity(0.0, 255.0, ((0.0, 255.0),))
    volume = Volume((1, 1, 1, size, size), "uint8", CHUNK, SHARD, (None,) * 3, ("0",), intensity)
    create(folder / "hr.ome.zarr", volume)
    array = open_level(folder / "hr.ome.zarr", mode="r+")
    digests = {r: write_shard(array, r, tile) for r in volume.shards()}
    finish(folder / "hr.ome.zarr", folder / "hr.json", digests, 2)


def stage(folder, *processes):
    """Megapixels a second of the stage in processes at once, each on the cores that are named."""
    # BLAS and the codecs would else take threads of their own.
    one = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")}
    running = [
        subprocess.Popen(
            [sys.executable, __file__, "--folder", str(folder), "--cores", *map(str, cores)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | one | {"RAYON_NUM_THREADS": str(len(cores))},
        )
        for cores in processes
    ]
    speeds = []
    for process in running:
        output, errors = process.communicate()
        if process.returncode:
            sys.exit(errors.decode())
        speeds.append(float(output))
    return sum(speeds)


def run_stage(folder, cores):
    """Run the stage on these cores and print its speed."""
    os.sched_setaffinity(0, cores)
    # Compilers and codecs are loaded once in a job, whatever its size.
    crappify_plane(np.zeros((64, 64), np.uint8), CHAIN, NoiseKey(0, "", 0, 0, 0, 0), 0, 255)
    pixels = open_level(folder / "hr.ome.zarr").size
    own = "-".join(map(str, cores))
    names = (folder / name for name in ("hr.ome.zarr", f"lr{own}.ome.zarr", f"lr{own}.json"))
    with job(folder / f"log{own}.txt", len(cores), folder / f"lr{own}"):
        start = time.perf_counter()
        crappify(*names, CHAIN, 0, "s", CHUNK, SHARD, (1, 99), len(cores), 8000)
        print(pixels / 1e6 / (time.perf_counter() - start))


def in_memory(plane):
    """Megapixels a second of one call on an array."""
    start = time.perf_counter()
    crappify_plane(plane, CHAIN, NoiseKey(0, "s", 0, 0, 0, 0), 0, 255)
    return plane.size / 1e6 / (time.perf_counter() - start)


def pssr2(python):
    """Megapixels a second of PSSR2 on an array."""
    script = Path(__file__).with_name("pssr2_reference.py")
    done = subprocess.run([python, script, "--throughput"], check=True, capture_output=True)
    return json.loads(done.stdout)["hr_megapixel_per_s"]


def measure(folder, rounds, python):
    """Speeds of every way, in turns, so that a slow moment of the machine meets all of them."""
    plane = np.tile(scan(0, Microscope(), 0, slice(0, 2048), slice(0, 2048)), (2, 2))
    in_memory(plane)
    first, second = sorted(os.sched_getaffinity(0))[:2]
    ways = {
        "crappify with stores, 1 core": lambda: stage(folder, [first]),
        "crappify with stores, 2 cores": lambda: stage(folder, [first, second]),
        "two processes with stores, 1 core each": lambda: stage(folder, [first], [second]),
        "in memory, 1 core": lambda: in_memory(plane),
    }
    if python:
        ways["PSSR2 in memory, 1 process"] = lambda: pssr2(python)
    found = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            found[name].append(way())
    return found


def print_table(found):
    print("| way | HR megapixel/s, median | lowest to highest |")
    print("|---|---|---|")
    for name, speeds in found.items():
        middle = statistics.median(speeds)
        print(f"| {name} | {middle:.0f} | {min(speeds):.0f} to {max(speeds):.0f} |")
    one, two, apart = list(found.values())[:3]
    for name, more in (("One core to two", two), ("One process to two", apart)):
        ratio = statistics.median(b / a for a, b in zip(one, more))
        print(f"\n{name}: {ratio:.2f} times (median of the rounds)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=65536, help="HR pixels along y and x")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pssr2", help="Python of an environment with PSSR2")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--cores", type=int, nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.cores:
        run_stage(options.folder, options.cores)
        sys.exit()
    print(heading())
    with tempfile.TemporaryDirectory() as scratch:
        make_field(Path(scratch), options.size)
        print_table(measure(Path(scratch), options.rounds, options.pssr2))

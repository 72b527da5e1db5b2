"""Peak memory of ingest and crappify must not grow with the field (of predict: predict_scale.py).

Simulated fields of both sizes go through the same functions as in the rules, each in a process of
its own, whose peak resident memory is printed.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import heading
from pssrflow.crappify.chain import Crappifier
from pssrflow.crappify.kernels import Downsampling
from pssrflow.crappify.noise import Gaussian, Poisson
from pssrflow.crappify.stage import crappify
from pssrflow.ingest.stage import ingest
from pssrflow.run.job import job
from pssrflow.simulate.microscope import acquire
from pssrflow.simulate.settings import Microscope

CHUNK, SHARD = (1, 256, 256), (1, 2048, 2048)
STAGES = ("simulate", "ingest", "crappify")


def run_stage(stage, folder, size, threads):
    """Run one stage as its rule does."""
    raw, hr, lr = (folder / name for name in ("raw.ome.tif", "hr.ome.zarr", "lr.ome.zarr"))
    if stage == "simulate":
        acquire(raw, 0, Microscope(), (1, size, size))
    elif stage == "ingest":
        ingest(str(raw), hr, folder / "hr.json", CHUNK, SHARD, (1, 99), None, threads, 4000)
    else:
        chain = Crappifier(Downsampling(4), (Poisson(1), Gaussian(3)))
        crappify(hr, lr, folder / "lr.json", chain, 0, "s", CHUNK, SHARD, (1, 99), threads, 4000)


def peak_memory(stage, folder, size, threads):
    """Peak resident memory (MB) and seconds of a stage in a process of its own."""
    arguments = ["--stage", stage, "--folder", str(folder), "--threads", str(threads)]
    child = subprocess.Popen([sys.executable, __file__, str(size), *arguments])
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"{stage} failed")
    return usage.ru_maxrss / 1024


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", type=int, nargs="*", default=[8192, 16384])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stage:
        with job(options.folder / "log.txt", options.threads, options.folder / options.stage):
            run_stage(options.stage, options.folder, options.sizes[0], options.threads)
        sys.exit()
    peaks = {}
    for size in options.sizes:
        with tempfile.TemporaryDirectory() as folder:
            for stage in STAGES:
                peaks[stage, size] = peak_memory(stage, Path(folder), size, options.threads)
    print(heading())
    print("| stage |", " | ".join(f"{s}², MB" for s in options.sizes), "| ratio |")
    print("|---" * (len(options.sizes) + 2) + "|")
    for stage in STAGES[1:]:
        found = [peaks[stage, size] for size in options.sizes]
        print(
            f"| {stage} |", " | ".join(f"{p:.0f}" for p in found), f"| {found[-1] / found[0]:.2f} |"
        )

"""What jobs ask a scheduler for, beside what they take, for images of several sizes.

    python -m benchmarks.cluster_demand [SIZE ...] [--bits 8] [--target all]

A simulated field is repeated to an image of SIZE x SIZE HR pixels, which one job of each stage on
this machine ingests, crappifies, predicts and evaluates. Memory is that of the script, as Snakemake
measures it, and of the two processes of Snakemake that stand around it on a cluster, as they are
measured here; seconds are those of the script and of two starts of Snakemake. A scheduler counts
whole minutes, so short jobs cannot ask for what they take.
"""

import csv
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile
import yaml

from benchmarks.machine import ROOT, heading, parser
from benchmarks.tables import print_table
from pssrflow.config.check import check_config
from pssrflow.config.rule_params import Rules
from pssrflow.config.samples import read_rows
from pssrflow.config.submitted import Names
from pssrflow.simulate.microscope import Place, scan
from pssrflow.simulate.settings import Microscope

# Rule, what `Demand` calls it, its wildcards, its benchmark.
JOBS = [
    ("ingest", {"image": "x/hr"}, "ingest/x/hr"),
    ("crappify", {"draw": "x/lr"}, "crappify/x/lr"),
    ("predict", {"sample": "x", "model": "default"}, "predict/x.default"),
    ("evaluate", {"sample": "x", "model": "default"}, "evaluate/x.default"),
    ("train", {"model": "default"}, "train/default"),
    ("smoothing", {}, "smoothing"),
    ("report", {}, "report"),
]


def prepare(folder: Path, size: int, bits: int) -> None:
    """Images, sheet and configuration."""
    side = min(size, 2048)
    tile = scan(Microscope(), Place(0), 0, slice(0, side), slice(0, side))
    if bits > 8:
        tile = tile.astype(np.uint16) * 16
    repeat = -(-size // side)
    image = np.tile(tile, (repeat, repeat))[:size, :size]
    tifffile.imwrite(folder / "x.tif", image, tile=(256, 256), compression="zlib")
    tifffile.imwrite(folder / "train.tif", tile[:1024, :1024])
    paths = f"t\ttrain\t{folder}/train.tif\nx\ttest\t{folder}/x.tif\n"
    (folder / "samples.tsv").write_text(f"sample\trole\tpath\n{paths}")
    told = {
        "samples": f"{folder}/samples.tsv",
        "crappify": {"fit": None},
        "train": {"max_steps": 20, "max_time": None, "zoom": 1},
    }
    (folder / "mine.yaml").write_text(yaml.safe_dump(told))


def snakemake(folder: Path, *arguments: str) -> None:
    """Run it in `folder`."""
    words = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    words += ["--configfile", "mine.yaml", "--cores", "2", "--quiet", "all", *arguments]
    subprocess.run(words, cwd=folder, check=True, capture_output=True)


def around(folder: Path) -> tuple[float, float]:
    """Megabytes and seconds of the two starts of Snakemake around a job."""
    start = time.perf_counter()
    snakemake(folder, "--dry-run")
    taken = time.perf_counter() - start
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3
    return 2 * largest, 2 * taken


def rows(size: int, bits: int, target: str, before: tuple[float, float]) -> list[list[object]]:
    """A row for each stage that the target needs."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        prepare(folder, size, bits)
        settings = check_config(yaml.safe_load((folder / "mine.yaml").read_text()), "mine.yaml")
        demand = Rules(settings, read_rows(settings)).demand
        snakemake(folder, "--", target)
        told = [job for job in JOBS if _benchmark(folder, job[2]).exists()]
        return [_row(demand, folder, size, before, *job) for job in told]


def _benchmark(folder: Path, name: str) -> Path:
    return folder / f"results/benchmarks/{name}.tsv"


def _row(demand, folder, size, before, job, wildcards, name):
    # On this machine jobs have two threads or one.
    threads = 1 if job in ("evaluate", "smoothing", "report") else 2
    named = Names(wildcards)
    asked = demand.memory(job)(named, threads, 1), demand.minutes(job)(named, threads, 1)
    with open(_benchmark(folder, name)) as stream:
        told = list(csv.DictReader(stream, delimiter="\t"))[-1]
    used = float(told["max_rss"]) + before[0], float(told["s"]) + before[1]
    return [
        f"{size}²",
        job,
        f"{used[0]:.0f}",
        asked[0],
        f"{asked[0] / used[0]:.2f}",
        f"{used[1]:.0f}",
        asked[1] * 60,
    ]


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("sizes", nargs="*", type=int, default=[512, 2048, 8192, 16384])
    options.add_argument("--bits", type=int, default=8, choices=[8, 16])
    options.add_argument("--target", default="all", help="such as predict, which ends there")
    asked = options.parse_args()
    print(heading())
    with tempfile.TemporaryDirectory() as place:
        prepare(Path(place), 512, 8)
        before = around(Path(place))
    names = ["image", "stage", "MB used", "MB asked", "asked / used", "s used", "s asked"]
    rest = asked.bits, asked.target, before
    print_table(names, (row for size in asked.sizes for row in rows(size, *rest)))


if __name__ == "__main__":
    main()

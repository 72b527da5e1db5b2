"""Speed of prediction, with its stores: beside the bare network, and without a network."""

import argparse
import os
import shutil
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tifffile
import torch

from benchmarks.predict.base import SIMULATED, Run, repeated, store, tissue
from benchmarks.predict.part import start_part
from benchmarks.processes import answer, benchmark
from benchmarks.tables import in_turns, print_table, spread
from pssrflow.models.facts import PYTHON, Facts
from pssrflow.models.weights import load_weights, save_weights
from pssrflow.networks.registry import build
from pssrflow.run.devices import DTYPES, best_device, best_precision

NEAREST = """import torch


class Nearest(torch.nn.Module):
    def __init__(self, scale):
        super().__init__()
        self.scale = scale

    def forward(self, images):
        return images.repeat_interleave(self.scale, 3).repeat_interleave(self.scale, 2)
"""


def throughput(options: argparse.Namespace, folder: Path) -> None:
    """The whole stage against the bare network on the same field, in turns."""
    lr = store(folder / "lr.ome.zarr", repeated(options.size))
    run = Run(folder / "sr", lr, options.weights[0]).initialise()
    torch.set_num_threads(options.threads)
    bare, cutting = Bare(options.weights[0]), run.cutting
    took = in_turns(_ways(run, bare, options.size, options.threads), options.rounds)
    if options.pssr2:
        name = "PSSR2: predict_images, reassemble_sheets"
        took[name] = [_pssr2(options.pssr2, options.size, folder)]
    field = f"{options.size}² LR, tiles of {cutting.tile} and a halo of {cutting.halo} LR pixels"
    print(f"{field}, {bare.precision}\n")
    _print_speeds(took, (4 * options.size) ** 2 / 1e6)


class Bare:
    """A network on tensors in memory, with nothing around it."""

    def __init__(self, weights: Path) -> None:
        self.device = best_device()
        self.precision = best_precision(self.device)
        network, _ = load_weights(weights)
        self.network = network.to(self.device, memory_format=torch.channels_last)

    def __call__(self, side: int, times: int) -> None:
        """Predict a square of `side` LR pixels so many times."""
        image, dtype = torch.rand(1, 1, side, side), DTYPES[self.precision]
        enabled = self.precision != "32"
        with torch.inference_mode(), torch.autocast(self.device.type, dtype, enabled=enabled):
            for _ in range(times):
                self.network(image.to(self.device)).float().cpu()


def _ways(run, bare, size, threads):
    tile, halo = run.cutting.tile, run.cutting.halo
    read, tiles = min(tile + 2 * halo, size), max(1, (size // tile) ** 2)
    return {
        "stage: read, network, write, pyramid": lambda: _stage(run, threads),
        f"bare network, {tiles} tiles of {read}²": lambda: bare(read, tiles),
        f"bare network, one tensor of {size}²": lambda: bare(size, 1),
    }


def _stage(run, threads):
    shutil.rmtree(run.prediction.markers, ignore_errors=True)
    run.part(0, threads)
    run.finalise(threads)


def _pssr2(python, size, folder):
    """Seconds of PSSR2: of a field as small as takes it minutes, not an hour."""
    sheets = folder / "sheets"
    sheets.mkdir()
    tifffile.imwrite(sheets / "sheet.tif", tissue())
    found = answer(benchmark("pssr2.prediction", sheets, python=python))
    return (size / SIMULATED) ** 2 * found["seconds"]


def _print_speeds(took, megapixels):
    stage, rows = statistics.median(next(iter(took.values()))), []
    for name, found in took.items():
        middle = statistics.median(found)
        speed, ratio = f"{megapixels / middle:.2f}", f"{middle / stage:.2f} x"
        rows.append((name, f"{middle:.1f}", spread(found, 1), speed, ratio))
    names = ["way", "seconds, median", "lowest to highest", "HR megapixel/s", "the stage has"]
    print_table(names, rows)


def free(options: argparse.Namespace, folder: Path) -> None:
    """Read, stitch and write without a network: what would feed a fast one, jobs side by side."""
    (folder / "nearest.py").write_text(NEAREST)
    lr = store(folder / "lr.ome.zarr", repeated(options.size))
    jobs = os.cpu_count()
    print(f"{options.size}² LR, {jobs} jobs of one thread, from the first read to the last write\n")
    rows = []
    for name, arch, given in (
        ("nearest neighbour", PYTHON, {"path": f"{folder}/nearest.py:Nearest"}),
        ("bicubic", "bicubic", {}),
    ):
        what = folder / "sr", lr, _untrained(folder, arch, given), jobs
        run = Run(*what, settings={"tile": 512}, python=(given["path"],) if arch == PYTHON else ())
        slowest = [_slowest(run.initialise()) for _ in range(options.rounds)]
        speeds = [(4 * options.size) ** 2 / 1e6 / seconds for seconds in slowest]
        rows.append((name, f"{statistics.median(speeds):.0f}", spread(speeds)))
    print_table(["network", "HR megapixel/s, median", "lowest to highest"], rows)


def _untrained(folder: Path, arch: str, options: Mapping[str, Any]) -> Path:
    weights = folder / f"{arch}.safetensors"
    save_weights(weights, build(arch, 4, options), Facts(arch, 4, dict(options)))
    return weights


def _slowest(run):
    """Seconds of the slowest of all parts at once, of one thread each."""
    running = [start_part(run, number, threads=1) for number in range(run.parts)]
    return max(answer(process)["seconds"] for process in running)

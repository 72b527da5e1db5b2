"""Networks that see neighbouring planes, beside the same network that sees one.

    python -m benchmarks.frames stack --data FOLDER --out FOLDER [--max-time 150s] [--pssr2]
    python -m benchmarks.frames short --data FOLDER --out FOLDER [--max-time 150s]
    python -m benchmarks.frames lapse --out FOLDER [--max-time 150s]
    python -m benchmarks.frames speed --out FOLDER [--planes N ...]

stack   planes 0 to 119 of the FIB-SEM volume are learnt, planes 130 to 159 tested; with --pssr2
        PSSR2's ResUNet too, of one frame and of five, with the same data, loss and time
short   the same as stacks of three planes: how good the ends of a stack can be made by a network
        that sees little else
lapse   simulated time lapses of a specimen that stands still, and of one that drifts
speed   HR megapixels a second and peak memory of one job, in turns, by the depth of the stack

LR images are bilinear means of 4 x 4 pixels with Poisson noise. What is complete below `--out` is
kept: remove it to begin anew.
"""

import argparse
import statistics
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tifffile
import torch

from benchmarks.machine import heading, parser
from benchmarks.predict.base import Run, store, tissue
from benchmarks.predict.part import start_part
from benchmarks.processes import answer, run_sheet
from benchmarks.tables import print_table
from pssrflow.models.facts import Facts
from pssrflow.models.weights import save_weights
from pssrflow.networks.frames import Frames
from pssrflow.networks.registry import build
from pssrflow.simulate.microscope import Place, scan
from pssrflow.simulate.settings import Microscope

FIBSEM = "em_fibsem_drosophila_medulla_ts1/*.png"
COLUMNS = ["sample", "role", "path", "axes", "crop", "pixel_size"]
NOISE = {
    "fit": None,
    "downsample": "bilinear",
    "noise": [{"name": "poisson", "intensity": 1}],
}
SEEN = (1, 3, 5, 7)
# Of a time lapse: frames, HR pixels along y and x, and fields that are learnt from.
TIMES, SIDE, FIELDS = 10, 768, 3
# HR pixels by which the specimen moves from frame to frame.
DRIFTS = {"still": 0, "drifts slowly": 2, "drifts fast": 16}


def models(axis: str, seen: Iterable[int] = SEEN) -> dict[str, Any]:
    """The default network, seeing so many planes."""
    frames = {n: {"frames": {"axis": axis, "in": n}} if n > 1 else {} for n in seen}
    return {f"frames-{n}": {"arch": "unet"} | given for n, given in frames.items()}


def trained(folder: Path, rows: list[tuple], made: dict[str, Any], max_time: str) -> Path:
    """Results of a run, in a folder of its own."""
    if not (folder / "results/report.json").exists():
        table = pd.DataFrame(rows, columns=COLUMNS)
        learning = {"max_time": max_time, "epochs": 100_000}
        run_sheet(folder, table, {"crappify": NOISE, "models": made, "train": learning})
    return folder / "results"


def stack(options: argparse.Namespace) -> None:
    """FIB-SEM, whose planes are 10 nm apart."""
    path, made = str(options.data.resolve() / FIBSEM), models("z")
    if options.pssr2:
        made["pssr2-resunet-1"] = {"arch": "resunet"}
        made["pssr2-resunet-5"] = {"arch": "resunet", "channels": [5, 1]}
    rows = [
        ("learnt", "train", path, "ZYX", "0:120, 0:, 0:", "10, 10, 10 nm"),
        ("tested", "test", path, "ZYX", "130:160, 0:, 0:", "10, 10, 10 nm"),
    ]
    results = trained(options.out / "stack", rows, made, options.max_time)
    names = ["network", "bicubic", "SR", "over bicubic", "over one plane", "SSIM", "ends", "steps"]
    print_table(names, _compared(results, "tested", made, "z"))


def short(options: argparse.Namespace) -> None:
    """Stacks of three planes, of which two are ends."""
    path, made = str(options.data.resolve() / FIBSEM), models("z", (1, 5))
    crops = {role: range(a, b, 3) for role, a, b in (("train", 0, 120), ("test", 130, 160))}
    rows = [
        (f"{role}-{a}", role, path, "ZYX", f"{a}:{a + 3}, 0:, 0:", "10, 10, 10 nm")
        for role, starts in crops.items()
        for a in starts
    ]
    results = trained(options.out / "short", rows, made, options.max_time)
    tested = [
        pd.read_csv(results / f"test-{a}" / name / "metrics.csv").assign(network=name)
        for a in crops["test"]
        for name in made
    ]
    sr = pd.concat(tested).query("method == 'sr'")
    mean = sr.pivot_table("psnr", "network", "z")
    gain = mean.loc["frames-5"] - mean.loc["frames-1"]
    print_table(
        ["plane of three", "five planes over one"], ([z, f"{v:+.2f}"] for z, v in gain.items())
    )


def lapse(options: argparse.Namespace) -> None:
    """Time lapses, of which each frame has noise of its own."""
    names = ["specimen", "network", "bicubic", "SR", "over bicubic", "over one", "SSIM", "ends"]
    rows = []
    for name, drift in DRIFTS.items():
        folder = options.out / name.replace(" ", "-")
        made = models("t", (1, 5))
        sheet = list(_lapses(folder, drift))
        results = trained(folder, sheet, made, options.max_time)
        rows += [[name, *row] for row in _compared(results, "tested", made, "t")]
    print_table([*names, "steps"], rows)


def _lapses(folder: Path, drift: int) -> Iterator[tuple]:
    folder.mkdir(parents=True, exist_ok=True)
    microscope = Microscope(step_nm=4, spot_nm=6, dwell_us=64, gain=1)
    for field in range(FIELDS + 1):
        path = folder / f"field-{field}.tif"
        if not path.exists():
            tifffile.imwrite(path, _lapse(microscope, field, drift), metadata={"axes": "TYX"})
        role, name = ("train", f"field-{field}") if field < FIELDS else ("test", "tested")
        yield name, role, str(path), "TYX", "", "4 nm"


def _lapse(microscope: Microscope, field: int, drift: int) -> np.ndarray:
    side = slice(0, SIDE)
    return np.stack(
        [
            scan(
                microscope,
                Place(100 + field, shift_nm=(0, drift * time * microscope.step_nm), draw=time),
                0,
                side,
                side,
            )
            for time in range(TIMES)
        ]
    )


def _compared(results: Path, sample: str, made: Iterable[str], axis: str) -> Iterator[list[Any]]:
    """PSNR (dB) of every network: means over planes, over bicubic, and over the first network."""
    first = None
    for name in made:
        metrics = pd.read_csv(results / sample / name / "metrics.csv")
        planes = metrics.pivot_table("psnr", axis, "method")
        sr, bicubic = planes["sr"], planes["bicubic"]
        ssim = metrics[metrics["method"] == "sr"]["ssim"].mean()
        if first is None or name.endswith("-1"):
            first = sr.mean()
        gain = sr - bicubic
        ends = np.r_[gain.iloc[:2], gain.iloc[-2:]].mean() - gain.iloc[3:-3].mean()
        history = pd.read_csv(results / "models" / name / "history.csv")
        yield [
            *(name, f"{bicubic.mean():.2f}", f"{sr.mean():.2f}", f"{gain.mean():+.2f}"),
            *(f"{sr.mean() - first:+.2f}", f"{ssim:.4f}", f"{ends:+.2f}"),
            int(history["step"].iloc[-1]),
        ]


def speed(options: argparse.Namespace) -> None:
    """One job on stacks of several depths, by networks that see one plane and five."""
    weights = {n: _weights(options.out, n) for n in (1, 5)}
    print_table(
        ["planes", "sees", "HR megapixels a second", "beside one plane", "peak MB"],
        (row for planes in options.planes for row in _speeds(options, weights, planes)),
    )


def _weights(folder: Path, seen: int) -> Path:
    path, frames = folder / f"sees-{seen}.safetensors", Frames.model_validate({"in": seen})
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    save_weights(path, build("unet", 4, {}, seen), Facts("unet", 4, {}, frames))
    return path


def _speeds(options: argparse.Namespace, weights: dict[int, Path], planes: int) -> Iterator[list]:
    lr = store(options.out / f"lr-{planes}.ome.zarr", np.stack([tissue()] * planes)[None, None])
    took: dict[int, list[dict[str, float]]] = {seen: [] for seen in weights}
    for turn in range(options.rounds):
        for seen, path in weights.items():
            run = Run(options.out / f"sr-{planes}-{seen}-{turn}", lr, path)
            took[seen].append(answer(start_part(run.initialise())))
    pixels = planes * (4 * tissue().shape[0]) ** 2 / 1e6
    rates = {
        n: statistics.median(pixels / t["seconds"] for t in times) for n, times in took.items()
    }
    for seen, rate in rates.items():
        peak = max(one["peak_mb"] for one in took[seen])
        yield [planes, seen, f"{rate:.2f}", f"{rate / rates[1]:.2f}", f"{peak:.0f}"]


def main() -> None:
    """Run, and print."""
    arguments = parser(__doc__)
    arguments.add_argument("what", choices=["stack", "short", "lapse", "speed"])
    arguments.add_argument("--data", type=Path)
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--max-time", default="150s", help="training of each network")
    arguments.add_argument("--pssr2", action="store_true", help="PSSR2's networks too")
    arguments.add_argument("--planes", type=int, nargs="*", default=[8, 32])
    arguments.add_argument("--rounds", type=int, default=3)
    options = arguments.parse_args()
    print(heading())
    what = {"stack": stack, "short": short, "lapse": lapse, "speed": speed}
    what[options.what](options)


if __name__ == "__main__":
    main()

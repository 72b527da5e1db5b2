"""The default network beside PSSR2's: trained for the same time on the same images.

Expects the folder of development images as `--data` and, as `--pssr2`, the Python of an
environment that has PSSR2 (see pssr2/reference.py). The crappifier is bilinear 4 x 4 with Poisson
noise of intensity 1; planes or animals that are tested were never trained on. In turns:

- the networks named by `--models`, by this pipeline, with the same batch of 4, loss and schedule;
- PSSR2's own `train_paired` with its defaults (batch 16, MS-SSIM and L1, AdamW, plateau), whose
  predictions of the same LR images are measured with the same metrics; for `sstem` alone.

Prediction is timed on 256 x 256 LR pixels in memory, float32, network after network in several
rounds. A second run with the same `--out` only does what is missing.
"""

import argparse
import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.machine import heading, parser
from benchmarks.processes import answer, benchmark
from benchmarks.real_data import DATASETS, SSTEM, run_rows
from benchmarks.tables import in_turns, print_table
from pssrflow.evaluate.judged import Piece
from pssrflow.evaluate.stage import measure_plane
from pssrflow.models.weights import load_weights
from pssrflow.volumes.store import Store

MODELS = {
    "small": {"arch": "unet", "size": "small"},
    "default": {"arch": "unet"},
    "large": {"arch": "unet", "size": "large"},
    **{a: {"arch": a} for a in ("resunet", "resunet_a", "rdresunet", "rdresunet_a", "swinir")},
}
METRICS = ["psnr", "ssim", "ms_ssim"]
THEIRS = "PSSR2 itself"
SCHEDULE = {"epochs": 100_000, "batch": 4, "validate_every": 50}


def run_ours(options: argparse.Namespace) -> tuple[Path, pd.DataFrame]:
    """Train, predict and evaluate the networks; tested sample, and metrics of every plane."""
    config = {
        "models": {m: MODELS[m] for m in options.models},
        "train": SCHEDULE | {"max_time": options.max_time},
        # Whole planes: halos of the larger networks would take longer than the training.
        "predict": {"tile": 512, "halo": 0, "parts": 1},
        "report": {"title": f"Beside PSSR2: {options.dataset}"},
    }
    tested = run_rows(options.out, DATASETS[options.dataset], options.data, config)
    tables = [pd.read_csv(tested / m / "metrics.csv") for m in options.models]
    return tested, pd.concat(tables)


def run_theirs(options: argparse.Namespace, tested: Path) -> tuple[pd.DataFrame, dict[str, str]]:
    """Train PSSR2's ResUNet by PSSR2 itself, unless that was done; its metrics and speed."""
    own = options.out / f"pssr2-{options.max_time}"
    sr, speed = own.with_suffix(".npy"), own.with_suffix(".json")
    if not speed.exists():
        lr, sections = options.out / "lr.npy", options.out / "sections"
        np.save(lr, Store(tested / "lr.ome.zarr").level()[0, 0])
        _write_sections(sections, options.data)
        what = sections, lr, sr, options.max_time
        found = answer(benchmark("pssr2.training", *what, python=options.pssr2))
        speed.write_text(json.dumps(found))
    cost = f"{json.loads(speed.read_text())['hr_megapixel_per_s']:.2f}"
    hr = Store(tested / "hr.ome.zarr").level()[0, 0]
    return _metrics(hr, np.load(sr)).assign(model=THEIRS), {"HR megapixel/s": cost}


def _write_sections(folder, data):
    """The sections of `sstem` that are learnt from."""
    folder.mkdir(exist_ok=True)
    for number in range(16):
        name = f"{number:02d}.tif"
        tifffile.imwrite(folder / name, tifffile.imread(data / SSTEM / name))


def _metrics(hr, sr):
    rows = []
    for truth, made in zip(hr, sr):
        images = {"sr": np.rint(made).clip(0, 255).astype(np.float32)}
        pieces = [Piece(truth.astype(np.float32), images)]
        rows += measure_plane(lambda pieces=pieces: pieces, 255.0)
    return pd.DataFrame(rows)


def costs(out: Path, models: Sequence[str], rounds: int = 5) -> dict[str, dict[str, str]]:
    """Parameters, MACs for an LR pixel, speed and peak memory of training, of every network."""
    image = torch.rand(1, 1, 256, 256).contiguous(memory_format=torch.channels_last)
    networks = {model: _network(out, model) for model in models}
    with torch.inference_mode():
        ways = {model: lambda n=network: n(image) for model, network in networks.items()}
        # The first round warms up.
        took = {m: found[1:] for m, found in in_turns(ways, rounds + 1).items()}
    return {m: _cost(out, m, n, image, took[m]) for m, n in networks.items()}


def _network(out, model):
    network, _ = load_weights(out / "results" / "models" / model / "best.safetensors")
    return network.to(memory_format=torch.channels_last)


def _cost(out, model, network, image, took):
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        pixels = network(image).numel()
    job = pd.read_csv(out / "results" / "benchmarks" / "train" / f"{model}.tsv", sep="\t")
    return {
        "parameters, million": f"{sum(p.numel() for p in network.parameters()) / 1e6:.1f}",
        "kMAC per LR pixel": f"{counter.get_total_flops() / 2 / image.numel() / 1e3:.0f}",
        "HR megapixel/s": f"{pixels / 1e6 / statistics.median(took):.2f}",
        "training, peak MB": f"{job['max_rss'].iloc[0]:.0f}",
    }


def print_metrics(metrics: pd.DataFrame, costs: Mapping[str, Mapping[str, str]]) -> None:
    """One line for each network: means over planes and what it costs."""
    names = list(next(iter(costs.values())))
    header = ["network", "PSNR", "over bicubic", "SSIM", "MS-SSIM", *names]
    print_table(header, _rows(metrics, costs, names))


def _rows(metrics, costs, names):
    plain = metrics[metrics["method"] == "bicubic"][METRICS].mean()
    made = metrics[metrics["method"] == "sr"].groupby("model", sort=False)[METRICS].mean()
    for name, row in made.iterrows():
        gain = f"{row['psnr'] - plain['psnr']:+.3f}"
        yield [name, *_figures(row, gain), *(costs[name].get(n, "") for n in names)]
    yield ["bicubic", *_figures(plain, ""), *("" for _ in names)]


def _figures(mean, gain):
    return [f"{mean['psnr']:.3f}", gain, f"{mean['ssim']:.4f}", f"{mean['ms_ssim']:.4f}"]


def reached(out: Path, models: Sequence[str]) -> Iterator[str]:
    """When the validation of the first network reaches the best PSNR of every other."""
    folder = out / "results" / "models"
    histories = {m: pd.read_csv(folder / m / "history.csv") for m in models}
    for name, history in histories.items():
        best = history["psnr"].max()
        when = first_reaching(histories[models[0]], best)
        yield f"Best validation PSNR of {name}, {best:.2f} dB: {models[0]} has it {when}"


def first_reaching(history: pd.DataFrame, psnr: float) -> str:
    """Seconds of training until the validation reaches a PSNR."""
    there = history.loc[history["psnr"] >= psnr, "seconds"]
    return f"after {there.iloc[0]:.0f} s" if len(there) else "never"


def parsed() -> argparse.Namespace:
    """The command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--data", type=Path, required=True)
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--dataset", choices=["sstem", "fibsem", "rat"], default="sstem")
    arguments.add_argument("--pssr2", help="Python of an environment with PSSR2")
    arguments.add_argument("--max-time", type=int, default=600, help="seconds of each training")
    arguments.add_argument("--models", choices=MODELS, nargs="+", default=["default", "resunet"])
    options = arguments.parse_args()
    options.data = options.data.resolve()
    return options


def main() -> None:
    """Train, and print."""
    options = parsed()
    tested, metrics = run_ours(options)
    cost = costs(options.out, options.models)
    if options.pssr2:
        theirs, cost[THEIRS] = run_theirs(options, tested)
        metrics = pd.concat([metrics, theirs])
    print(heading())
    print_metrics(metrics, cost)
    for sentence in reached(options.out, options.models):
        print(f"\n{sentence}")


if __name__ == "__main__":
    main()

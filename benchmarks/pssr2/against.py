"""The default network beside PSSR2's: trained for the same time on the same images.

Expects the folder of development images as `--data` and, as `--pssr2`, the Python of an
environment that has PSSR2 (see pssr2_reference.py). The crappifier is bilinear 4 x 4 with Poisson
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
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile
import torch
import yaml
from machine import ROOT, heading
from real_data import DATASETS, SSTEM
from torch.utils.flop_counter import FlopCounterMode

from pssrflow.evaluate import measure_plane
from pssrflow.networks import load_weights
from pssrflow.store import open_level

MODELS = {
    "small": {"arch": "unet", "size": "small"},
    "default": {"arch": "unet"},
    "large": {"arch": "unet", "size": "large"},
    **{a: {"arch": a} for a in ("resunet", "resunet_a", "rdresunet", "rdresunet_a", "swinir")},
}
METRICS = ["psnr", "ssim", "ms_ssim"]


def run_pipeline(data, out, dataset, max_time, models):
    """Train, predict and evaluate the networks; the metrics of every plane."""
    out.mkdir(parents=True, exist_ok=True)
    rows = DATASETS[dataset]
    table = pd.DataFrame(rows, columns=["sample", "role", "path", "crop", "pixel_size"])
    table["path"] = [str(data / path) for path in table["path"]]
    table.to_csv(out / "samples.tsv", sep="\t", index=False)
    config = {
        "samples": "samples.tsv",
        "results": "results",
        "models": {m: MODELS[m] for m in models},
        "train": {"max_time": max_time, "epochs": 100_000, "batch": 4, "validate_every": 50},
        # Whole planes: halos of the larger networks would take longer than the training.
        "predict": {"tile": 512, "halo": 0, "parts": 1},
        "report": {"title": f"Beside PSSR2: {dataset}"},
    }
    (out / "config.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile")]
    subprocess.run([*command, "--configfile", "config.yaml"], cwd=out, check=True)
    tested = out / "results" / next(row[0] for row in rows if row[1] == "test")
    return tested, pd.concat(pd.read_csv(tested / m / "metrics.csv") for m in models)


def run_pssr2(python, data, out, tested, seconds):
    """Train PSSR2's ResUNet by PSSR2 itself, unless that was done; its metrics and speed."""
    sr, speed = out / f"pssr2-{seconds}.npy", out / f"pssr2-{seconds}.json"
    if not speed.exists():
        np.save(out / "lr.npy", open_level(tested / "lr.ome.zarr")[0, 0])
        sections = out / "sections"
        sections.mkdir(exist_ok=True)
        for number in range(16):
            name = f"{number:02d}.tif"
            tifffile.imwrite(sections / name, tifffile.imread(data / SSTEM / name))
        arguments = [str(sections), str(out / "lr.npy"), str(sr), str(seconds)]
        script = Path(__file__).with_name("pssr2_training.py")
        made = subprocess.run([python, script, *arguments], check=True, stdout=subprocess.PIPE)
        speed.write_bytes(made.stdout.splitlines()[-1])
    rows = []
    for hr, made in zip(open_level(tested / "hr.ome.zarr")[0, 0], np.load(sr)):
        images = {"sr": np.rint(made).clip(0, 255).astype(np.float32)}
        pieces = [(hr.astype(np.float32), images)]
        rows += measure_plane(lambda pieces=pieces: pieces, 255.0)
    cost = {"HR megapixel/s": f"{json.loads(speed.read_text())['hr_megapixel_per_s']:.2f}"}
    return pd.DataFrame(rows).assign(model="PSSR2 itself"), cost


def cost(out, models, rounds=5):
    """Parameters, MACs for an LR pixel, speed and peak memory of training, of every network."""
    image = torch.rand(1, 1, 256, 256).contiguous(memory_format=torch.channels_last)
    networks, took = {}, {model: [] for model in models}
    for model in models:
        network, _ = load_weights(out / "results" / "models" / model / "best.safetensors")
        networks[model] = network.to(memory_format=torch.channels_last)
    with torch.inference_mode():
        for _ in range(rounds + 1):
            for model, network in networks.items():
                start = time.perf_counter()
                made = network(image)
                took[model].append(time.perf_counter() - start)
    return {m: _cost(out, m, n, image, made.numel(), took[m][1:]) for m, n in networks.items()}


def _cost(out, model, network, image, pixels, took):
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(image)
    job = pd.read_csv(out / "results" / "benchmarks" / "train" / f"{model}.tsv", sep="\t")
    return {
        "parameters, million": f"{sum(p.numel() for p in network.parameters()) / 1e6:.1f}",
        "kMAC per LR pixel": f"{counter.get_total_flops() / 2 / image.numel() / 1e3:.0f}",
        "HR megapixel/s": f"{pixels / 1e6 / statistics.median(took):.2f}",
        "training, peak MB": f"{job['max_rss'].iloc[0]:.0f}",
    }


def print_table(metrics, costs):
    """One line for each network: means over planes and what it costs."""
    plain = metrics[metrics["method"] == "bicubic"][METRICS].mean()
    made = metrics[metrics["method"] == "sr"].groupby("model", sort=False)[METRICS].mean()
    names = list(next(iter(costs.values())))
    print("| network | PSNR | over bicubic | SSIM | MS-SSIM |", " | ".join(names), "|")
    print("|---" * (5 + len(names)) + "|")
    for name, row in made.iterrows():
        figures = f"{row['psnr']:.3f} | {row['psnr'] - plain['psnr']:+.3f} "
        figures += f"| {row['ssim']:.4f} | {row['ms_ssim']:.4f}"
        print(f"| {name} | {figures} |", " | ".join(costs[name].get(n, "") for n in names), "|")
    print(f"| bicubic | {plain['psnr']:.3f} | | {plain['ssim']:.4f} | {plain['ms_ssim']:.4f} |")


def first_reaching(history, psnr):
    """Seconds of training until the validation reaches a PSNR."""
    reached = history.loc[history["psnr"] >= psnr, "seconds"]
    return f"after {reached.iloc[0]:.0f} s" if len(reached) else "never"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--dataset", choices=["sstem", "fibsem", "rat"], default="sstem")
    parser.add_argument("--pssr2", help="Python of an environment with PSSR2")
    parser.add_argument("--max-time", type=int, default=600, help="seconds of each training")
    parser.add_argument("--models", choices=MODELS, nargs="+", default=["default", "resunet"])
    options = parser.parse_args()
    data, out, models = options.data.resolve(), options.out, options.models
    tested, metrics = run_pipeline(data, out, options.dataset, options.max_time, models)
    costs = cost(out, models)
    if options.pssr2:
        own, costs["PSSR2 itself"] = run_pssr2(options.pssr2, data, out, tested, options.max_time)
        metrics = pd.concat([metrics, own])
    print(heading())
    print_table(metrics, costs)
    folder = out / "results" / "models"
    histories = {m: pd.read_csv(folder / m / "history.csv") for m in models}
    for name, history in histories.items():
        best = history["psnr"].max()
        reached = first_reaching(histories[models[0]], best)
        print(f"\nBest validation PSNR of {name}, {best:.2f} dB: {models[0]} has it {reached}")

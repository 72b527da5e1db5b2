"""The default network beside PSSR2's: trained for the same time on the same sections.

Expects the folder of development images as `--data` and, as `--pssr2`, the Python of an
environment that has PSSR2 (see pssr2_reference.py). Sections 0-15 are learnt from, 16-19 tested;
the crappifier is bilinear 4 x 4 with Poisson noise of intensity 1. In turns:

- the networks named by `--models`, by this pipeline, with the same batch of 4, loss and schedule;
- PSSR2's own `train_paired` with its defaults (batch 16, MS-SSIM and L1, AdamW, plateau), whose
  predictions of the same LR images are measured with the same metrics.

Prediction is timed on one LR plane in memory, float32, the median of several passes.
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
from pssrflow.evaluate import measure_plane
from pssrflow.networks import load_weights
from pssrflow.store import open_level
from real_data import DATASETS
from torch.utils.flop_counter import FlopCounterMode

MODELS = {
    "small": {"arch": "unet", "size": "small"},
    "default": {"arch": "unet"},
    "large": {"arch": "unet", "size": "large"},
    **{a: {"arch": a} for a in ("resunet", "resunet_a", "rdresunet", "rdresunet_a", "swinir")},
}
SECTIONS = "em_sstem_drosophila_vnc_stack1/raw"


def run_pipeline(data, out, max_time, models):
    """Train, predict and evaluate the networks; the table of metrics."""
    out.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame(
        DATASETS["sstem"], columns=["sample", "role", "path", "crop", "pixel_size"]
    )
    table["path"] = [str(data / path) for path in table["path"]]
    table.to_csv(out / "samples.tsv", sep="\t", index=False)
    config = {
        "samples": "samples.tsv",
        "results": "results",
        "models": {m: MODELS[m] for m in models},
        "train": {"max_time": max_time, "epochs": 100_000, "batch": 4, "validate_every": 50},
        "report": {"title": "Beside PSSR2"},
    }
    (out / "config.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile")]
    subprocess.run([*command, "--configfile", "config.yaml"], cwd=out, check=True)
    results = out / "results" / "sections-16-19"
    return pd.concat(pd.read_csv(results / m / "metrics.csv") for m in models)


def run_pssr2(python, data, out, seconds):
    """Train PSSR2's ResUNet by PSSR2 itself; metrics of its predictions, and its speed."""
    lr = open_level(out / "results" / "sections-16-19" / "lr.ome.zarr")[0, 0]
    np.save(out / "lr.npy", lr)
    script = Path(__file__).with_name("pssr2_training.py")
    sections = out / "sections"
    sections.mkdir(exist_ok=True)
    for number in range(16):
        name = f"{number:02d}.tif"
        tifffile.imwrite(sections / name, tifffile.imread(data / SECTIONS / name))
    arguments = [str(sections), str(out / "lr.npy"), str(out / "sr.npy"), str(seconds)]
    done = subprocess.run([python, script, *arguments], check=True, capture_output=True, text=True)
    truth = open_level(out / "results" / "sections-16-19" / "hr.ome.zarr")[0, 0]
    rows = []
    for hr, sr in zip(truth, np.load(out / "sr.npy")):
        images = {"sr": np.rint(sr).clip(0, 255).astype(np.float32)}
        pieces = [(hr.astype(np.float32), images)]
        rows += measure_plane(lambda pieces=pieces: pieces, 255.0)
    return pd.DataFrame(rows).assign(model="PSSR2 itself"), json.loads(done.stdout.splitlines()[-1])


def cost(out, model):
    """Parameters, MACs for an LR pixel, speed of a trained network and peak memory of training."""
    network, _ = load_weights(out / "results" / "models" / model / "best.safetensors")
    network = network.to(memory_format=torch.channels_last)
    image = torch.rand(1, 1, 256, 256).contiguous(memory_format=torch.channels_last)
    took = []
    with torch.inference_mode():
        with FlopCounterMode(display=False) as counter:
            network(image)
        for _ in range(5):
            start = time.perf_counter()
            pixels = network(image).numel()
            took.append(time.perf_counter() - start)
    job = pd.read_csv(out / "results" / "benchmarks" / "train" / f"{model}.tsv", sep="\t")
    return {
        "parameters, million": sum(p.numel() for p in network.parameters()) / 1e6,
        "kMAC per LR pixel": counter.get_total_flops() / 2 / image.numel() / 1e3,
        "HR megapixel/s": pixels / 1e6 / statistics.median(took),
        "training, peak MB": job["max_rss"].iloc[0],
    }


def first_reaching(history, psnr):
    """Seconds of training until the validation reaches a PSNR; None if it never does."""
    reached = history.loc[history["psnr"] >= psnr, "seconds"]
    return reached.iloc[0] if len(reached) else None


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pssr2", help="Python of an environment with PSSR2")
    parser.add_argument("--max-time", type=int, default=600, help="seconds of each training")
    parser.add_argument("--models", choices=MODELS, nargs="+", default=["default", "resunet"])
    options = parser.parse_args()
    metrics = run_pipeline(
        options.data.resolve(), options.out, options.max_time, options.models
    ).set_index("model")
    costs = {m: cost(options.out, m) for m in options.models}
    if options.pssr2:
        own, found = run_pssr2(options.pssr2, options.data.resolve(), options.out, options.max_time)
        metrics = pd.concat([metrics, own.set_index("model")])
        costs["PSSR2 itself"] = {"HR megapixel/s": found["hr_megapixel_per_s"]}
    names = ["psnr", "ssim", "ms_ssim"]
    made = metrics[metrics["method"] == "sr"].groupby("model", sort=False)[names].mean()
    table = pd.concat([made, pd.DataFrame(costs).T], axis=1)
    table.loc["bicubic", names] = metrics.loc[metrics["method"] == "bicubic", names].mean()
    print(heading())
    print("| network |", " | ".join(table.columns), "|")
    print("|---" * (len(table.columns) + 1) + "|")
    for name, row in table.iterrows():
        print(f"| {name} |", " | ".join("" if v != v else f"{v:.4g}" for v in row), "|")
    folder = options.out / "results" / "models"
    histories = {m: pd.read_csv(folder / m / "history.csv") for m in options.models}
    for name, history in histories.items():
        goal = history["psnr"].max()
        ours = first_reaching(histories[options.models[0]], goal)
        print(f"\n{options.models[0]} has the best validation PSNR of {name}, {goal:.2f} dB, ")
        print(f"after {ours} s of training")

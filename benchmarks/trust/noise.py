"""Noise as real scans tell it, and PSNR freed of noise beside that to the clean image."""

import argparse
import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tifffile
import torch

from benchmarks.processes import run_sheet
from benchmarks.tables import print_table
from benchmarks.trust.sets import COUNTING, EM, FAST, MODELS, NOISE
from pssrflow.calibrate.frames import Noise, noise_between
from pssrflow.crappify.chain import Crappifier, crappify_plane
from pssrflow.crappify.squares import NoiseKey
from pssrflow.evaluate.errors import Remedy, decibels
from pssrflow.evaluate.intervals import Bootstrap, block_sums
from pssrflow.evaluate.metrics import psnr
from pssrflow.ingest.readers.counts import Half
from pssrflow.models.weights import load_weights
from pssrflow.pairs.aligned import Scan
from pssrflow.predict.inference import Inference
from pssrflow.simulate.microscope import Place, expected, scan
from pssrflow.simulate.settings import Microscope
from pssrflow.volumes.store import Store

TWO_PHOTON = "fluo_multiframe/two_photon_20frames.tif"
FIRST = (0, 5, 10, 15)


def scans(options: argparse.Namespace) -> None:
    """Noise of frames of a two-photon series, whose scans show one field over and over."""
    frames = tifffile.imread(options.data / TWO_PHOTON)
    told = [_told(frames[n : n + 2], options.out / f"scans{n}") for n in FIRST]
    mean, variance = frames.mean(0, float), frames.var(0, float, ddof=1)
    edges = np.quantile(mean, np.linspace(0, 1, 6))
    names = ["grey level", "variance over all frames"]
    rows = []
    for low, high in itertools.pairwise(edges):
        here = (mean >= low) & (mean <= high)
        level, known = float(mean[here].mean()), float(variance[here].mean())
        found = (float(noise.variance(np.array(level))) / known for noise in told)
        rows.append([f"{level:.0f}", f"{known:.0f}", *(f"{ratio:.2f}" for ratio in found)])
    print_table([*names, *(f"frames {n}, {n + 1} to that" for n in FIRST)], rows)


def _told(pair: np.ndarray, folder: Path) -> Noise:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [str((folder / f"{n}.tif").resolve()) for n in (0, 1)]
    for path, frame in zip(paths, pair, strict=True):
        tifffile.imwrite(path, frame)
    table = pd.DataFrame([("a", "test", *paths)], columns=["sample", "role", "path", "hr2_path"])
    config = {"crappify": NOISE, "models": {"bicubic": MODELS["bicubic"]}}
    results = run_sheet(folder, table, config, "ingest")
    first, second = (Store(results / f"a/{kind}.ome.zarr") for kind in ("hr", "hr2"))
    found = noise_between(first, Scan(second), 0)
    assert found is not None
    return found


SIDE = 768
COUNTS = "two halves of the counts of one scan; the LR image is made of the first"


def truth(options: argparse.Namespace) -> None:
    """PSNR freed of noise beside PSNR to the clean image, and how often its interval holds that."""
    network, _ = load_weights(options.out / "simulated/results/models/default/best.safetensors")
    inference = Inference(network, torch.device("cpu"), "32")
    crappifier = Crappifier.from_config(scale=4, downsample="bilinear", noise=NOISE["noise"])
    found: dict[str, list[Any]] = {}
    for number in range(options.runs):
        for name, told in _freed(number, inference, crappifier):
            found.setdefault(name, []).append(told)
    names = ["remedy", "runs", "PSNR to the scan", "PSNR to the clean image", "uPSNR"]
    names += ["mean difference (dB)", "largest", "interval holds that %", "that of all fields %"]
    print_table(names, (_summed(name, np.array(told)) for name, told in found.items()))


def _freed(number: int, inference: Inference, crappifier: Crappifier) -> Iterator[Any]:
    whole = slice(0, SIDE)
    slow, fast = Microscope(**EM), Microscope(**FAST)
    place = Place(500 + number)
    clean = expected(slow, place, 0, whole, whole)
    scans = [scan(slow, replace(place, draw=d), 0, whole, whole) for d in (0, 1)]
    first, second = (s.astype(np.float32) for s in scans)
    made = crappify_plane(first, crappifier, NoiseKey(0, "t", number, 0, 0, 0), 0, 255)
    rescanned = scan(fast, place, 0, slice(0, SIDE // 4), slice(0, SIDE // 4))
    variance = slow.gain * np.maximum(clean - slow.offset, 0) + slow.read_noise**2 + 1 / 12
    noise = Noise(slow.gain, slow.read_noise**2 + 1 / 12, slow.offset)
    assert abs(np.mean((first - clean) ** 2) / variance.mean() - 1) < 0.05
    for lr, crappified in ((made, True), (rescanned, False)):
        sr = _restored(lr, inference)
        for twice in (True, False):
            remedy = Remedy.of(crappified, 1.0 if twice else None, noise, 4)
            error = remedy.unbiased(first, sr, second if twice else None)
            yield remedy.name, _beside(sr, clean, first, error)
    yield COUNTS, _halved(number, inference, crappifier)


def _halved(number: int, inference: Inference, crappifier: Crappifier) -> Any:
    """The same of a scan by a counting detector, which is shared out into two."""
    whole, place = slice(0, SIDE), Place(500 + number)
    counting = Microscope(**COUNTING)
    counts = scan(counting, place, 0, whole, whole)
    halves = [Half(1.0, 0.0, second, str(number)) for second in (False, True)]
    first, second = (half.taken(counts, (0,) * 5).astype(np.float32) for half in halves)
    lr = crappify_plane(first, crappifier, NoiseKey(0, "c", number, 0, 0, 0), 0, 255)
    sr = _restored(lr, inference)
    error = Remedy.of(True, 1.0, None, 4).unbiased(first, sr, second)
    return _beside(sr, expected(counting, place, 0, whole, whole), first, error)


def _restored(lr: np.ndarray, inference: Inference) -> np.ndarray:
    low, high = np.percentile(lr, (0.1, 99.9))
    image = inference([((lr - low) / (high - low)).astype(np.float32)[None]])[0]["sr"]
    return image * (high - low) + low


def _beside(sr: np.ndarray, clean: np.ndarray, first: np.ndarray, error: np.ndarray) -> Any:
    """PSNR to the scan and to the clean image, and freed of noise with its interval."""
    sums = block_sums((sr - first) ** 2, error)
    planes = {(0, 0, 0): [sums[..., [0, 2]]]}
    figure = decibels(planes, 255, Bootstrap.of(planes)).found
    naive, true = (psnr(float(np.mean((sr - other) ** 2)), 255) for other in (first, clean))
    return naive, true, figure.value, figure.low, figure.high


def _summed(name: str, told: np.ndarray) -> list[Any]:
    naive, true, freed, low, high = told.T
    away = freed - true
    means = [f"{v.mean():.2f}" for v in (naive, true, freed)]
    # Of this field, and of all fields together, of which it is one.
    together = -10 * np.log10(np.mean(10 ** (-true / 10)))
    held = [100 * np.mean((low <= of) & (of <= high)) for of in (true, together)]
    largest = f"{np.abs(away).max():.3f}"
    return [name, len(told), *means, f"{away.mean():+.3f}", largest, *(f"{h:.0f}" for h in held)]

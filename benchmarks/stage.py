"""Ingest and crappify, or predict, of one simulated field; started by `benchmarks.stages`.

    PYTHONPATH=CHECKOUT/workflow/scripts python benchmarks/stage.py data|predict FOLDER SIZE

Prints seconds by stage, as JSON: the median of a few, after one that warms caches. Knows nothing
but the core, which may be that of another checkout.
"""

import json
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
import zarr

from pssrflow.crappify.chain import Crappifier
from pssrflow.crappify.squares import NoiseKey
from pssrflow.crappify.stage import Work as Crappify
from pssrflow.crappify.stage import crappify
from pssrflow.ingest.readers.acquisition import Overrides
from pssrflow.ingest.settings import Settings as Ingest
from pssrflow.ingest.stage import Work, ingest
from pssrflow.models.facts import Facts
from pssrflow.models.weights import save_weights
from pssrflow.networks.registry import build
from pssrflow.predict.assembly import finalise
from pssrflow.predict.plan import Request
from pssrflow.predict.prediction import Prediction
from pssrflow.predict.settings import Settings as Predict
from pssrflow.predict.stage import initialise, run_part
from pssrflow.run.layout import Layout
from pssrflow.run.memory import Budget, reuse_memory
from pssrflow.volumes.store import Store

THREADS, BUDGET_MB = 2, 4000
SCALE, REPEATS = 4, 4
SMALL = {"widths": [16, 24], "blocks": 1}
# Texture, so that codecs have work, with the noise of a detector.
MEAN, AMPLITUDE, PERIODS, NOISE = 110, 60, (9.0, 13.0), 9


def field(path: Path, size: int) -> Path:
    """A raw image; made once."""
    if not path.exists():
        y, x = np.mgrid[:size, :size]
        noise = np.random.default_rng(0).normal(0, NOISE, (size, size))
        waves = np.sin(x / PERIODS[0]) * np.sin(y / PERIODS[1])
        values = (MEAN + AMPLITUDE * waves + noise).clip(0, 255).astype(np.uint8)
        tifffile.imwrite(path, values, metadata=None)
    return path


def seconds(stage: Callable[[], Any]) -> float:
    """How long a stage takes."""
    start = time.perf_counter()
    stage()
    return time.perf_counter() - start


def data(folder: Path, raw: Path, scale: int) -> dict[str, float]:
    """Store a field, and crappify it."""
    settings, budget = Ingest(), Budget(THREADS, BUDGET_MB)
    noise = [{"name": "poisson", "intensity": 1}]
    crappifier = Crappifier.from_config(scale=scale, downsample="bilinear", noise=noise)
    hr, lr = Store(folder / "hr.ome.zarr"), Store(folder / "lr.ome.zarr")
    done = folder / "hr.done.json", folder / "lr.done.json"
    key = NoiseKey(0, "a", 0, 0, 0, 0)
    degrading = Crappify.of(hr, lr, crappifier, key)
    return {
        "ingest": seconds(lambda: ingest(Work(raw, hr, done[0], settings, Overrides()), budget)),
        "crappify": seconds(lambda: crappify(degrading, done[1], settings, budget)),
    }


def predicted(folder: Path, raw: Path, scale: int) -> dict[str, float]:
    """Super-resolve the field, crappified, by a small network."""
    layout = Layout.of(str(folder), None)
    (folder / "a").mkdir()
    data(folder / "a", raw, 2 * scale)
    torch.manual_seed(0)
    Path(layout.weights("m")).parent.mkdir(parents=True)
    save_weights(layout.weights("m"), build("unet", scale, SMALL), Facts("unet", scale, SMALL))
    prediction = Prediction.of(layout, "a", "m")
    request = Request(Predict(halo=16), 1, (1, 256, 256), (1, 2048, 2048))

    def stage() -> None:
        initialise(prediction, request)
        run_part(prediction, 0, THREADS, "32")
        finalise(prediction, [prediction.marker(0)], [], THREADS)

    return {"predict": seconds(stage)}


def main() -> None:
    """One stage, or two, in a folder that is made anew."""
    kind, given, size = sys.argv[1:]
    raw, folder = field(Path(given) / f"{size}.tif", int(size)), Path(given) / "work"
    reuse_memory(kind == "predict")
    zarr.config.set({"threading.max_workers": THREADS})
    took = []
    for _ in range(1 + REPEATS):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        took.append({"data": data, "predict": predicted}[kind](folder, raw, SCALE))
    print(json.dumps({k: statistics.median(one[k] for one in took[1:]) for k in took[0]}))


if __name__ == "__main__":
    main()

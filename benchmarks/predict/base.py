"""What every figure of prediction needs: a simulated LR field, its store, and runs over it.

LR fields are simulated tissue, repeated where they are large.
"""

import functools
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from benchmarks.machine import ROOT
from pssrflow.models.weights import load_weights
from pssrflow.predict.assembly import finalise
from pssrflow.predict.maps import MAPS
from pssrflow.predict.plan import Plan, Request
from pssrflow.predict.prediction import Prediction
from pssrflow.predict.settings import Settings
from pssrflow.predict.stage import initialise, run_part
from pssrflow.predict.tiles import Cutting
from pssrflow.simulate.microscope import Place, scan
from pssrflow.simulate.settings import Microscope
from pssrflow.volumes.done import finish
from pssrflow.volumes.intensity import Histogram, Intensity
from pssrflow.volumes.store import Store, write_shard
from pssrflow.volumes.volume import Volume

# Chunk and shard of a store, (z, y, x).
Sizes = tuple[tuple[int, int, int], tuple[int, int, int]]
SIZES: Sizes = (1, 256, 256), (1, 2048, 2048)
SIMULATED = 1024


@functools.cache
def tissue() -> np.ndarray:
    """An LR plane (y, x) of a fast scan, uint8."""
    side = slice(0, SIMULATED)
    microscope = Microscope(step_nm=16, spot_nm=12, dwell_us=8, gain=1)
    return scan(microscope, Place(5), 0, side, side)


def repeated(size: int) -> np.ndarray:
    """A volume (t, c, z, y, x) of one plane of `size` squared pixels."""
    times = -(-size // SIMULATED)
    return np.tile(tissue(), (times, times))[:size, :size][None, None, None]


def store(path: Path, pixels: np.ndarray, sizes: Sizes = SIZES) -> Path:
    """Write an array (t, c, z, y, x) as a finished LR store."""
    histogram = Histogram(pixels.dtype)
    histogram.add(pixels[:, :, :1, :SIMULATED, :SIMULATED])
    intensity = Intensity.measure([histogram], (1, 99))
    step = (None, 0.016, 0.016)
    Store(path).create(Volume(pixels.shape, str(pixels.dtype), *sizes, step, ("0",), intensity))
    array = Store(path).level(mode="r+")
    shards = Store(path).volume.shards()
    digests = {r: write_shard(array, r, pixels[r.slices]) for r in shards}
    finish(Store(path), Path(f"{path}.json"), digests, 2)
    return path


def undivided(weights: Path, lr: Path) -> np.ndarray:
    """SR planes (z, y, x) of one pass of a network over each whole plane, in grey levels."""
    network, _ = load_weights(weights)
    volume, planes = Store(lr).volume, Store(lr).level()[0, 0]
    low, high = volume.intensity.windows[0]
    made = []
    for plane in planes:
        image = (torch.from_numpy(plane.astype(np.float32))[None, None] - low) / (high - low)
        with torch.inference_mode():
            made.append((network(image)[0, 0] * (high - low) + low).numpy())
    return np.rint(np.stack(made).clip(0, 255))


@dataclass(frozen=True)
class Run:
    """One prediction in a folder, as the rules make it; `python` names the class of its network."""

    folder: Path
    lr: Path
    weights: Path
    parts: int = 1
    sizes: Sizes = SIZES
    settings: Mapping[str, Any] = field(default_factory=dict)
    python: tuple[str, ...] = ()

    @cached_property
    def prediction(self) -> Prediction:
        """Where everything of it lies."""
        return Prediction(
            lr=Store(self.lr),
            weights=str(self.weights),
            stores={one.name: Store(self.folder / f"{one.name}.ome.zarr") for one in MAPS},
            done={one.name: self.folder / f"{one.name}.json" for one in MAPS},
            plan=self.folder / "plan.json",
            markers=self.folder / "parts",
            python=self.python,
        )

    @property
    def done(self) -> Path:
        """JSON that is there once the SR volume is finished."""
        return self.prediction.done["sr"]

    @property
    def cutting(self) -> Cutting:
        """Tiles and halo that the plan has."""
        return Plan.read(self.prediction.plan).cutting

    def initialise(self) -> "Run":
        """Plan the parts and create the store."""
        request = Request(Settings(**self.settings), self.parts, *self.sizes)
        initialise(self.prediction, request)
        return self

    def part(self, number: int, threads: int, precision: str = "auto") -> None:
        """Predict the tiles of one part."""
        run_part(self.prediction, number, threads, precision)

    def finalise(self, threads: int) -> None:
        """Verify every shard and build the pyramid."""
        markers = [self.prediction.marker(part) for part in range(self.parts)]
        finalise(self.prediction, markers, [], threads)

    def pixels(self, threads: int | None = None, precision: str = "32") -> np.ndarray:
        """SR pixels (t, c, z, y, x) of the whole volume, predicted anew."""
        threads = threads or os.cpu_count()
        self.initialise()
        for number in range(self.parts):
            self.part(number, threads, precision)
        self.finalise(threads)
        return self.prediction.stores["sr"].level()[:]


def write_workflow(
    folder: Path,
    predict: Mapping[str, Any],
    sizes: Sizes = SIZES,
    path: str = "lr.ome.zarr",
    stores: str | None = None,
) -> None:
    """Configuration and sheet that predict an LR field with weights.safetensors as they are."""
    config = {
        "stores": stores,
        "simulate": yaml.safe_load((ROOT / "config.yaml").read_text())["simulate"],
        "samples": "samples.tsv",
        "results": "results",
        "ingest": dict(zip(("chunk", "shard"), map(list, sizes))),
        "models": {"default": {"weights": "weights.safetensors", "train": False}},
        "predict": dict(predict),
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "samples.tsv").write_text(f"sample\trole\tpath\nfield\tpredict\t{path}\n")


def content(done: Path) -> str:
    """Hash of the pixels of a finished volume."""
    return json.loads(done.read_text())["content"]

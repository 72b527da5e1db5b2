"""Are the promises of the map of trust kept? On simulated and on real images.

    python -m benchmarks.trust run --data FOLDER --out FOLDER [--max-time 120s] [--only NAME ...]
    python -m benchmarks.trust coverage --out FOLDER [--only NAME ...]

run       the pipeline on every set, with rows to learn from, rows that trust is calibrated on, and
          rows that are tested; three networks
coverage  of the intervals on the rows that are tested

LR images are bilinear means of 4 x 4 pixels with Poisson noise. What is complete below `--out` is
kept: remove it to begin anew.
"""

import argparse
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks.machine import heading, parser
from benchmarks.processes import run_sheet
from benchmarks.real_data import FIBSEM, RATS, SSTEM
from benchmarks.tables import print_table
from pssrflow.models.input import Input
from pssrflow.models.weights import load_weights
from pssrflow.pairs.field import Field, open_field
from pssrflow.pairs.patches import Drawing
from pssrflow.predict.inference import Inference
from pssrflow.trust.conformal import multiplier, multipliers
from pssrflow.trust.layers import layers
from pssrflow.trust.learn import Grounds, Learner
from pssrflow.trust.promise import STRATA, Promise
from pssrflow.volumes.store import Store

COLUMNS = ["sample", "role", "path", "crop", "pixel_size"]
NOISE = {
    "fit": None,
    "downsample": "bilinear",
    "noise": [{"name": "poisson", "intensity": 1}],
}
MODELS = {
    "default": {"arch": "unet"},
    "pssr2-resunet": {"arch": "resunet"},
    "bicubic": {"arch": "bicubic", "train": False},
}
EM = {"dwell_us": 20, "gain": 0.4}
SIMULATED = {
    "learnt": EM | {"shape": [4, 1024, 1024], "tissue": 11},
    "kept": EM | {"shape": [4, 1024, 1024], "tissue": 12},
    "tested": EM | {"shape": [8, 1024, 1024], "tissue": 13},
}
SETS = {
    "simulated": [
        ("learnt", "train", "simulate:learnt", "", ""),
        ("kept", "trust", "simulate:kept", "", ""),
        ("tested", "test", "simulate:tested", "", ""),
    ],
    "fibsem": [
        ("learnt", "train", FIBSEM, "0:90, 0:, 0:", "10, 10, 10 nm"),
        ("kept", "trust", FIBSEM, "95:126, 0:, 0:", "10, 10, 10 nm"),
        ("tested", "test", FIBSEM, "130:160, 0:, 0:", "10, 10, 10 nm"),
    ],
    "sstem": [
        ("learnt", "train", SSTEM, "0:10, 0:, 0:", "50, 4.6, 4.6 nm"),
        ("kept", "trust", SSTEM, "10:14, 0:, 0:", "50, 4.6, 4.6 nm"),
        ("tested", "test", SSTEM, "14:20, 0:, 0:", "50, 4.6, 4.6 nm"),
    ],
    "rat": [
        *(
            (f"rat-{rat}-{image}", role, RATS.format(rat, image), "", f"{size} um")
            for rat, image, role, size in (
                (1, 1, "train", 0.18),
                (2, 5, "train", 0.093),
                (3, 9, "train", 0.1),
                (3, 10, "trust", 0.1),
                (3, 11, "trust", 0.1),
            )
        ),
        ("tested", "test", RATS.format(4, 12), "", "0.1 um"),
    ],
}


def run(options: argparse.Namespace) -> None:
    """Every set through the pipeline."""
    for name in options.only:
        if (options.out / name / "results/report.json").exists():
            continue
        table = pd.DataFrame(SETS[name], columns=COLUMNS)
        real = ~table["path"].str.startswith("simulate:")
        root = str(options.data.resolve()) + "/"
        table.loc[real, "path"] = root + table.loc[real, "path"]
        learning = {"max_time": options.max_time, "epochs": 100_000}
        config: dict[str, Any] = {"crappify": NOISE, "models": MODELS, "train": learning}
        config["simulate"] = SIMULATED
        run_sheet(options.out / name, table, config)


# -- coverage -------------------------------------------------------------------------------------

LEVELS = np.arange(0.1, 0.95, 0.1)


@dataclass(frozen=True)
class Tested:
    """The tested row of a set and what a network made of it."""

    results: Path
    model: str

    @property
    def promise(self) -> Promise:
        """What is promised of the network."""
        return Promise.read(self.results / f"models/{self.model}/trust.safetensors")

    def field(self, sample: str) -> Field:
        """A row, with its LR image."""
        hr, lr = (self.results / f"{sample}/{kind}.ome.zarr" for kind in ("hr", "lr"))
        return replace(open_field(sample, hr, lr, False, self.promise.scale), lr=Store(lr))

    def planes(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """LR image, prediction and truth of every plane, as the network sees grey levels."""
        field = self.field("tested")
        lr, sr = field.lr, Store(self.results / f"tested/{self.model}/sr.ome.zarr")
        given = Input.of(lr.volume.intensity, self.promise.intensity)
        for plane in sr.volume.region.planes():
            whole = [slice(0, n) for n in field.hr.volume.shape[3:]]
            coarse = [slice(0, n) for n in lr.volume.shape[3:]]
            finer = [slice(0, n) for n in sr.volume.shape[3:]]
            images = lr.reader()(plane, *coarse), sr.reader()(plane, *finer)
            truth = field.hr.reader()(plane, *whole)
            yield tuple(given.scaled(i, plane[1]) for i in (*images, truth))

    def constant(self) -> float:
        """Half-width of an interval that is as wide everywhere, calibrated on the same blocks."""
        weights = self.results / f"models/{self.model}/best.safetensors"
        network, facts = load_weights(weights)
        inference = Inference(network, torch.device("cpu"), "32")
        nothing = Promise.nothing(self.promise.level, facts.intensity, self.promise.crappify)
        fields = [self.field(sample) for sample in self.promise.about["samples"]]
        none = [None] * len(fields)
        grounds = Grounds(fields, none, [field.region for field in fields], 48)
        learner = Learner(inference, nothing, Drawing(frames=facts.frames), 0)
        flat = learner.of(grounds, len(self.promise.blocks))
        return multiplier(flat.blocks.sum(1), flat.level)


def coverage(options: argparse.Namespace) -> None:
    """How the intervals hold on rows that nothing was learnt or calibrated on."""
    names = ["set", "network", "blocks", "coverage %", "5th percentile of planes"]
    names += [" / ".join(STRATA), "with one width everywhere", "spread to that", "width to that"]
    rows = (
        [name, model, *_covered(Tested(options.out / name / "results", model))]
        for name, model in itertools.product(options.only, MODELS)
    )
    print_table([*names, "calibration error"], rows)


def _covered(tested: Tested) -> Iterator[Any]:
    promise = tested.promise
    planes = [_ratios(promise, *images) for images in tested.planes()]
    error, scale, strata = (np.concatenate(found) for found in zip(*planes))
    factors = np.array(promise.multipliers)
    inside = error <= scale * factors[strata]
    flat = tested.constant()
    sizes = [len(e) for e, *_ in planes]
    by_plane = [100 * part.mean() for part in np.split(inside, np.cumsum(sizes)[:-1])]
    own, other = _by_stratum(inside, strata), _by_stratum(error <= flat, strata)
    yield from (len(promise.blocks), f"{100 * inside.mean():.1f}")
    yield f"{np.percentile(by_plane, 5):.1f}"
    yield from (" / ".join(f"{v:.1f}" for v in found) for found in (own, other))
    yield f"{np.ptp(own) / max(np.ptp(other), 1e-9):.2f}"
    # One width that covers as much.
    yield f"{(scale * factors[strata]).mean() / np.quantile(error, inside.mean()):.2f}"
    at = [
        (error <= scale * np.array(multipliers(promise.blocks, q))[strata]).mean() for q in LEVELS
    ]
    yield f"{np.abs(np.array(at) - LEVELS).mean():.3f}"


def _ratios(promise: Promise, lr: np.ndarray, sr: np.ndarray, hr: np.ndarray) -> Sequence:
    """Errors, scales and strata of the pixels of a plane."""
    height, width = hr.shape
    fine = np.ones((promise.scale, promise.scale), np.float32)
    scale = np.kron(promise.scales(lr, sr), fine)[:height, :width]
    strata = np.kron(promise.strata(*layers(sr, promise.scale)), fine)[:height, :width]
    # The last LR pixels may show more than the truth does.
    error = np.abs(sr[:height, :width] - hr)
    return error.ravel(), scale.ravel(), strata.ravel().astype(np.int64)


def _by_stratum(inside: np.ndarray, strata: np.ndarray) -> list[float]:
    return [100 * float(inside[strata == k].mean()) for k in range(len(STRATA))]


WAYS = {"run": run, "coverage": coverage}


def main() -> None:
    """Measure, and print."""
    arguments = parser(__doc__ or "")
    arguments.add_argument("what", choices=list(WAYS))
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--data", type=Path)
    arguments.add_argument("--max-time", default="120s")
    arguments.add_argument("--only", choices=SETS, nargs="*", default=list(SETS))
    options = arguments.parse_args()
    print(heading())
    WAYS[options.what](options)


if __name__ == "__main__":
    main()

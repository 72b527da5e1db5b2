"""A tested row, what a network made of it, and what another setting would have recorded."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from benchmarks.trust.sets import NOISE
from pssrflow.crappify.chain import Crappifier, crappify_plane
from pssrflow.crappify.squares import NoiseKey
from pssrflow.models.input import Input
from pssrflow.models.weights import load_weights
from pssrflow.pairs.field import Field, open_field
from pssrflow.pairs.patches import Drawing
from pssrflow.predict.inference import Inference
from pssrflow.trust.conformal import multiplier
from pssrflow.trust.layers import layers
from pssrflow.trust.learn import Grounds, Learner
from pssrflow.trust.promise import STRATA, Promise
from pssrflow.volumes.store import Store


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


def ratios(promise: Promise, lr: np.ndarray, sr: np.ndarray, hr: np.ndarray) -> Sequence:
    """Errors, scales and strata of the pixels of a plane."""
    height, width = hr.shape
    fine = np.ones((promise.scale, promise.scale), np.float32)
    shown = layers(sr, promise.scale)
    scales = (np.kron(s, fine)[:height, :width].ravel() for s in promise.scales(lr, *shown))
    strata = np.kron(promise.strata(*shown), fine)[:height, :width]
    # The last LR pixels may show more than the truth does.
    error = np.abs(sr[:height, :width] - hr)
    return error.ravel(), strata.ravel().astype(np.int64), *scales


def by_stratum(inside: np.ndarray, strata: np.ndarray) -> list[float]:
    return [100 * float(inside[strata == k].mean()) for k in range(len(STRATA))]


def auroc(as_is: Sequence[float], strange: Sequence[float]) -> float:
    """Chance that what is strange has the smaller p-value."""
    one, other = np.array(as_is)[:, None], np.array(strange)[None]
    return float(((other < one) + 0.5 * (other == one)).mean())


def pixel(tested: Tested) -> float:
    side = tested.field("tested").lr.volume.pixel_side
    assert side is not None
    return side


def coarser(hr: np.ndarray, factor: float) -> np.ndarray:
    """An HR image of larger (or smaller) pixels."""
    blurred = ndimage.gaussian_filter(hr, 0.5 * max(factor**2 - 1, 0) ** 0.5)
    made = ndimage.zoom(blurred, 1 / factor, order=1)
    return made[: made.shape[0] // 4 * 4, : made.shape[1] // 4 * 4]


def rescanned(
    tested: Tested, change: Callable[[np.ndarray], np.ndarray]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """LR and HR images of the tested row as another setting of the microscope would record them.

    What is changed is the specimen as the HR scan shows it, so that the noise stays as it is.
    """
    field = tested.field("tested")
    assert field.lr is not None
    given = Input.of(field.lr.volume.intensity, tested.promise.intensity)
    crappifier = Crappifier.from_config(scale=4, downsample="bilinear", noise=NOISE["noise"])
    whole = [slice(0, n) for n in field.hr.volume.shape[3:]]
    for number, plane in enumerate(field.hr.volume.region.planes()):
        hr = change(field.hr.reader()(plane, *whole).astype(np.float32))
        lr = crappify_plane(hr, crappifier, NoiseKey(0, "t", number, 0, 0, 0), 0, 255)
        yield given.scaled(lr, 0).astype(np.float32), given.scaled(hr, 0)

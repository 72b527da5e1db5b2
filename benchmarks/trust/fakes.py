"""What is planted in predictions, or erased."""

import argparse
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import ndimage

from benchmarks.tables import print_table
from benchmarks.trust.tested import Tested, auroc
from pssrflow.trust.consistency import degraded, statistics
from pssrflow.trust.promise import Promise
from pssrflow.trust.windows import WINDOW
from pssrflow.volumes.intensity import Range

# Radii of vesicles and widths of bands, SR pixels; how much darker or lighter, in parts of the
# display window.
VESICLES, BANDS, CONTRAST = (4, 6, 8, 12), (3, 5, 8), 0.5
FAKES = 60


def fakes(options: argparse.Namespace) -> None:
    """Can what is invented or lost in a prediction be told by the LR image?"""
    names = ["set", "network", "fake", "size (SR pixels)", "AUROC of consistency"]
    rows = (
        [name, model, *row]
        for name, model in itertools.product(options.only, ["default"])
        for row in _planted(Tested(options.out / name / "results", model))
    )
    print_table(names, rows)


def _planted(tested: Tested) -> Iterator[list[Any]]:
    promise, rng = tested.promise, np.random.default_rng(0)
    images = [(lr, sr) for lr, sr, _ in tested.planes()]
    kinds = [("vesicle added", r, _vesicle) for r in VESICLES]
    kinds += [("band added", w, _band) for w in BANDS]
    kinds += [("structure erased", r, _erased) for r in VESICLES]
    for name, size, change in kinds:
        as_is, changed = [], []
        for _ in range(FAKES):
            lr, sr = images[rng.integers(len(images))]
            side = WINDOW * promise.scale
            y, x = (int(rng.integers(1, n // WINDOW - 1)) * side for n in lr.shape)
            made = sr.copy()
            change(made[y : y + side, x : x + side], size, rng)
            for found, image in ((as_is, sr), (changed, made)):
                found.append(_explained(promise, lr, image, y, x))
        # Small p-values are strange.
        yield [name, size, f"{auroc(as_is, changed):.2f}"]


def _vesicle(window: np.ndarray, radius: int, rng: np.random.Generator) -> None:
    y, x = np.mgrid[: len(window), : len(window)]
    cy, cx = rng.integers(radius, len(window) - radius, 2)
    away = np.hypot(y - cy, x - cx)
    # A membrane around a lighter inside.
    window[np.abs(away - radius + 1) < 1.5] -= CONTRAST
    window[away < radius - 2] += CONTRAST / 2


def _band(window: np.ndarray, width: int, rng: np.random.Generator) -> None:
    top = rng.integers(0, len(window) - width)
    window[top : top + width] -= CONTRAST


def _erased(window: np.ndarray, radius: int, rng: np.random.Generator) -> None:
    """The place with most structure becomes as its surroundings are on the mean."""
    spread = ndimage.generic_filter(window[::4, ::4], np.std, 2 * (radius // 4) + 1)
    cy, cx = (int(4 * i) for i in np.unravel_index(spread.argmax(), spread.shape))
    y, x = np.mgrid[: len(window), : len(window)]
    inside = np.hypot(y - cy, x - cx) < radius
    window[inside] = window[inside].mean()


def _explained(promise: Promise, lr: np.ndarray, sr: np.ndarray, y: int, x: int) -> float:
    """p-value of the window of which SR pixel (y, x) is the first."""
    scale, reach = promise.scale, promise.reach
    rows, cols = (slice(n // scale, n // scale + WINDOW) for n in (y, x))
    wide = [slice(max(0, s.start - reach), s.stop + reach) for s in (rows, cols)]
    fine = tuple(slice(s.start * scale, s.stop * scale) for s in wide)
    near = sr[fine]
    inside = [
        range(s.start - w.start, s.start - w.start + WINDOW) for s, w in zip((rows, cols), wide)
    ]
    levels = Range(0.0, 1.0, 0.0)
    made = degraded(promise.crappifier, lambda r, c: near[r, c], near.shape, levels, *inside)
    left = promise.residuals.standardised(lr[rows, cols], made)
    return float(promise.consistent(statistics(left[None]))[0])

"""Planes of stores as grey levels, and pairs of them on one grid."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from pssrflow.crappify.steps import GREY
from pssrflow.pairs.field import common
from pssrflow.volumes.store import Store


class Grey:
    """A store whose planes are read as grey levels, 0 black to 255 white.

    Parameters
    ----------
    path : path-like
    planes : int
        How many are used at most.
    channel : int

    Attributes
    ----------
    planes : list of tuple
        t, c, z of the planes that are used, evenly spaced.
    step : float
        One grey level of the detector on that scale; 0 for float.
    """

    def __init__(self, path: Path | str, planes: int, channel: int = 0):
        store = Store(path)
        self.levels = store.volume.intensity.ranges[channel]
        self.array, self._read = store.level(), store.reader()
        self.factor = GREY / self.levels.span
        self.step = self.factor if self.array.dtype.kind in "iu" else 0.0
        times, _, sections = self.array.shape[:3]
        places = [(t, channel, z) for t in range(times) for z in range(sections)]
        count = min(planes, len(places))
        self.planes = [places[(2 * i + 1) * len(places) // (2 * count)] for i in range(count)]

    def read(self, plane: tuple[int, int, int], window: int) -> np.ndarray:
        """Upper left `window` pixels of a plane, float32."""
        rows, cols = (slice(0, min(n, window)) for n in self.array.shape[3:])
        values = self._read(plane, rows, cols).astype(np.float32)
        return (values - np.float32(self.levels.black)) * np.float32(self.factor)


@dataclass(frozen=True)
class Matched:
    """One registered pair.

    Attributes
    ----------
    hr : ndarray (scale * y, scale * x) of float32
        Grey levels, moved so that it lies exactly over `lr`.
    lr, mean : ndarray (y, x) of float32
        As acquired, and what it should be without noise.
    """

    hr: np.ndarray
    lr: np.ndarray
    mean: np.ndarray


def move(
    hr: np.ndarray, lr: np.ndarray, shift: Sequence[float], scale: int
) -> tuple[np.ndarray, np.ndarray]:
    """HR and LR pixels of one field on one grid.

    Parameters
    ----------
    hr, lr : ndarray (y, x) of float32
    shift : tuple of float
        HR pixels (y, x): ``hr[i + y, j + x]`` shows what LR does at HR pixel (i, j).
    scale : int
    """
    whole = [round(s) for s in shift]
    first, last = common(hr.shape, lr.shape, whole, scale)
    boxes = [
        slice(a * scale + w, b * scale + w) for a, b, w in zip(first, last, whole, strict=True)
    ]
    rest = [w - s for s, w in zip(shift, whole)]
    moved = hr[tuple(boxes)]
    if max(map(abs, rest)) > 0.02:
        moved = ndimage.shift(moved, rest, order=5, mode="nearest")
    return moved, lr[tuple(slice(a, b) for a, b in zip(first, last))]

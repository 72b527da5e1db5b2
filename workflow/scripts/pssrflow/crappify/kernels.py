"""What one step of a coarser scan sees of a finer one."""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pssrflow.crappify.steps import TRUNCATE

# Displaced samples are taken at this many places between two HR pixels.
PHASES = 64
# Lobes of the interpolation that reads a scan between its pixels.
LOBES = 4

FWHM = math.sqrt(8 * math.log(2))


def _triangle(d, half):
    return np.maximum(0, 1 - np.abs(d) / half)


def _single(d, half):
    """The pixel at the centre alone."""
    return np.where(np.abs(d) <= 0.5, 1.0, 0.0)


def _box(d, half):
    """Overlap of a pixel at distance `d` with the box."""
    return np.clip(np.minimum(d + 0.5, half) - np.maximum(d - 0.5, -half), 0, 1)


def _keys(d, half):
    """Keys 1981, doi:10.1109/TASSP.1981.1163711, with a = -1/2 as Pillow takes it."""
    d = 2 * np.abs(d) / half
    inner = 1.5 * d**3 - 2.5 * d**2 + 1
    outer = -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2
    return np.where(d < 1, inner, np.where(d < 2, outer, 0))


def _lanczos(d):
    """Duchon 1979, doi:10.1175/1520-0450(1979)018<1016:LFIOAT>2.0.CO;2."""
    return np.where(np.abs(d) < LOBES, np.sinc(d) * np.sinc(d / LOBES), 0)


def _probe(d, sigma):
    """The scan read between its pixels, through a spot wider by a Gaussian of `sigma`."""
    if sigma < 1e-3:
        return _lanczos(d)
    u = np.arange(-TRUNCATE, TRUNCATE + 1 / 16, 1 / 8)
    spot = np.exp(-0.5 * u**2)
    return _lanczos(d[..., None] - sigma * u) @ (spot / spot.sum())


@dataclass(frozen=True)
class Kernel:
    """A shape that HR pixels are averaged with.

    Attributes
    ----------
    weights : callable
        Distances (HR pixels) from the centre and a size to weights.
    size : callable
        A width (LR pixels) and a scale to what `weights` takes: half width or sigma, HR pixels.
    reach : callable
        A size to the distance beyond which there are no weights.
    usual : float
        The width where none is given.
    """

    weights: Callable[[np.ndarray, float], np.ndarray]
    size: Callable[[float, int], float]
    reach: Callable[[float], float] = float
    usual: float = 1.0


KERNELS = {
    "bilinear": Kernel(_triangle, lambda width, scale: width * scale),
    "area": Kernel(_box, lambda width, scale: width * scale / 2, lambda half: half + 0.5),
    "bicubic": Kernel(_keys, lambda width, scale: 2 * width * scale),
    "linear": Kernel(_triangle, lambda width, scale: 1.0),
    "probe": Kernel(
        _probe,
        lambda width, scale: width * scale / FWHM,
        lambda sigma: LOBES + TRUNCATE * sigma,
        usual=0.0,
    ),
    "nearest": Kernel(_single, lambda width, scale: scale / 2),
}


@dataclass(frozen=True)
class Downsampling:
    """What one LR pixel sees.

    Attributes
    ----------
    scale : int
        HR pixels per LR pixel, along y and x: the larger step of the fast scan.
    kernel : str
        A key of `KERNELS`. "bilinear", "area" and "bicubic" average HR pixels as Pillow does;
        "linear" and "nearest" take a single place, as PSSR 2021 did and as one may subsample;
        "probe" samples the scene with the spot of the microscope: it interpolates the HR image
        (band limited, Lanczos) through a Gaussian by which the spot of the fast scan is wider.
    width : float or None
        Of the kernel, in LR pixels: 1 is the usual one of "bilinear", "area" and "bicubic"; full
        width at half maximum of the Gaussian of "probe", 0 for the same spot. None is the usual.
    """

    scale: int
    kernel: str = "bilinear"
    width: float | None = None

    @property
    def shape(self) -> Kernel:
        """What `kernel` stands for."""
        return KERNELS[self.kernel]

    @property
    def size(self) -> float:
        """Half width or sigma of the kernel, HR pixels."""
        width = self.shape.usual if self.width is None else self.width
        return self.shape.size(width, self.scale)

    def weights(self, places: np.ndarray) -> np.ndarray:
        """Kernel at distances (HR pixels, any shape) from the centre of an LR pixel."""
        return self.shape.weights(np.asarray(places, float), self.size)

    @property
    def reach(self) -> float:
        """HR pixels on either side of its centre that an LR pixel sees."""
        return self.shape.reach(self.size)

    @functools.lru_cache(maxsize=64)  # noqa: B019 -- frozen, and few in a process
    def taps(self, displacement: float = 0.0) -> tuple[int, np.ndarray]:
        """Filter of LR pixel 0, displaced by HR pixels.

        LR pixel i is centred on HR pixels ``scale * i`` to ``scale * i + scale - 1``.

        Returns
        -------
        first : int
            HR pixel of the first weight.
        weights : ndarray of float32, sum 1
        """
        if self.kernel == "nearest":
            return self.scale // 2 + round(displacement), np.ones(1, np.float32)
        centre = (self.scale - 1) / 2 + displacement
        first = math.ceil(centre - self.reach)
        weights = self.weights(np.arange(first, math.floor(centre + self.reach) + 1) - centre)
        used = np.flatnonzero(weights)
        weights = weights[used[0] : used[-1] + 1]
        return first + int(used[0]), (weights / weights.sum()).astype(np.float32)

    @functools.lru_cache(maxsize=8)  # noqa: B019
    def phases(self) -> tuple[int, np.ndarray]:
        """Filters of `PHASES` displacements from 0 to 1 HR pixel, on common HR pixels.

        Returns
        -------
        first : int
        weights : ndarray (PHASES, n) of float32
        """
        found = [self.taps(phase / PHASES) for phase in range(PHASES)]
        first = min(start for start, _ in found)
        last = max(start + len(weights) for start, weights in found)
        table = np.zeros((PHASES, last - first), np.float32)
        for row, (start, weights) in zip(table, found):
            row[start - first : start - first + len(weights)] = weights
        return first, table

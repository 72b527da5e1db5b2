"""From HR to LR pixels: what one step of a coarser scan sees of a finer one."""

import functools
import math
from dataclasses import dataclass

import numpy as np

from pssrflow.compiled import compiled

# Gaussian filters are cut at this many standard deviations.
TRUNCATE = 4.0
# Displaced samples are taken at this many places between two HR pixels.
PHASES = 64
# Lobes of the interpolation that reads a scan between its pixels.
LOBES = 4
# Share of a kernel that must lie inside the plane to be normalised.
MOSTLY = np.float32(0.4)

FWHM = math.sqrt(8 * math.log(2))


def _triangle(d, half):
    return np.maximum(0, 1 - np.abs(d) / half)


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


# name: (kernel, half width or sigma in HR pixels of a width in LR pixels at a scale, reach in HR
# pixels of that, default width in LR pixels); None picks one pixel.
KERNELS = {
    "bilinear": (_triangle, lambda width, scale: width * scale, lambda h: h, 1.0),
    "area": (_box, lambda width, scale: width * scale / 2, lambda h: h + 0.5, 1.0),
    "bicubic": (_keys, lambda width, scale: 2 * width * scale, lambda h: h, 1.0),
    "linear": (_triangle, lambda width, scale: 1.0, lambda h: h, 1.0),
    "probe": (
        _probe,
        lambda width, scale: width * scale / FWHM,
        lambda s: LOBES + TRUNCATE * s,
        0.0,
    ),
    "nearest": None,
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

    def weights(self, places):
        """Kernel at distances (HR pixels, any shape) from the centre of an LR pixel."""
        function, half, _, usual = KERNELS[self.kernel]
        width = usual if self.width is None else self.width
        return function(np.asarray(places, float), half(width, self.scale))

    @property
    def reach(self):
        """HR pixels on either side of its centre that an LR pixel sees."""
        if KERNELS[self.kernel] is None:
            return self.scale / 2
        _, half, reach, usual = KERNELS[self.kernel]
        return reach(half(usual if self.width is None else self.width, self.scale))

    @functools.lru_cache(maxsize=64)  # noqa: B019 -- frozen, and few in a process
    def taps(self, displacement=0.0):
        """Filter of LR pixel 0, displaced by HR pixels.

        LR pixel i is centred on HR pixels ``scale * i`` to ``scale * i + scale - 1``.

        Returns
        -------
        first : int
            HR pixel of the first weight.
        weights : ndarray of float32, sum 1
        """
        if KERNELS[self.kernel] is None:
            return self.scale // 2 + round(displacement), np.ones(1, np.float32)
        centre = (self.scale - 1) / 2 + displacement
        first = math.ceil(centre - self.reach)
        weights = self.weights(np.arange(first, math.floor(centre + self.reach) + 1) - centre)
        used = np.flatnonzero(weights)
        weights = weights[used[0] : used[-1] + 1]
        return first + int(used[0]), (weights / weights.sum()).astype(np.float32)

    @functools.lru_cache(maxsize=8)  # noqa: B019
    def phases(self):
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


def downsample_region(read, hr_shape, downsampling, rows, cols, displaced=None):
    """LR rectangle without noise.

    Parameters
    ----------
    read : callable (slice, slice) -> ndarray (y, x)
        Reads HR rows and columns.
    hr_shape : tuple of int
        y and x of the whole HR plane; kernel weights outside are dropped, the others normalised.
    downsampling : Downsampling
    rows, cols : range
        LR pixels wanted.
    displaced : tuple of ndarray, optional
        Where the beam was beside its place, HR pixels: along y for each row (y,), and along x for
        each pixel (y, x).

    Returns
    -------
    ndarray (len(rows), len(cols)) of float32, in the units of the HR plane
    dtype of the HR plane
    """
    if displaced is None:
        first, weights = downsampling.taps()
        spread = [(0, 0), (0, 0)]
    else:
        first, weights = downsampling.phases()
        spread = [(math.floor(d.min()), math.ceil(d.max())) for d in displaced]
    boxes = [
        _needed(r, first, weights.shape[-1], downsampling.scale, extra, length)
        for r, extra, length in zip((rows, cols), spread, hr_shape)
    ]
    hr = np.ascontiguousarray(read(*(slice(a, b) for a, b in boxes)))
    tops = [downsampling.scale * r.start + first - box[0] for r, box in zip((rows, cols), boxes)]
    clean = np.empty((len(rows), len(cols)), np.float32)
    if displaced is None:
        _filter(hr, weights, downsampling.scale, *tops, clean)
    else:
        moved = [np.ascontiguousarray(d, np.float32) for d in displaced]
        _sample(hr, weights, downsampling.scale, *tops, *moved, clean)
    return clean, hr.dtype


def _needed(wanted, first, taps, scale, spread, length):
    """HR pixels, inside the plane and at least one, that LR pixels see."""
    start = scale * wanted.start + first + spread[0]
    stop = scale * (wanted.stop - 1) + first + taps + spread[1]
    start = min(max(start, 0), length - 1)
    return start, max(min(stop, length), start + 1)


@compiled
def _filter(hr, weights, scale, top, left, out):
    """Separable filter of one kernel. No sum is reordered, so no cut changes a bit."""
    line = np.empty(hr.shape[1], np.float32)
    for i in range(out.shape[0]):
        above = _down(hr, weights, scale * i + top, line)
        for j in range(out.shape[1]):
            start = scale * j + left
            total = np.float32(0)
            if start >= 0 and start + len(weights) <= len(line):
                for k in range(len(weights)):
                    total += weights[k] * line[start + k]
            else:
                total = _at_edge(line, weights, start)
            out[i, j] = total / above


@compiled
def _sample(hr, table, scale, top, left, along_y, along_x, out):
    """As `_filter`, each row displaced along y and each pixel along x."""
    phases, taps = table.shape
    line = np.empty(hr.shape[1], np.float32)
    for i in range(out.shape[0]):
        whole = math.floor(along_y[i])
        phase = min(int((along_y[i] - whole) * phases), phases - 1)
        above = _down(hr, table[phase], scale * i + top + whole, line)
        for j in range(out.shape[1]):
            whole = math.floor(along_x[i, j])
            phase = min(int((along_x[i, j] - whole) * phases), phases - 1)
            start = scale * j + left + whole
            total = np.float32(0)
            if start >= 0 and start + taps <= len(line):
                for k in range(taps):
                    total += table[phase, k] * line[start + k]
            else:
                total = _at_edge(line, table[phase], start)
            out[i, j] = total / above


@compiled
def _down(hr, weights, start, line):
    """Weighted sum of rows into `line`; gives the weight that lies inside the plane."""
    height, width = hr.shape
    inside = np.float32(0)
    for k in range(len(weights)):
        if 0 <= start + k < height:
            inside += weights[k]
    line[:] = 0
    for k in range(len(weights)):
        y = start + k
        # Negative lobes alone would be blown up; where most is missing the edge stands in for it.
        if inside < MOSTLY:
            y = min(max(y, 0), height - 1)
        if 0 <= y < height:
            for x in range(width):
                line[x] += weights[k] * np.float32(hr[y, x])
    return inside if inside >= MOSTLY else np.float32(1)


@compiled
def _at_edge(line, weights, start):
    """Weighted mean of those pixels of a line that exist."""
    total, inside = np.float32(0), np.float32(0)
    for k in range(len(weights)):
        if 0 <= start + k < len(line):
            total += weights[k] * line[start + k]
            inside += weights[k]
    if inside >= MOSTLY:
        return total / inside
    total = np.float32(0)
    for k in range(len(weights)):
        total += weights[k] * line[min(max(start + k, 0), len(line) - 1)]
    return total

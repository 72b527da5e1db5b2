"""Variance against mean: shot and read noise of a detector, from images with structure.

Foi et al. 2008, doi:10.1109/TIP.2008.2001399, for the model: a straight line whose slope is the
grey levels of one count and whose intercept is the read noise.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

# Grey-level bins of a line.
BINS = 24
# Second difference applied twice: blind to all but the finest structure, which a microscope's spot
# leaves in no image that resolves it.
FINEST = np.array([1, -4, 6, -4, 1], np.float32)
FINEST /= np.sqrt((FINEST**2).sum())
# Gaussian, in pixels, that says how bright a place of a frame is; and the share of the variance of
# white noise that it has in common with the mean beneath `FINEST`.
SMOOTH = 2.0
_KERNEL = ndimage.gaussian_filter1d(np.eye(1, 21, 10)[0], SMOOTH)[8:13]
SHARED = float(_KERNEL @ FINEST**2) ** 2
# Share of pixels at one end of a detector's range that changes a fit.
PILE = 1e-3
# Least share of pixels that must not be saturated.
ENOUGH = 0.2
# Standard deviations of the noise that a mean must keep from saturation.
CLEAR = 4.0


class Line(NamedTuple):
    """Variance of a frame on its mean, both in grey levels."""

    slope: float
    base: float

    def at(self, mean: np.ndarray) -> np.ndarray:
        """Variance where the mean is so high, never negative."""
        return np.maximum(self.slope * mean + self.base, 0)

    def summed(self, signal: np.ndarray, pixels: np.ndarray) -> np.ndarray:
        """Sum of the variances of pixels, from that of their means and from their number."""
        return self.slope * signal + self.base * pixels


class Levels(NamedTuple):
    """Grey levels at which a detector saturates; None where it does not."""

    low: float | None
    high: float | None

    @property
    def bounds(self) -> tuple[float, float]:
        """As numbers, infinite where there is none."""
        low, high = self
        return -np.inf if low is None else low, np.inf if high is None else high


def finest_noise(image: np.ndarray) -> np.ndarray:
    """Image in which only white noise is left, of the same variance."""
    rows = ndimage.correlate1d(image, FINEST, axis=0, mode="reflect")
    return ndimage.correlate1d(rows, FINEST, axis=1, mode="reflect")


def beneath_finest(image: np.ndarray) -> np.ndarray:
    """Mean over the pixels that `finest_noise` sees, weighted as their variances are."""
    rows = ndimage.correlate1d(image, FINEST**2, axis=0, mode="reflect")
    return ndimage.correlate1d(rows, FINEST**2, axis=1, mode="reflect")


def flat_parts(smooth: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Half of the pixels: those where a smoothed image changes least."""
    steep = np.hypot(*np.gradient(smooth))
    return keep & (steep <= np.median(steep[keep])) if keep.any() else keep


def frame_tally(
    frame: np.ndarray,
    block: np.ndarray,
    edges: np.ndarray | None = None,
    keep: np.ndarray | None = None,
) -> np.ndarray:
    """Tally of a frame's variance on its mean, from its finest details where it is flat.

    Parameters
    ----------
    frame : ndarray (y, x) of float32
    block : ndarray (y, x) of int
    edges : ndarray, optional
        Of grey-level bins; those of the frame by default.
    keep : ndarray of bool, optional
        Pixels that are not saturated.

    Returns
    -------
    ndarray (blocks, bins, 3) of float64
    """
    smooth = ndimage.gaussian_filter(frame, SMOOTH)
    edges = edges_of(smooth) if edges is None else edges
    keep = flat_parts(smooth, np.ones(frame.shape, bool) if keep is None else keep)
    sums = tally(block, smooth, edges, keep, beneath_finest(frame), finest_noise(frame) ** 2)
    return without_luck(sums, smooth[keep], edges, SHARED, line(sums.sum(axis=0)))


def without_luck(
    sums: np.ndarray, level: np.ndarray, edges: np.ndarray, shared: float, frame_line: Line
) -> np.ndarray:
    """Tally whose means are free of the noise that made a place look bright or dark.

    Tweedie's formula (Efron 2011, doi:10.1198/jasa.2011.tm11181), integrated over each bin.

    Parameters
    ----------
    sums : ndarray (blocks, bins, 3)
        From `tally`, the mean first.
    level : ndarray of float
        What decided on the bin, of all pixels.
    edges : ndarray of float
    shared : float
        Share of the frame's variance that the mean and the level have in common.
    frame_line : Line
        Of the frame's variance on its mean.

    Returns
    -------
    ndarray (blocks, bins, 3)
    """
    level = np.sort(level)
    near = 0.02 * float(np.ptp(level[len(level) // 100 : -len(level) // 100 or None])) + 1e-9
    density = (np.searchsorted(level, edges + near) - np.searchsorted(level, edges - near)) / near
    variance = frame_line.at(edges)
    flow = np.concatenate([[0], 0.5 * shared * variance * density, [0]])
    luck = -np.diff(flow) / np.maximum(sums[..., 0].sum(axis=0), 1)
    return np.stack([sums[..., 0], sums[..., 1] - luck * sums[..., 0], sums[..., 2]], axis=-1)


def tally(
    block: np.ndarray, level: np.ndarray, edges: np.ndarray, keep: np.ndarray, *values: np.ndarray
) -> np.ndarray:
    """Sums by block and grey-level bin.

    Parameters
    ----------
    block : ndarray of int
    level : ndarray of float
        What decides on the bin.
    edges : ndarray of float
        Between bins.
    keep : ndarray of bool
    values : ndarrays
        Of the shape of `block`.

    Returns
    -------
    ndarray (blocks, bins, 1 + values) of float64
        Number of pixels, then the sum of each of the values.
    """
    bins = len(edges) + 1
    place = (block * bins + np.searchsorted(edges, level))[keep]
    count = (int(block.max()) + 1) * bins
    sums = [np.bincount(place, v, count) for v in (None, *(v[keep] for v in values))]
    return np.stack(sums, axis=-1).reshape(-1, bins, len(sums))


def edges_of(*levels: np.ndarray) -> np.ndarray:
    """Edges of bins of equal numbers of pixels and of equal width, half of each."""
    level = np.concatenate([v.ravel() for v in levels])
    half = np.linspace(0, 1, BINS // 2 + 1)[1:-1]
    low, high = np.quantile(level, (0.001, 0.999))
    return np.unique(np.concatenate([np.quantile(level, half), low + (high - low) * half]))


def line(sums: np.ndarray, rounds: int = 4) -> Line:
    """Slope and intercept of variance on mean, from sums of a `tally` added up over blocks.

    A mean of n squares scatters by variance * sqrt(2 / n), which gives the weights.

    Returns
    -------
    Line
    """
    n, x, y = sums[:, :3].T
    full = n >= 30
    n, x, y = n[full], x[full] / n[full], y[full] / n[full]
    expected = np.full_like(y, np.average(y, weights=n))
    for _ in range(rounds):
        weights = n / expected**2
        mean = np.average(x, weights=weights)
        spread = np.average((x - mean) ** 2, weights=weights)
        slope = np.average((x - mean) * y, weights=weights) / spread if spread > 0 else 0.0
        base = np.average(y, weights=weights)
        expected = np.maximum(base + slope * (x - mean), 0.05 * base + 1e-9)
    return Line(float(slope), float(base - slope * mean))


def no_signal(slope: float, base: float) -> float:
    """Grey level above 0 where a variance of `base` and `slope` a grey level vanishes; or 0."""
    return max(-base / slope, 0.0) if slope > 0 else 0.0


def pile_up(image: np.ndarray, step: float) -> Levels:
    """Grey levels where pixels pile up, as a saturated detector's do.

    Parameters
    ----------
    image : ndarray of float32
        Grey scale from 0 to 255.
    step : float
        One grey level of the detector.

    Returns
    -------
    Levels
    """
    found = -_pile(-image, step), _pile(image, step)
    return Levels(*(None if np.isnan(v) else float(v) for v in found))


def _pile(values, step):
    """Highest value, if many have it: thrice as many as each of the five levels below."""
    top = values.max()
    width = step or 1e-6 * max(float(np.ptp(values)), 1e-6)
    here = np.count_nonzero(values > top - width / 2)
    near = np.count_nonzero(values > top - 5.5 * width) - here
    return float(top) if here > max(20, PILE * values.size, 3 * near / 5) else np.nan


def clear(mean: np.ndarray, sd: np.ndarray, levels: Levels) -> np.ndarray:
    """Where noise does not reach the levels at which a detector saturates."""
    low, high = levels
    keep = np.ones(mean.shape, bool)
    if high is not None:
        keep &= mean + CLEAR * sd < high
    if low is not None:
        keep &= mean - CLEAR * sd > low
    return keep


def away(image: np.ndarray, levels: Levels, far: int = 8) -> np.ndarray:
    """Pixels far from saturated ones; all where few are."""
    low, high = levels.bounds
    saturated = (image <= low) | (image >= high)
    keep = ~ndimage.binary_dilation(saturated, iterations=far) if saturated.any() else ~saturated
    return keep if keep.mean() > ENOUGH else np.ones_like(keep)

"""Noise that neighbours share, after resampling or averaging of lines, by its measured spectrum."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from pssrflow.calibrate.scanner.noise import SMOOTH, flat_parts

# LR pixels up to which noise is shared; what is left further away is a misfit of the mean.
REACH, FAR = 3, 6
# Correlation below which noise is white, and standard errors that it must stand out by.
WHITE, CHANCE = 0.1, 4.0
# Pixels along y and x on which a spectrum becomes a filter.
PERIOD = 32


@dataclass(frozen=True)
class Noisy:
    """Residuals of one field, and what of their covariance is no noise of the LR detector.

    Attributes
    ----------
    rest, variance : ndarray (y, x)
        Residual, and its variance.
    shown : ndarray (y, x)
        Prediction.
    keep : ndarray of bool (y, x)
        Pixels that count.
    share : float
        Of the variance, what is noise of the LR detector.
    through : ndarray (2 FAR + 1, 2 FAR + 1)
        Covariance of residuals in standard deviations that HR noise makes, by y and x.
    lag : float
        Of that noise, correlation of neighbours along x that the lag makes.
    memory : float
        Share of that which is left one pixel further.
    """

    rest: np.ndarray
    variance: np.ndarray
    shown: np.ndarray
    keep: np.ndarray
    share: float
    through: np.ndarray
    lag: float
    memory: float


def correlation_of(noisy: Sequence[Noisy]) -> np.ndarray | None:
    """Correlation of noise with that of the pixels around, where it is not white nor all lag.

    Returns
    -------
    ndarray (2 REACH + 1, 2 REACH + 1) or None
        By y and x; 1 in the middle.
    """
    found, pixels = _covariance(noisy)
    expected = np.mean([n.through for n in noisy], axis=0)
    share = float(np.mean([n.share for n in noisy]))
    if pixels == 0 or share < WHITE:
        return None
    excess = (found - expected) / share
    y, x = np.indices(excess.shape) - FAR
    ring = np.maximum(np.abs(y), np.abs(x)) > REACH + 1
    inner = slice(FAR - REACH, FAR + REACH + 1)
    excess = (excess - excess[ring].mean())[inner, inner]
    y, x = np.indices(excess.shape) - REACH
    lag, memory = (float(np.mean([getattr(n, name) for n in noisy])) for name in ("lag", "memory"))
    lagged = np.where(y == 0, lag * memory ** np.maximum(np.abs(x) - 1, 0), 0.0)
    middle = (y == 0) & (x == 0)
    beside = np.abs(np.where(middle, 0, excess - lagged)).max()
    if beside < max(WHITE, CHANCE / (share * math.sqrt(pixels))):
        return None
    return np.where(middle, 1.0, excess)


def _covariance(noisy):
    """Of residuals in standard deviations, where the image is flat; and how many pixels that is."""
    size = 2 * FAR + 1
    sums, pixels = np.zeros((2, size, size)), 0
    for one in noisy:
        flat = flat_parts(ndimage.gaussian_filter(one.shown, SMOOTH), one.keep)
        values = np.where(flat, one.rest / np.sqrt(one.variance), 0.0)
        pixels += int(flat.sum())
        for y in range(FAR + 1):
            for x in range(-FAR, FAR + 1):
                here, there = _beside(values.shape, y, x)
                both = (values[here] * values[there]).sum(), (flat[here] & flat[there]).sum()
                for place in {(FAR + y, FAR + x), (FAR - y, FAR - x)}:
                    sums[(slice(None), *place)] += both
    return sums[0] / np.maximum(sums[1], 1), pixels


def _beside(shape, y, x):
    """Pixels, and those that lie (y, x) beside them."""
    here = slice(0, max(0, shape[0] - y)), slice(max(0, -x), shape[1] - max(0, x))
    there = slice(y, shape[0]), slice(max(0, x), shape[1] + min(0, x))
    return here, there


def filter_of(correlation: np.ndarray) -> np.ndarray:
    """Filter that gives white noise a correlation: the root of its spectrum, sum of squares 1."""
    around = np.zeros((PERIOD, PERIOD))
    size = len(correlation)
    around[:size, :size] = correlation
    around = np.roll(around, (-(size // 2),) * 2, (0, 1))
    # What no noise can have, left by chance, is below zero.
    root = np.sqrt(np.maximum(np.fft.fft2(around).real, 0))
    kernel = np.roll(np.fft.ifft2(root).real, (size // 2,) * 2, (0, 1))[:size, :size]
    return kernel / np.sqrt((kernel**2).sum())

"""Image metrics: an image beside the truth in, a float out.

A metric is a function here and its line in `METRICS`; the columns of the table follow from them.
A truth is NaN where nothing is compared; what is there does not count.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pssrflow.evaluate.windows import SCALES, SMALLEST, WINDOW, Compared, Measure

# -- of a piece of a plane ------------------------------------------------------------------------


def mse(compared: Compared) -> float:
    """Mean square error, in squared units of the images."""
    return _mean((compared.truth - compared.image) ** 2)


def pixel_error(compared: Compared) -> float:
    """Mean absolute error, in units of the images."""
    return _mean(np.abs(compared.truth - compared.image))


def _mean(values):
    """Mean of what is known."""
    mean = float(np.mean(values, dtype=np.float64))
    return mean if math.isfinite(mean) else float(np.nanmean(values, dtype=np.float64))


def ssim(compared: Compared) -> float:
    """Structural similarity, Gaussian window of 11 pixels and sigma 1.5; NaN below 11 pixels.

    Mean over windows that hold nothing unknown. Wang et al. 2004, doi:10.1109/TIP.2003.819861.
    """
    if min(compared.truth.shape) < WINDOW:
        return math.nan
    likeness, _ = compared.likeness()
    if compared.whole:
        return float(likeness.mean(dtype=np.float64))
    seen = compared.seen
    return float(likeness[seen].mean(dtype=np.float64)) if seen.any() else math.nan


def ms_ssim(compared: Compared) -> float:
    """Multi-scale structural similarity, five scales; NaN below 161 pixels or if not all is known.

    Wang et al. 2003, doi:10.1109/ACSSC.2003.1292216.
    """
    if min(compared.truth.shape) < SMALLEST or not compared.whole:
        return math.nan
    found = 1.0
    for number, weight in enumerate(SCALES):
        likeness, structure = compared.likeness(number)
        last = number == len(SCALES) - 1
        mean = float((likeness if last else structure).mean(dtype=np.float64))
        found *= max(mean, 0.0) ** weight
    return found


# -- of a plane -----------------------------------------------------------------------------------


def psnr(error: float, data_range: float) -> float:
    """Peak signal-to-noise ratio in dB of a mean square error."""
    return 10 * math.log10(data_range**2 / error) if error else math.inf


def nrmse(error: float, extent: float) -> float:
    """Root of a mean square error over the range of the truth, maximum minus minimum."""
    return math.sqrt(error) / extent if extent else math.nan


@dataclass(frozen=True)
class Ranges:
    """What the errors of a plane are relative to, in units of the images.

    Attributes
    ----------
    detector : float
        White minus black.
    truth : float
        Maximum minus minimum of the plane of the truth.
    """

    detector: float
    truth: float


def _as_it_is(mean: float, ranges: Ranges) -> float:
    return mean


@dataclass(frozen=True)
class Metric:
    """How a plane is measured that may be too large to be held whole.

    Attributes
    ----------
    of_piece : callable (compared) -> float
    of_plane : callable (mean, ranges) -> float
        What the plane has, of the mean of its pieces' values by pixels; that mean, if not given.
    """

    of_piece: Measure
    of_plane: Callable[[float, Ranges], float] = _as_it_is


# Columns of the table, in its order. They stand in one dict, not found by their names: the code
# hash follows what is read, and a changed metric must measure again.
METRICS = {
    "psnr": Metric(mse, lambda error, ranges: psnr(error, ranges.detector)),
    "ssim": Metric(ssim),
    "ms_ssim": Metric(ms_ssim),
    "nrmse": Metric(mse, lambda error, ranges: nrmse(error, ranges.truth)),
    "pixel_error": Metric(pixel_error),
}


# -- grey levels of two detectors -----------------------------------------------------------------


class AffineFit:
    """Least-squares gain and offset that bring an image closest to the truth, piece by piece."""

    def __init__(self) -> None:
        # Sums of 1, image, truth, image squared and image times truth.
        self.sums = np.zeros(5)

    def add(self, truth: np.ndarray, image: np.ndarray) -> None:
        """Take in two float32 arrays of one shape; where the truth is NaN, nothing."""
        if (unknown := np.isnan(truth)).any():
            truth, image = truth[~unknown], image[~unknown]
        i, t = image.astype(np.float64), truth.astype(np.float64)
        self.sums += i.size, i.sum(), t.sum(), (i * i).sum(), (i * t).sum()

    @property
    def mean(self) -> float:
        """Of the truth."""
        return float(self.sums[2] / self.sums[0])

    def solve(self) -> tuple[float, float]:
        """Gain and offset; an image of one grey level gets gain 1."""
        n, image, truth, square, product = self.sums
        variance = square - image**2 / n
        gain = (product - image * truth / n) / variance if variance > 0 else 1.0
        return float(gain), float((truth - gain * image) / n)

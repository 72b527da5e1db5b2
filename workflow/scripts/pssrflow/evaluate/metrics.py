"""Image metrics: two arrays and an explicit data range in, a float out.

A metric is a function here and its line in `METRICS`; the columns of the table follow from them.
A truth is NaN where nothing is compared; what is there does not count.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from scipy import ndimage
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    structural_similarity_index_measure,
)

# Pixels along y and x of the window of SSIM; MS-SSIM halves the image four times before it.
SSIM_WINDOW = 11
MS_SSIM_SMALLEST = (SSIM_WINDOW - 1) * 2**4 + 1


# -- of a piece of a plane ------------------------------------------------------------------------


def mse(truth: np.ndarray, image: np.ndarray, data_range: float) -> float:
    """Mean square error, in squared units of the images."""
    return _mean((truth - image) ** 2)


def pixel_error(truth: np.ndarray, image: np.ndarray, data_range: float) -> float:
    """Mean absolute error, in units of the images."""
    return _mean(np.abs(truth - image))


def _mean(values):
    """Mean of what is known."""
    mean = float(np.mean(values, dtype=np.float64))
    return mean if math.isfinite(mean) else float(np.nanmean(values, dtype=np.float64))


def ssim(truth: np.ndarray, image: np.ndarray, data_range: float) -> float:
    """Structural similarity, Gaussian window of 11 pixels and sigma 1.5; NaN below 11 pixels.

    Wang et al. 2004, doi:10.1109/TIP.2003.819861.
    """
    if min(truth.shape) < SSIM_WINDOW:
        return math.nan
    unknown = np.isnan(truth)
    if unknown.any():
        return _ssim_of_known(truth, image, data_range, unknown)
    found = structural_similarity_index_measure(
        _tensor(image), _tensor(truth), data_range=data_range
    )
    return cast(torch.Tensor, found).item()


def _ssim_of_known(truth, image, data_range, unknown):
    """Mean over windows that hold nothing unknown; NaN if there is none."""
    filled = (np.where(unknown, np.float32(0), i) for i in (image, truth))
    _, similarity = structural_similarity_index_measure(
        *map(_tensor, filled), data_range=data_range, return_full_image=True
    )
    seen = ~ndimage.maximum_filter(unknown, SSIM_WINDOW)
    return float(similarity.numpy()[0, 0][seen].mean(dtype=np.float64)) if seen.any() else math.nan


def ms_ssim(truth: np.ndarray, image: np.ndarray, data_range: float) -> float:
    """Multi-scale structural similarity, five scales; NaN below 161 pixels or if not all is known.

    Wang et al. 2003, doi:10.1109/ACSSC.2003.1292216.
    """
    if min(truth.shape) < MS_SSIM_SMALLEST or np.isnan(truth).any():
        return math.nan
    return multiscale_structural_similarity_index_measure(
        _tensor(image), _tensor(truth), data_range=data_range, normalize="relu"
    ).item()


def _tensor(image):
    return torch.from_numpy(np.ascontiguousarray(image, np.float32))[None, None]


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
    of_piece : callable (truth, image, data_range) -> float
        2-D float32 arrays.
    of_plane : callable (mean, ranges) -> float
        What the plane has, of the mean of its pieces' values by pixels; that mean, if not given.
    """

    of_piece: Callable[[np.ndarray, np.ndarray, float], float]
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

    def solve(self) -> tuple[float, float]:
        """Gain and offset; an image of one grey level gets gain 1."""
        n, image, truth, square, product = self.sums
        variance = square - image**2 / n
        gain = (product - image * truth / n) / variance if variance > 0 else 1.0
        return float(gain), float((truth - gain * image) / n)

"""Image metrics: two arrays and an explicit data range in, a float out."""

import math

import numpy as np
import torch
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    structural_similarity_index_measure,
)

# MS-SSIM halves the image four times and then needs one window of 11 pixels.
MS_SSIM_SMALLEST = 10 * 2**4 + 1


def mse(truth, image, data_range):
    """Mean square error, in squared units of the images."""
    return float(np.mean((truth - image) ** 2, dtype=np.float64))


def pixel_error(truth, image, data_range):
    """Mean absolute error, in units of the images."""
    return float(np.mean(np.abs(truth - image), dtype=np.float64))


def ssim(truth, image, data_range):
    """Structural similarity, Gaussian window of 11 pixels and sigma 1.5.

    Wang et al. 2004, doi:10.1109/TIP.2003.819861.
    """
    if min(truth.shape) < 11:
        return math.nan
    return structural_similarity_index_measure(
        _tensor(image), _tensor(truth), data_range=data_range
    ).item()


def ms_ssim(truth, image, data_range):
    """Multi-scale structural similarity on five scales; NaN below 161 pixels.

    Wang et al. 2003, doi:10.1109/ACSSC.2003.1292216.
    """
    if min(truth.shape) < MS_SSIM_SMALLEST:
        return math.nan
    return multiscale_structural_similarity_index_measure(
        _tensor(image), _tensor(truth), data_range=data_range, normalize="relu"
    ).item()


# Metrics whose value for a plane is the mean of its pieces' values, by pixels.
# Adding one: one function above, one line here.
MEANS = {"mse": mse, "ssim": ssim, "ms_ssim": ms_ssim, "pixel_error": pixel_error}


def psnr(error, data_range):
    """Peak signal-to-noise ratio in dB of a mean square error."""
    return 10 * math.log10(data_range**2 / error) if error else math.inf


def nrmse(error, extent):
    """Root of a mean square error over the range of the truth, maximum minus minimum."""
    return math.sqrt(error) / extent if extent else math.nan


class AffineFit:
    """Least-squares gain and offset that bring an image closest to the truth, piece by piece."""

    def __init__(self):
        # Sums of 1, image, truth, image squared and image times truth.
        self.sums = np.zeros(5)

    def add(self, truth, image):
        """Take in two float32 arrays of one shape."""
        i, t = image.astype(np.float64), truth.astype(np.float64)
        self.sums += i.size, i.sum(), t.sum(), (i * i).sum(), (i * t).sum()

    def solve(self):
        """Gain and offset; an image of one grey level gets gain 1."""
        n, image, truth, square, product = self.sums
        variance = square - image**2 / n
        gain = (product - image * truth / n) / variance if variance > 0 else 1.0
        return float(gain), float((truth - gain * image) / n)


def _tensor(image):
    return torch.from_numpy(np.ascontiguousarray(image, np.float32))[None, None]

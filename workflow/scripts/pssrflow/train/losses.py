"""Losses by name: how far a prediction is from the truth, with or without a map of weights.

Every public function here is a loss that the configuration may name.

A loss takes prediction and truth (n, c, y, x), scaled to 0..1, and a map of weights (n, 1, y, x)
or None; it gives one number. Weights of 1 change nothing.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

# Wang et al. 2003, doi:10.1109/ACSSC.2003.1292216.
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
WINDOW, SIGMA = 11, 1.5
# Wang et al. 2004, doi:10.1109/TIP.2003.819861; for a range of 1.
C1, C2 = 0.01**2, 0.03**2
# Share of MS-SSIM in the mix of Zhao et al. 2017, doi:10.1109/TCI.2016.2644865, as in PSSR2.
MIX = 0.8
# Keeps the slope of a fractional power finite at zero.
TINY = 1e-8


def mse(predicted: Tensor, truth: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean of the squared differences."""
    return _mean((predicted - truth).square(), weight)


def l1(predicted: Tensor, truth: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean of the absolute differences."""
    return _mean((predicted - truth).abs(), weight)


def charbonnier(predicted: Tensor, truth: Tensor, weight: Tensor | None = None) -> Tensor:
    """L1 that is smooth below 1e-2 of the range; Charbonnier et al. 1994.

    doi:10.1109/ICIP.1994.413553.
    """
    return _mean(torch.sqrt((predicted - truth).square() + 1e-4), weight)


def fourier(predicted: Tensor, truth: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean absolute difference of the spectra; Jiang et al. 2021, arXiv:2012.12821, without focus.

    Noise and fine structure, which MSE blurs, count as much as coarse structure.
    """
    difference = predicted - truth if weight is None else (predicted - truth) * weight
    return torch.fft.rfft2(difference, norm="ortho").abs().mean()


def ssim(predicted: Tensor, truth: Tensor, weight: Tensor | None = None) -> Tensor:
    """One minus the structural similarity; Wang et al. 2004."""
    similarity, _ = _similarity(predicted, truth, weight)
    return 1 - similarity.mean()


def ms_ssim(predicted: Tensor, truth: Tensor, weight: Tensor | None = None) -> Tensor:
    """One minus the structural similarity at several scales; Wang et al. 2003.

    Small patches have fewer scales, whose exponents are then enlarged to the usual sum.
    """
    exponents = _scale_exponents(min(truth.shape[-2:]))
    product: Tensor | float = 1.0
    for number, exponent in enumerate(exponents, start=1):
        similarity, contrast = _similarity(predicted, truth, weight)
        factor = similarity if number == len(exponents) else contrast
        product = product * factor.clamp(min=TINY) ** exponent
        if number < len(exponents):
            predicted, truth = _halved(predicted), _halved(truth)
            weight = weight if weight is None else _halved(weight)
    return 1 - torch.as_tensor(product).mean()


def gaussian_l1(predicted: Tensor, truth: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean of the absolute differences, blurred by the window of SSIM.

    Differences less than half a window from the edge count less.
    """
    difference = (predicted - truth).abs()
    difference = difference if weight is None else difference * weight
    return _blur(difference, padding=WINDOW // 2).mean()


def ms_ssim_l1(predicted: Tensor, truth: Tensor, weight: Tensor | None = None) -> Tensor:
    """The mix of MS-SSIM and Gaussian-weighted L1 that PSSR2 minimises."""
    return MIX * ms_ssim(predicted, truth, weight) + (1 - MIX) * gaussian_l1(
        predicted, truth, weight
    )


class Loss:
    """What is minimised: one loss, or the weighted sum of several.

    Parameters
    ----------
    terms : str or dict of str to float
        A function above, or several with their weights.
    """

    def __init__(self, terms: str | dict[str, float]):
        self.terms = {terms: 1.0} if isinstance(terms, str) else dict(terms)

    def __call__(self, predicted: Tensor, truth: Tensor, weight: Tensor | None = None) -> Tensor:
        return sum(w * globals()[name](predicted, truth, weight) for name, w in self.terms.items())

    def note(self, size: int) -> str | None:
        """What a user should know about this loss on patches of `size` HR pixels, or None."""
        scales = len(_scale_exponents(size))
        if scales == len(SCALES) or not self.terms.keys() & {"ms_ssim", "ms_ssim_l1"}:
            return None
        return (
            f"MS-SSIM of {scales} instead of {len(SCALES)} scales: patches are {size} HR pixels "
            f"wide, of {_needed(len(SCALES))}"
        )


def _scale_exponents(size):
    """Exponents of the scales of MS-SSIM that an image of `size` pixels has, of the usual sum."""
    fitting = [n for n in range(1, len(SCALES) + 1) if size >= _needed(n)]
    chosen = SCALES[: fitting[-1] if fitting else 1]
    return [e * sum(SCALES) / sum(chosen) for e in chosen]


def _needed(scales):
    """Pixels that the coarsest of so many scales leaves more than a window of."""
    return (WINDOW - 1) * 2 ** (scales - 1) + 1


def _similarity(predicted, truth, weight):
    """SSIM, and its part for contrast and structure, of every image and channel: (n, c)."""
    channels, pair = predicted.shape[1], torch.cat([predicted, truth], 1)
    # One pass for the five local means.
    products = [predicted * predicted, truth * truth, predicted * truth]
    means = _blur(torch.cat([pair, *products], 1)).split(channels, 1)
    mean_p, mean_t, square_p, square_t, product = means
    variances = square_p - mean_p.square() + square_t - mean_t.square()
    contrast = (2 * (product - mean_p * mean_t) + C2) / (variances + C2)
    light = (2 * mean_p * mean_t + C1) / (mean_p.square() + mean_t.square() + C1)
    inside = None if weight is None else _blur(weight)
    return tuple(_mean(m, inside, (2, 3)) for m in (light * contrast, contrast))


def _blur(images, padding=0):
    """Gaussian mean of every channel; without padding only where the window fits.

    An axis that is shorter than the window is left as it is.
    """
    channels = images.shape[1]
    kernel = torch.exp(-((torch.arange(WINDOW) - WINDOW // 2) ** 2) / (2 * SIGMA**2))
    kernel = (kernel / kernel.sum()).to(images)
    for axis in (2, 3):
        if images.shape[axis] + 2 * padding >= WINDOW:
            shape = (1, 1, WINDOW, 1) if axis == 2 else (1, 1, 1, WINDOW)
            pads = (padding, 0) if axis == 2 else (0, padding)
            weights = kernel.reshape(shape).expand(channels, -1, -1, -1)
            images = F.conv2d(images, weights, padding=pads, groups=channels)
    return images


def _halved(images):
    # An odd axis gets a black line, as in pytorch-msssim, which PSSR2 calls.
    return F.avg_pool2d(images, 2, padding=[n % 2 for n in images.shape[-2:]])


def _mean(values, weight, axes=None):
    values = values if weight is None else values * weight
    return values.mean() if axes is None else values.mean(axes)

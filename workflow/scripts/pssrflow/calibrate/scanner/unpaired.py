"""Noise of fast scans without any pair: of LR images, or of the HR images themselves.

Gain and offset between the detectors come from the grey levels of both kinds of images, which
show the same kind of specimen; the kernel stays as it is configured.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from pssrflow.calibrate.result import Calibration, Estimate
from pssrflow.calibrate.scanner.noise import no_signal
from pssrflow.calibrate.scanner.single import fit_single
from pssrflow.crappify.chain import Crappifier, crappify_plane
from pssrflow.crappify.kernels import Downsampling
from pssrflow.crappify.squares import NoiseKey
from pssrflow.crappify.steps import GREY
from pssrflow.seeded import generator

# HR pixels, per LR pixel, of the noise that tells how much of it survives a kernel.
SIDE = 256
# A gain beyond these is none: one of the images has hardly any structure.
GAINS = 0.02, 50.0
# Percentiles of LR pixels, after a Gaussian of so many of them, that are the ends of grey levels.
ENDS, SMOOTHED = (1.0, 99.5), 2.0
KEY = NoiseKey(0, "", 0, 0, 0, 0)


@dataclass(frozen=True)
class Image:
    """One image without a partner.

    Attributes
    ----------
    name : str
    grey : ndarray (y, x) of float32
        Grey levels, black 0 to white 255.
    step : float
        One grey level of the detector on that scale; 0 if it is not quantised.
    """

    name: str
    grey: np.ndarray
    step: float


class Noise(NamedTuple):
    """Variance of a frame: `slope` times its grey level above black, and `base`."""

    slope: float
    base: float


def fit_unpaired(
    lr: Sequence[Image],
    hr: Sequence[Image],
    downsampling: Downsampling,
    dark: float | None,
    seed: int,
) -> Calibration:
    """What fast scans add to slow ones, from images of different fields.

    Parameters
    ----------
    lr, hr : sequence of Image
        Without LR images a pixel of the fast scan is taken to be scanned as long as an HR pixel,
        so that it has the noise of one; HR images are needed.
    downsampling : Downsampling
        As configured.
    dark : float, optional
        HR grey level without signal; None: 0, or where the noise vanishes above it.
    seed : int
        Of the bootstrap.

    Returns
    -------
    Calibration
        Verdict "cannot be checked".
    """
    black = dark or 0.0
    slow, fine = _noise(hr, black, seed)
    fast, single = _noise(lr, 0.0, seed) if lr else (slow, fine)
    survives = _surviving(downsampling)
    gain, offset = _levels(lr, hr, downsampling) if lr else (1.0, 0.0)
    offset += gain * black
    # Of the LR frame at the HR frame's black, in LR grey.
    base = fast.base + fast.slope * offset
    above = no_signal(fast.slope * gain, base) if dark is None else 0.0
    black, offset = black + above, offset + gain * above
    step = max((image.step for image in lr or hr), default=0.0)
    beneath = gain**2 * survives * max(slow.base + slow.slope * above, 0.0)
    read = max(base + fast.slope * gain * above, 0.0) - beneath - step**2 / 12
    effective = {
        "count_gain": max(fast.slope - gain * survives * slow.slope, 0.0),
        "read_noise": max(read, 0.0) ** 0.5,
    }
    known = {"dark": Estimate(black), "gain": Estimate(gain), "offset": Estimate(offset)}
    return replace(
        single,
        parameters=single.parameters | known,
        hr_noise={"count_gain": slow.slope, "read_variance": slow.base},
        effective=effective,
        notes=(*single.notes, *_used(effective, single)),
    )


def _used(effective, single):
    """What is added to slow scans, which are noisy themselves, in words."""
    added = ", ".join(f"{name} {value:.3g}" for name, value in effective.items())
    yield f"Less than was measured is added, since HR images have noise of their own: {added}."
    if single.parameters["count_gain"].value < 0:
        yield (
            "The variance falls with the grey level, as that of no detector does: structure is as "
            "fine as noise. All grey levels get the same noise."
        )


def _noise(images, dark, seed):
    """Median noise of images, and the calibration of the one that comes closest to it."""
    found = [fit_single(image.grey, image.step, dark, seed) for image in images]
    lines = np.array([_line(fit, dark) for fit in found])
    middle = np.median(lines, axis=0)
    nearest = int(np.argmin(np.abs(lines @ (1, 1 / GREY) - middle @ (1, 1 / GREY))))
    return Noise(*middle.tolist()), found[nearest]


def _line(fit, dark):
    """Slope and base of the fitted line; below 0 where grey levels lie on an offset."""
    curve = fit.curves["variance_lr"]
    slope = max(fit.parameters["count_gain"].value, 0.0)
    return slope, float(np.mean(curve["line"] - slope * (curve["mean"] - dark)))


def _surviving(downsampling):
    """Share of the variance of white HR noise that is left after the kernel."""
    noise = generator(0, "surviving").standard_normal((SIDE * downsampling.scale,) * 2)
    coarse = _coarse(noise.astype(np.float32), downsampling)
    return float(coarse.var() / noise.var())


def _coarse(grey, downsampling):
    """An image after the kernel alone."""
    bound = 1e3 * GREY
    return crappify_plane(grey, Crappifier(downsampling), KEY, -bound, bound)


def _levels(lr, hr, downsampling):
    """Gain and offset from the ends of grey levels, which show the same kind of specimen.

    Means are those of whatever lies in a field; its darkest part is background in most. What the
    network sees is scaled between such ends, too.
    """
    fast = _ends([image.grey for image in lr])
    slow = _ends([_coarse(image.grey, downsampling) for image in hr])
    span = max(slow[1] - slow[0], 1e-3)
    gain = float(np.clip((fast[1] - fast[0]) / span, *GAINS))
    return gain, fast[0] - gain * slow[0]


def _ends(images):
    """Low and high end of images whose noise is smoothed away."""
    smooth = [ndimage.gaussian_filter(image, SMOOTHED).ravel() for image in images]
    low, high = np.percentile(np.concatenate(smooth), ENDS)
    return float(low), float(high)

"""What one noisy image tells without a pair: its noise, and nothing else."""

import numpy as np

from pssrflow.calibrate.result import Calibration, Estimate
from pssrflow.calibrate.scanner.curves import points
from pssrflow.calibrate.scanner.estimate import REPLICATES
from pssrflow.calibrate.scanner.noise import away, frame_tally, line, no_signal, pile_up
from pssrflow.calibrate.scanner.optics import blocks
from pssrflow.calibrate.scanner.summary import root_of, with_interval
from pssrflow.errors import InputError
from pssrflow.seeded import generator

NOTES = (
    "Without a pair the kernel, the gain and offset relative to a slow scan, and the lag cannot be "
    "known.",
    "The noise is an upper bound where the image is undersampled: fine structure counts as noise.",
)


def fit_single(
    image: np.ndarray, step: float, dark: float | None = None, seed: int = 0
) -> Calibration:
    """Noise of one image without a pair, from its finest details.

    Parameters
    ----------
    image : ndarray (y, x) of float32
        On a grey scale from 0 to 255.
    step : float
        One grey level of the detector on that scale.
    dark : float, optional
        Grey level without signal; None: 0, or where the noise vanishes above it.
    seed : int
        Of the bootstrap.

    Returns
    -------
    Calibration
        All that needs a pair is None, and the verdict "cannot be checked".

    Raises
    ------
    InputError
        The image is no finite plane of at least 32 pixels along y and x.
    """
    image = np.asarray(image, np.float32)
    if image.ndim != 2 or min(image.shape) < 32 or not np.isfinite(image).all():
        raise InputError("image", f"shape {image.shape}", "a finite plane, 32 pixels or more")
    levels = pile_up(image, step)
    keep = away(image, levels)
    tally = frame_tally(image - np.float32(dark or 0), blocks(image.shape), keep=keep)
    return _single(tally, step, dark, levels.high, generator(seed, "blocks"))


def _single(tally, step, dark, high, rng):
    n = len(tally)
    shares = rng.multinomial(n, np.full(n, 1 / n), REPLICATES)
    slopes, bases = np.array([line(np.tensordot(share, tally, 1)) for share in shares]).T
    slope, base = line(tally.sum(axis=0))
    quantised = step**2 / 12
    curve = points(tally, dark or 0.0)
    if dark is None:
        dark = no_signal(slope, base - quantised)
    parameters = Calibration().parameters | {
        "dark": Estimate(dark),
        "count_gain": with_interval(slope, slopes),
        "read_noise": root_of(base - quantised, bases - quantised),
        "saturation": Estimate(high),
    }
    return Calibration(parameters=parameters, notes=NOTES, curves={"variance_lr": curve})

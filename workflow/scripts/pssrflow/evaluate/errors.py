"""Errors where the truth is itself noisy: uMSE and uPSNR with intervals.

Marcos-Morales et al. 2023, Evaluating unsupervised denoising requires unsupervised metrics (ICML,
arXiv 2210.05553). Let y be the HR image, x the specimen as a perfect detector would see it and f
the prediction: the mean of (f - y)^2 is too high by the noise of y, and too low where the LR image
was made of the same scan, whose noise it shares.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pssrflow.calibrate.frames import Noise, shared
from pssrflow.evaluate.intervals import (
    Bootstrap,
    Found,
    Planes,
    Values,
    ends,
    gained,
    in_all,
    rounded,
    to_json,
    widened,
)
from pssrflow.evaluate.metrics import psnr

# What tells the noise of the truth apart from the error, in words.
SCANS = "two independent scans"
ALIKE = "two scans of equal noise; the LR image is made of the first"
KNOWN = "the noise of the scan is known"
SHARED = "the noise of the scan is known; the LR image shares some of it, so this is a lower bound"
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Remedy:
    """How errors are freed of the noise of the truth.

    Attributes
    ----------
    name : str
        `SCANS`, `ALIKE`, `KNOWN`, `SHARED` or `UNKNOWN`.
    noise : Noise or None
    scale : int
        HR pixels per LR pixel.
    kept : float
        Share of the variance of its noise that a second scan kept when it was moved on the first.
    """

    name: str
    noise: Noise | None = None
    scale: int = 1
    kept: float = 1.0

    @classmethod
    def of(
        cls, crappified: bool, second: float | None, noise: Noise | None, scale: int
    ) -> "Remedy":
        """The one that is right for what is there.

        Parameters
        ----------
        crappified : bool
            Whether the LR image was made of the first scan.
        second : float or None
            `kept`, where there is a second scan.
        noise : Noise or None
        scale : int
        """
        if second is not None:
            return cls(ALIKE if crappified else SCANS, kept=second)
        if noise is None:
            return cls(UNKNOWN)
        return cls(SHARED if crappified else KNOWN, noise, scale)

    def unbiased(self, truth: Values, image: Values, second: Values | None) -> Values:
        """What the mean over pixels of is the error against the specimen; NaN if not known.

        Parameters
        ----------
        truth, image : ndarray (y, x)
        second : ndarray (y, x) or None
            Another scan of the truth, in its grey levels.
        """
        if second is not None:
            if self.name == SCANS:
                return (image - truth) * (image - second)
            own = self.kept / (1 + self.kept)
            return (image - second) ** 2 - own * (truth - second) ** 2
        if self.noise is None:
            return np.full(truth.shape, np.nan, np.float32)
        share = shared(self.scale) if self.name == SHARED else 0.0
        return (image - truth) ** 2 - (1 - share) * self.noise.variance(truth)


class Decibels(NamedTuple):
    """PSNR of a method over blocks.

    Attributes
    ----------
    found : Found
    drawn : ndarray
        In every draw.
    residuals : mapping of (t, c, z) to sequence of ndarray (rows, columns)
        By how much each block is off, in parts of the error.
    """

    found: Found
    drawn: Values
    residuals: Planes


def decibels(planes: Planes, data_range: float, draws: Bootstrap) -> Decibels:
    """PSNR of errors, with its interval.

    Parameters
    ----------
    planes : mapping of (t, c, z) to sequence of ndarray (rows, columns, 2)
        Pixels and sums of each block, of the pieces of every plane.
    data_range : float
    draws : Bootstrap
    """
    pixels, total = in_all(planes)
    sums = draws.sums(planes)
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = _psnr(sums[:, 1] / sums[:, 0], data_range)
        value = float(_psnr(np.array([total / pixels]), data_range)[0])
        residuals = {
            plane: [_off(piece, total / pixels) / total for piece in pieces]
            for plane, pieces in planes.items()
        }
    found = Found(value, *ends(drawn, value, widened(residuals)))
    return Decibels(found, drawn, residuals)


def _off(sums: Values, mean: float) -> Values:
    """What blocks sum up beyond the mean of their pixels; NaN of those without any."""
    return np.where(sums[..., 0] > 0, sums[..., 1] - mean * sums[..., 0], np.nan)


def _psnr(errors, data_range):
    """PSNR; infinite where noise was all of the error, NaN where that is not known."""
    return np.array([_one(float(e), data_range) for e in errors])


def _one(error, data_range):
    if math.isnan(error):
        return math.nan
    return psnr(error, data_range) if error > 0 else math.inf


def summary(blocks: Mapping[str, Planes], data_range: float, against: str = "sr") -> dict[str, Any]:
    """Errors of every method, and of one against the others, in the same blocks.

    Parameters
    ----------
    blocks : mapping of str to planes
        By method, see `decibels`.
    data_range : float
    against : str

    Returns
    -------
    dict
        By method: `psnr` and, but for `against` itself, `gain` of that over it, each as value, low
        and high. Of `against` also its `draws`, which are of the same blocks for every network that
        is compared with one truth, and the `residuals` of what is drawn (see `from_json`).
    """
    draws = Bootstrap.of(next(iter(blocks.values())))
    found = {method: decibels(planes, data_range, draws) for method, planes in blocks.items()}
    best = found[against]
    told: dict[str, Any] = {}
    for method, one in found.items():
        told[method] = {"psnr": one.found.to_json()}
        if method == against:
            told[method]["draws"] = [rounded(v) for v in one.drawn.tolist()]
            told[method]["residuals"] = to_json(one.residuals)
        else:
            told[method]["gain"] = _gain(best, one).to_json()
    return told


def _gain(best: Decibels, other: Decibels) -> Found:
    value = best.found.value - other.found.value
    return gained(value, (best.drawn, other.drawn), (best.residuals, other.residuals))

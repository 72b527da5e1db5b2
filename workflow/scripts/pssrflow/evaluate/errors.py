"""Errors where the truth is itself noisy: uMSE and uPSNR with intervals.

Marcos-Morales et al. 2023, Evaluating unsupervised denoising requires unsupervised metrics (ICML,
arXiv 2210.05553). Let y be the HR image, x the specimen as a perfect detector would see it and f
the prediction: the mean of (f - y)^2 is too high by the noise of y, and too low where the LR image
was made of the same scan, whose noise it shares.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pssrflow.calibrate.frames import Noise, shared
from pssrflow.evaluate.metrics import psnr
from pssrflow.seeded import generator

Values = npt.NDArray[np.floating]

# What tells the noise of the truth apart from the error, in words.
SCANS = "two independent scans"
ALIKE = "two scans of equal noise; the LR image is made of the first"
KNOWN = "the noise of the scan is known"
SHARED = "the noise of the scan is known; the LR image shares some of it, so this is a lower bound"
UNKNOWN = "unknown"
# HR pixels along y and x of the blocks that are drawn, and how often.
BLOCK, DRAWS = 128, 1000
# Blocks below which they tell no interval.
FEWEST = 8
# Percentiles between which 95 of 100 lie.
ENDS = (2.5, 97.5)


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


def block_sums(*values: Values) -> npt.NDArray[np.float64]:
    """Pixels that are known, and sums of them, of the blocks of a piece.

    Parameters
    ----------
    *values : ndarray (y, x)
        Of one shape; what is NaN in the first counts in none.

    Returns
    -------
    ndarray (blocks, 1 + values)
    """
    known = ~np.isnan(values[0])
    edges = [_edges(n) for n in known.shape]
    layers = [known, *(np.where(known, v, 0) for v in values)]
    sums = [_summed(layer.astype(np.float64), edges) for layer in layers]
    return np.stack([s.ravel() for s in sums], -1)


def _edges(length):
    count = max(1, round(length / BLOCK))
    return np.linspace(0, length, count, endpoint=False).astype(int)


def _summed(layer, edges):
    return np.add.reduceat(np.add.reduceat(layer, edges[0], 0), edges[1], 1)


@dataclass(frozen=True)
class Found:
    """An error with its interval, from blocks of planes.

    Attributes
    ----------
    value : float
        PSNR in dB.
    low, high : float
        Ends of the 95 % interval.
    """

    value: float
    low: float
    high: float

    def to_json(self) -> list[float | None]:
        """Value, low and high; None where a number is not finite."""
        each = (self.value, self.low, self.high)
        return [round(v, 4) if math.isfinite(v) else None for v in each]


class Bootstrap:
    """Draws of planes, and of blocks in each of them: the same for all methods.

    Parameters
    ----------
    sizes : sequence of int
        Blocks of each plane.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        rng = generator(0, "bootstrap")
        planes = len(sizes)
        drawn = np.ones((DRAWS, 1), int)
        if planes > 1:
            drawn = rng.multinomial(planes, np.full(planes, 1 / planes), DRAWS)
        self.weights = [
            drawn[:, i, None] * rng.multinomial(size, np.full(size, 1 / size), DRAWS)
            for i, size in enumerate(sizes)
        ]

    def means(self, planes: Sequence[Values]) -> Values:
        """Mean over pixels in every draw; of arrays (blocks, 2) of pixels and sums.

        Returns
        -------
        ndarray (DRAWS,)
        """
        sums = np.sum([weight @ plane for weight, plane in zip(self.weights, planes)], 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(sums[:, 1] / sums[:, 0])


def decibels(planes: Sequence[Values], data_range: float, draws: Bootstrap) -> tuple[Found, Values]:
    """PSNR of errors, with its interval, and in every draw.

    Parameters
    ----------
    planes : sequence of ndarray (blocks, 2)
        Pixels and sums of each block.
    data_range : float
    draws : Bootstrap
    """
    pixels, total = np.concatenate(planes).sum(0)
    drawn = _psnr(draws.means(planes), data_range)
    value = float(_psnr(np.array([total / pixels]), data_range)[0])
    return Found(value, *ends(drawn, sum(map(len, planes)))), drawn


def ends(drawn: Values, blocks: int) -> tuple[float, float]:
    """Ends of the 95 % interval of what was drawn; NaN where too few blocks were drawn from."""
    if blocks < FEWEST or not np.isfinite(drawn).any():
        return math.nan, math.nan
    with np.errstate(invalid="ignore"):
        low, high = np.nanpercentile(drawn, ENDS)
    return float(low), float(high)


def _psnr(errors, data_range):
    """PSNR; infinite where noise was all of the error, NaN where that is not known."""
    return np.array([_one(float(e), data_range) for e in errors])


def _one(error, data_range):
    if math.isnan(error):
        return math.nan
    return psnr(error, data_range) if error > 0 else math.inf


def summary(
    blocks: Mapping[str, Sequence[Values]], data_range: float, against: str = "sr"
) -> dict[str, Any]:
    """Errors of every method, and of one against the others, in the same blocks.

    Parameters
    ----------
    blocks : mapping of str to sequence of ndarray (blocks, 2)
        By method: of every plane.
    data_range : float
    against : str

    Returns
    -------
    dict
        By method: `psnr` and, but for `against` itself, `gain` of that over it, each as value, low
        and high. Of `against` also its `draws`, which are of the same blocks for every network that
        is compared with one truth.
    """
    draws = Bootstrap([len(plane) for plane in next(iter(blocks.values()))])
    found = {method: decibels(planes, data_range, draws) for method, planes in blocks.items()}
    told: dict[str, Any] = {}
    for method, (figure, drawn) in found.items():
        told[method] = {"psnr": figure.to_json()}
        if method == against:
            told[method]["draws"] = [
                round(v, 4) if math.isfinite(v) else None for v in drawn.tolist()
            ]
        else:
            with np.errstate(invalid="ignore"):
                gains = found[against][1] - drawn
            value = found[against][0].value - figure.value
            many = sum(map(len, blocks[method]))
            told[method]["gain"] = Found(value, *ends(gains, many)).to_json()
    return told

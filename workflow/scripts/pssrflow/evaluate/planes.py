"""Planes measured piece by piece, and put together again: every metric of every method."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from pssrflow.evaluate.errors import Remedy
from pssrflow.evaluate.intervals import block_sums, in_all
from pssrflow.evaluate.judged import Piece
from pssrflow.evaluate.metrics import METRICS, AffineFit, Ranges, psnr
from pssrflow.evaluate.micro import MicroScale
from pssrflow.evaluate.windows import Compared, Truth

Values = npt.NDArray[np.float64]

# What pieces are measured by; several metrics may share one.
MEASURED = tuple(dict.fromkeys(metric.of_piece for metric in METRICS.values()))
# The images as they are, and after one affine fit of the plane to the truth.
SUFFIXES = ("", "_affine")
# What the blocks of a piece hold of each of these: the error, and that freed of noise.
ERRORS = ("mse", "umse")
MICRO = METRICS["ssim"].of_piece


@dataclass(frozen=True)
class Fits:
    """Lines that bring the images of a plane closest to the truth, and to its second scan.

    Attributes
    ----------
    first, second : dict of str to (float, float)
        Gain and offset by method; `second` is empty where there is no second scan.
    darkest, mean : float
        Grey levels of the truth.
    """

    first: Mapping[str, tuple[float, float]]
    second: Mapping[str, tuple[float, float]]
    darkest: float
    mean: float

    @classmethod
    def of(cls, pieces: Iterable[Piece]) -> Self:
        """Of pieces of a plane."""
        first: dict[str, AffineFit] = defaultdict(AffineFit)
        second: dict[str, AffineFit] = defaultdict(AffineFit)
        darkest = math.inf
        for piece in pieces:
            darkest = min(darkest, float(np.nanmin(piece.truth)))
            for method, image in piece.images.items():
                first[method].add(piece.truth, image)
                if piece.second is not None:
                    both = np.where(np.isnan(piece.truth), np.nan, piece.second)
                    second[method].add(both, image)
        lines, others = ({m: fit.solve() for m, fit in fits.items()} for fits in (first, second))
        mean = next((fit.mean for fit in first.values()), math.nan)
        return cls(lines, others, darkest, mean)

    def in_the_first(self, method: str, second: np.ndarray | None) -> np.ndarray | None:
        """A second scan in grey levels of the first.

        The image is the instrument by which they are related: the noise of neither is in it.
        """
        if second is None:
            return None
        (gain, offset), (other, beside) = self.first[method], self.second[method]
        ratio = gain / other if other else 1.0
        return np.asarray((second - np.float32(beside)) * np.float32(ratio) + np.float32(offset))


@dataclass(frozen=True)
class Judge:
    """How the pieces of one plane are measured.

    Attributes
    ----------
    fits : Fits
    data_range : float
        Of the detector.
    remedy : Remedy
    micro : dict of str to MicroScale
        By method.
    pssr2 : bool
        Whether it is also measured as PSSR2 does.
    """

    fits: Fits
    data_range: float
    remedy: Remedy
    micro: Mapping[str, MicroScale]
    pssr2: bool = False

    def measured(self, piece: Piece) -> dict[str, Any]:
        """What is known of one piece, as JSON; see `row_of`."""
        truth = Truth(piece.truth)
        return {
            "pixels": int(piece.truth.size - np.count_nonzero(truth.unknown)),
            "extent": [float(np.nanmin(piece.truth)), float(np.nanmax(piece.truth))],
            "methods": {
                method: self._method(method, Compared(truth, image, self.data_range), piece)
                for method, image in piece.images.items()
            },
        }

    def _method(self, method: str, compared: Compared, piece: Piece) -> dict[str, Any]:
        fitted = compared.after(*self.fits.first[method])
        scans = piece.second, self.fits.in_the_first(method, piece.second)
        errors = [self._errors(c, scan) for c, scan in zip((compared, fitted), scans)]
        told = {
            "fit": self.fits.first[method],
            "means": [[measure(c) for measure in MEASURED] for c in (compared, fitted)],
            # Pixels once, then what is summed.
            "blocks": np.concatenate([errors[0], errors[1][..., 1:]], -1).tolist(),
        }
        if self.pssr2 and self.fits.mean > self.fits.darkest:
            told["pssr2"] = self._as_pssr2(fitted)
        if method in self.micro:
            told["micro_ssim"] = MICRO(self.micro[method].of(compared))
        return told

    def _as_pssr2(self, fitted: Compared) -> list[float]:
        """Range, mean square error and SSIM after the normalisation of PSSR2.

        It moves the darkest pixel of the truth to 0, and scales it to the mean that it had; the
        percentiles in it cancel. To scale images is to divide their range.
        """
        fits = self.fits
        data_range = self.data_range * (fits.mean - fits.darkest) / fits.mean
        made = fitted.after(*fitted.line, data_range, fits.darkest)
        return [data_range, *(METRICS[name].of_piece(made) for name in ("psnr", "ssim"))]

    def _errors(self, compared: Compared, second: np.ndarray | None) -> Values:
        truth, image = compared.truth, compared.image
        unbiased = self.remedy.unbiased(truth, image, second)
        square = (image - truth) ** 2
        if second is not None:
            # Of pixels that both scans show.
            square = np.where(np.isnan(unbiased), np.nan, square)
        return block_sums(square, unbiased)


def rows_of(pieces: Sequence[Mapping[str, Any]], data_range: float) -> list[dict[str, Any]]:
    """Every metric of one plane, a row per method.

    Parameters
    ----------
    pieces : sequence of mapping
        What `Judge.measured` gave of each; of all of the plane.
    data_range : float
        Of the detector.
    """
    lows, highs = zip(*(piece["extent"] for piece in pieces))
    ranges = Ranges(data_range, max(highs) - min(lows))
    weights = [piece["pixels"] for piece in pieces]
    rows = []
    for method, first in pieces[0]["methods"].items():
        told = [piece["methods"][method] for piece in pieces]
        means = np.average([t["means"] for t in told], axis=0, weights=weights)
        row = {"method": method} | _columns(means, ranges)
        row |= dict(zip(("affine_gain", "affine_offset"), first["fit"]))
        row |= _freed(told, data_range) | _micro(told, weights) | _pssr2(told, weights)
        rows.append(row)
    return rows


def _columns(means, ranges):
    columns = {}
    for suffix, row in zip(SUFFIXES, means.tolist()):
        mean = dict(zip(MEASURED, row))
        for name, metric in METRICS.items():
            columns[f"{name}{suffix}"] = metric.of_plane(mean[metric.of_piece], ranges)
    return columns


def _freed(told, data_range):
    """PSNR against the specimen, where the noise of the truth can be told."""
    pixels, _, raw, _, fitted = in_all({(): [np.array(t["blocks"]) for t in told]})
    errors = (raw / pixels, fitted / pixels)
    found = [psnr(e, data_range) if e > 0 else math.nan for e in errors]
    return {f"upsnr{suffix}": value for suffix, value in zip(SUFFIXES, found)}


def _pssr2(told, weights):
    if not all("pssr2" in t for t in told):
        return {}
    data_range, error, likeness = np.average([t["pssr2"] for t in told], axis=0, weights=weights)
    return {"psnr_pssr2": psnr(float(error), float(data_range)), "ssim_pssr2": float(likeness)}


def _micro(told, weights):
    if not all("micro_ssim" in t for t in told):
        return {}
    return {"micro_ssim": float(np.average([t["micro_ssim"] for t in told], weights=weights))}

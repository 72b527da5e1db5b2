"""Grey levels of an acquisition: histograms, percentiles, detector range, scaling constants."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[Any]

BINS = 1 << 16
PIECE = 1 << 19
# Percent of the pixels that may lie below the low end and above the high end of grey levels.
LOW_END = 0.01


class Histogram:
    """Out-of-core histogram of one channel, exact for 8 and 16 bit.

    float32 values are binned by the upper 16 bits of their bit pattern, which keeps their order
    and resolves them to 2**-8 of their value; minimum and maximum are exact.

    Parameters
    ----------
    dtype : numpy.dtype
        uint8, uint16, int16 or float32.
    """

    def __init__(self, dtype: npt.DTypeLike) -> None:
        self.dtype = np.dtype(dtype)
        self.counts = np.zeros(BINS, np.int64)
        self.minimum: float = np.inf
        self.maximum: float = -np.inf

    def add(self, values: Pixels) -> None:
        """Count `values` (any shape, finite, of the histogram's dtype)."""
        flat = values.reshape(-1)
        # Bins are eight times as large as 8-bit pixels, so a few at a time.
        for start in range(0, flat.size, PIECE):
            self.counts += np.bincount(_bins(flat[start : start + PIECE]), minlength=BINS)
        self.minimum = min(self.minimum, values.min().item())
        self.maximum = max(self.maximum, values.max().item())

    def merge(self, other: "Histogram") -> None:
        """Take in what another histogram of this dtype counted."""
        self.counts += other.counts
        self.minimum = min(self.minimum, other.minimum)
        self.maximum = max(self.maximum, other.maximum)

    def to_json(self) -> dict[str, Any]:
        """What it counted, for another job; see `from_json`."""
        bins = np.flatnonzero(self.counts)
        return {
            "dtype": self.dtype.str,
            "bins": bins.tolist(),
            "counts": self.counts[bins].tolist(),
            "extremes": [self.minimum, self.maximum],
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """What another job counted."""
        made = cls(told["dtype"])
        made.counts[told["bins"]] = told["counts"]
        made.minimum, made.maximum = told["extremes"]
        return made

    def percentile(self, q: float, without_zero: bool = False) -> float:
        """Smallest value that at least `q` percent of the values do not exceed; of all but 0."""
        counts = self.counts
        if without_zero:
            others = counts.copy()
            others[_bins(np.zeros(1, self.dtype))] = 0
            counts = others if others.any() else counts
        rank = q / 100 * counts.sum()
        index = int(np.searchsorted(np.cumsum(counts), max(rank, 1)))
        return min(max(_value(index, self.dtype), self.minimum), self.maximum)


class Range(NamedTuple):
    """What a detector records of one channel, grey levels.

    Attributes
    ----------
    black : float
        Without any signal.
    white : float
        At most.
    lowest : float
        At least: noise lies below black where black is not 0.
    """

    black: float
    white: float
    lowest: float

    @property
    def span(self) -> float:
        """Grey levels from black to white, which figures are relative to."""
        return self.white - self.black


@dataclass(frozen=True)
class Intensity:
    """Constants that scale the grey levels of one acquisition; one set, never per tile.

    Attributes
    ----------
    ranges : tuple of Range
        Per channel, what the detector can record.
    windows : tuple of (float, float)
        Per channel, the low and high percentile: what is shown, and what the network sees as 0..1.
    """

    ranges: tuple[Range, ...]
    windows: tuple[tuple[float, float], ...]

    @classmethod
    def unknown(cls, channels: int) -> "Intensity":
        """Of pixels that nobody has seen yet."""
        return cls((Range(0.0, 1.0, 0.0),) * channels, ((0.0, 1.0),) * channels)

    @classmethod
    def measure(
        cls,
        histograms: Sequence[Histogram],
        percentiles: Sequence[float],
        bits: int | None = None,
        black: float | None = None,
    ) -> "Intensity":
        """From one histogram per channel, a pair of percentiles, and what is known of the detector.

        Parameters
        ----------
        histograms : sequence of Histogram
        percentiles : sequence of float
        bits : int, optional
            Depth of the detector; the fewest bits that hold the data, if not given.
        black : float, optional
            Grey level without signal; see `black_level`, if not given.
        """
        return cls(detector_ranges(histograms, bits, black), windows(histograms, percentiles))

    def seen_by(self, kind: str) -> "Intensity":
        """These constants as a network takes them.

        Parameters
        ----------
        kind : str
            "window": the display window becomes 0..1; "range": black to white does, as networks
            expect that were trained on grey levels from 0 to 255.
        """
        if kind == "window":
            return self
        return replace(self, windows=tuple((r.black, r.white) for r in self.ranges))

    def to_json(self) -> dict[str, Any]:
        """As plain lists; see `from_json`."""
        return {
            "range": [min(r.lowest for r in self.ranges), max(r.white for r in self.ranges)],
            "ranges": [list(r) for r in self.ranges],
            "windows": [list(w) for w in self.windows],
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Intensity":
        """From what `to_json` gave, among other keys."""
        windows = tuple((low, high) for low, high in content["windows"])
        black, white = content["range"]
        # Stores that name no black levels have the lowest grey level as that of all channels.
        ranges = content.get("ranges", [(black, white, black)] * len(windows))
        return cls(tuple(Range(*found) for found in ranges), windows)


def windows(
    histograms: Sequence[Histogram], percentiles: Sequence[float]
) -> tuple[tuple[float, float], ...]:
    """Low and high percentile of each channel, always apart.

    Where the percentiles meet, as in sparse fluorescence on a black ground, the window is the
    range of the data.
    """
    found = []
    for histogram in histograms:
        low, high = (float(histogram.percentile(q)) for q in percentiles)
        if low == high:
            low, high = float(histogram.minimum), float(histogram.maximum)
        # Of one value: from 0 to it, as a mask of ones is 1 everywhere.
        if low == high:
            low, high = (0.0, high) if high > 0 else (low, low + 1.0)
        found.append((low, high))
    return tuple(found)


def black_level(histogram: Histogram) -> float:
    """Grey level without signal, as far as the grey levels of a channel tell.

    A detector's offset is told from a bright specimen where grey levels are further away from 0
    than from each other: then it is their low end, and else 0. Pixels of exactly 0 do not count:
    they are padding.
    """
    low, high = (histogram.percentile(q, without_zero=True) for q in (LOW_END, 100 - LOW_END))
    if low == high:
        low, high = histogram.minimum, histogram.maximum
    return float(low) if abs(low) > high - low > 0 else 0.0


def detector_ranges(
    histograms: Sequence[Histogram], bits: int | None = None, black: float | None = None
) -> tuple[Range, ...]:
    """Range of the detector that recorded each channel.

    A 12-bit camera that writes uint16 saturates at 4095 above black, so the fewest bits (8 at
    least) that hold all channels are taken; float data have no detector range and keep their own.

    Parameters
    ----------
    histograms : sequence of Histogram
        Of each channel.
    bits : int, optional
        Of the detector.
    black : float, optional
        Grey level without signal; `black_level` of each channel, if not given, or what is lowest
        of data below 0, from which nobody knows what was subtracted.
    """
    dtype = histograms[0].dtype
    zeros = [black_level(h) if black is None else black for h in histograms]
    lowest = [min(0.0, float(h.minimum), zero) for h, zero in zip(histograms, zeros)]
    blacks = zeros if black is not None else [z or low for z, low in zip(zeros, lowest)]
    if dtype.kind == "f":
        white = float(max(h.maximum for h in histograms))
        whites = [max(white, b + float(np.finfo(np.float32).eps)) for b in blacks]
    else:
        above = max(h.maximum - zero for h, zero in zip(histograms, zeros))
        full = 2.0 ** max(8, int(above).bit_length(), bits or 0) - 1
        whites = [min(zero + full, float(np.iinfo(dtype).max)) for zero in zeros]
    return tuple(map(Range, blacks, whites, lowest))


def finest(images: Pixels) -> npt.NDArray[np.float32]:
    """Finest detail of images (..., y, x): what is not straight within three pixels.

    Immerkaer 1996, doi:10.1006/cviu.1996.0060; of white noise it leaves six times the deviation.
    """
    return np.diff(np.diff(images.astype(np.float32), 2, -1), 2, -2)


def noise_of(fine: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Standard deviation of the noise of images, from their finest detail (..., y, x)."""
    # To sort is quicker than `numpy.median` on most processors.
    ordered = np.sort(np.abs(fine).reshape(*fine.shape[:-2], -1), -1)
    if not ordered.shape[-1]:
        return np.full(fine.shape[:-2], np.nan, np.float32)
    middle = ordered.shape[-1] // 2
    both = ordered[..., middle] + ordered[..., middle - 1 + ordered.shape[-1] % 2]
    # Deviation of a normal number by the median of its size.
    return np.asarray(both / 2 * 1.4826 / 6, np.float32)


def to_dtype(values: Pixels, dtype: npt.DTypeLike, lowest: float, highest: float) -> Pixels:
    """Round `values` (float32) and clip them to the detector's range, as a digitiser does."""
    dtype = np.dtype(dtype)
    clipped = np.clip(values, lowest, highest)
    return (np.rint(clipped) if dtype.kind in "ui" else clipped).astype(dtype)


def _bins(values: Pixels) -> npt.NDArray[np.int64]:
    if values.dtype.kind == "f":
        bits = np.ascontiguousarray(values).view(np.uint32)
        # IEEE 754: negative numbers sort backwards, so their bits are inverted.
        ordered = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
        return (ordered >> 16).astype(np.int64)
    return values.astype(np.int64) + (32768 if values.dtype.kind == "i" else 0)


def _value(index: int, dtype: np.dtype[Any]) -> float:
    if dtype.kind != "f":
        return float(index - (32768 if dtype.kind == "i" else 0))
    ordered = np.uint32((index << 16) | 0x8000)
    bits = ordered & np.uint32(0x7FFFFFFF) if ordered >> 31 else ~ordered
    return float(np.array(bits, np.uint32).view(np.float32))

"""Grey levels of an acquisition: histograms, percentiles, detector range, scaling constants."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[Any]

BINS = 1 << 16
PIECE = 1 << 19


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

    def percentile(self, q: float) -> float:
        """Smallest value that at least `q` percent of the values do not exceed."""
        rank = q / 100 * self.counts.sum()
        index = int(np.searchsorted(np.cumsum(self.counts), max(rank, 1)))
        return min(max(_value(index, self.dtype), self.minimum), self.maximum)


@dataclass(frozen=True)
class Intensity:
    """Constants that scale the grey levels of one acquisition; one set, never per tile.

    Attributes
    ----------
    black, white : float
        What the detector can record: 0 and 2**bits - 1, with the fewest bits that hold the data.
    windows : tuple of (float, float)
        Per channel, the low and high percentile: what is shown, and what the network sees as 0..1.
    """

    black: float
    white: float
    windows: tuple[tuple[float, float], ...]

    @classmethod
    def measure(
        cls,
        histograms: Sequence[Histogram],
        percentiles: Sequence[float],
        bits: int | None = None,
    ) -> "Intensity":
        """From one histogram per channel, a pair of percentiles and the detector's depth."""
        black, white = detector_range(
            histograms[0].dtype,
            min(h.minimum for h in histograms),
            max(h.maximum for h in histograms),
            bits,
        )
        return cls(black, white, windows(histograms, percentiles))

    def seen_by(self, kind: str) -> "Intensity":
        """These constants as a network takes them.

        Parameters
        ----------
        kind : str
            "window": the display window becomes 0..1; "range": all that the detector records does,
            as networks expect that were trained on grey levels from 0 to 255.
        """
        if kind == "window":
            return self
        return replace(self, windows=((self.black, self.white),) * len(self.windows))

    def to_json(self) -> dict[str, Any]:
        """As plain lists; see `from_json`."""
        return {"range": [self.black, self.white], "windows": [list(w) for w in self.windows]}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Intensity":
        """From what `to_json` gave, among other keys."""
        black, white = content["range"]
        return cls(black, white, tuple((low, high) for low, high in content["windows"]))


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
        found.append((low, high if high > low else low + 1.0))
    return tuple(found)


def detector_range(
    dtype: npt.DTypeLike, minimum: float, maximum: float, bits: int | None = None
) -> tuple[float, float]:
    """Range of the detector that recorded values from `minimum` to `maximum`.

    A 12-bit camera that writes uint16 saturates at 4095, so the fewest bits (8 at least) that
    hold the maximum are taken; float data have no detector range and keep their own.

    Returns
    -------
    black, white : float
    """
    black = min(0.0, float(minimum))
    if np.dtype(dtype).kind == "f":
        return black, max(float(maximum), black + float(np.finfo(np.float32).eps))
    needed = max(8, int(maximum).bit_length()) if maximum > 0 else 8
    return black, float(2 ** max(needed, bits or 0) - 1)


def to_dtype(values: Pixels, dtype: npt.DTypeLike, black: float, white: float) -> Pixels:
    """Round `values` (float32) and clip them to the detector's range, as a digitiser does."""
    dtype = np.dtype(dtype)
    clipped = np.clip(values, black, white)
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

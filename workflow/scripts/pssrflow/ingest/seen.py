"""What was seen of the grey levels of an acquisition while it was written."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from pssrflow.errors import InputError
from pssrflow.ingest.readers.acquisition import Acquisition
from pssrflow.volumes.intensity import Histogram, Pixels

Plane = tuple[int, ...]


class Seen:
    """Histograms of the channels, and the extremes of every plane.

    Parameters
    ----------
    histograms : list of Histogram
    extremes : dict of tuple to (float, float)
        Lowest and highest grey level, by t, c, z.
    """

    def __init__(self, histograms: list[Histogram], extremes: dict[Plane, tuple[float, float]]):
        self.histograms, self.extremes = histograms, extremes

    @classmethod
    def nothing(cls, acquisition: Acquisition) -> Self:
        """Of an acquisition of which nothing was seen yet."""
        return cls([Histogram(acquisition.dtype) for _ in acquisition.channels], {})

    def add(self, plane: Plane, values: Pixels) -> None:
        """Take in pixels of a plane."""
        self.histograms[plane[1]].add(values)
        self._widen(plane, values.min(), values.max())

    def _widen(self, plane: Plane, low: float, high: float) -> None:
        lowest, highest = self.extremes.get(plane, (np.inf, -np.inf))
        self.extremes[plane] = min(lowest, low), max(highest, high)

    def merge(self, other: "Seen") -> None:
        """Take in what another job has seen."""
        for mine, histogram in zip(self.histograms, other.histograms):
            mine.merge(histogram)
        for plane, (low, high) in other.extremes.items():
            self._widen(plane, low, high)

    def to_json(self) -> dict[str, Any]:
        """For another job; see `from_json`."""
        told = [[*plane, *map(float, ends)] for plane, ends in self.extremes.items()]
        return {"histograms": [h.to_json() for h in self.histograms], "extremes": told}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """What another job has seen."""
        extremes: dict[Plane, tuple[float, float]] = {
            (t, c, z): (low, high) for t, c, z, low, high in told["extremes"]
        }
        return cls(list(map(Histogram.from_json, told["histograms"])), extremes)

    def notes(self, source: str, flat: bool) -> list[str]:
        """What a user should know.

        Parameters
        ----------
        source : str
            Of the acquisition.
        flat : bool
            Whether planes of one grey level are as they should be.

        Raises
        ------
        InputError
            There is no other plane.
        """
        return [*([] if flat else self._constant_planes(source)), *self._odd_maximum()]

    def _constant_planes(self, source: str) -> Sequence[str]:
        flat = sorted(plane for plane, (low, high) in self.extremes.items() if low == high)
        if len(flat) == len(self.extremes):
            raise InputError(
                source,
                f"every pixel of every plane has one value ({self.extremes[flat[0]][0]:g})",
                "an image; check the file, or the crop and channels of the sample sheet",
            )
        if not flat:
            return ()
        named = ", ".join(f"t={t} c={c} z={z}" for t, c, z in flat[:5])
        more = f" and {len(flat) - 5} more" if len(flat) > 5 else ""
        return (f"constant planes (one grey level, nothing to learn or restore): {named}{more}",)

    def _odd_maximum(self) -> Sequence[str]:
        """Note about a maximum far above the rest, which would widen the detector's range."""
        if self.histograms[0].dtype.kind == "f":
            return ()
        top = max(h.maximum for h in self.histograms)
        usual = max(h.percentile(99.9) for h in self.histograms)
        if max(8, int(top).bit_length()) < max(8, int(usual).bit_length()) + 2:
            return ()
        return (
            f"the brightest pixel ({top:g}) is far above 99.9 percent of them (up to {usual:.0f}): "
            "a hot pixel widens the detector's range; set `ingest.bits` or crop it",
        )

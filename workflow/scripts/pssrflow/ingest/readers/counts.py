"""Two scans of one: the counts of a counting detector, shared out at random.

Each count goes to one of two halves. Halves of a Poisson count are Poisson counts of half the mean,
and independent of each other, so one may be judged by the other.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pssrflow.compiled import compiled
from pssrflow.errors import InputError
from pssrflow.volumes.intensity import finest, noise_of
from pssrflow.volumes.regions import ACCEPTED_COUNTS, parse_counts

# Counts of a pixel at most; each takes a random bit.
MOST = 1_000_000
# Share of the pixels that may lie where no count does, and the factor by which the variance of an
# image may differ from that of counts, of windows (pixels along y and x) with so many of them.
ODD, NOISY, WINDOW, LEAST = 0.02, 2.0, 32, 5.0


@dataclass(frozen=True)
class Half:
    """One of the two halves of an image, as bright as the whole.

    Attributes
    ----------
    gain, dark : float
        Grey levels of one count, and of none.
    second : bool
        Whether what the first half lacks.
    key : str
        What decides which counts go where, beside their place.
    """

    gain: float
    dark: float
    second: bool
    key: str

    @classmethod
    def of(cls, counts: str, half: int, key: str) -> "Half":
        """Half 0 or 1 of an image whose `counts` are as `parse_counts` reads them."""
        return cls(*parse_counts(counts), bool(half), key)

    @property
    def note(self) -> str:
        """What a reader of the report should know."""
        which = "second" if self.second else "first"
        return (
            f"{which} half of its counts (one is {self.gain:g} grey levels, none is "
            f"{self.dark:g}), made as bright as the whole"
        )

    def checked(self, values: npt.NDArray[Any]) -> str | None:
        """A note on pixels that may be no counts.

        Parameters
        ----------
        values : ndarray (y, x)
            Grey levels.

        Raises
        ------
        InputError
            They cannot be: darker than none, between two counts, or less noisy than counts are.
        """
        known = values[np.isfinite(values)].astype(np.float64)
        counts = (known - self.dark) / self.gain
        said = f"one count of {self.gain:g} grey levels, none at {self.dark:g}"
        # Long integers are kept as floats.
        step = 0.5 / self.gain if (known == np.rint(known)).all() else 0.0
        wrong = {
            "darker than none": counts < -0.5,
            "between two counts": np.abs(counts - np.rint(counts)) > step + 1e-3,
        }
        for how, where in wrong.items():
            if where.size and (share := float(where.mean())) > ODD:
                raise InputError(
                    "counts", f"{said}: {share:.0%} of the pixels are {how}", ACCEPTED_COUNTS
                )
        ratio = self._noise(values)
        if ratio is not None and ratio < 1 / NOISY:
            found = f"{said}: the image has {ratio:.2f} of the variance that such counts have"
            raise InputError("counts", found, ACCEPTED_COUNTS)
        if ratio is not None and ratio > NOISY:
            return (
                f"its noise has {ratio:.1f} times the variance of counts: they are none, or "
                "structure is as fine as noise"
            )
        return None

    def _noise(self, values: npt.NDArray[Any]) -> float | None:
        """Variance of the finest detail beside that of counts; None where there are too few."""
        rows, cols = (n // WINDOW for n in values.shape)
        cut = values[: rows * WINDOW, : cols * WINDOW].astype(np.float32)
        windows = cut.reshape(rows, WINDOW, cols, WINDOW).swapaxes(1, 2)
        counts = (windows.mean((2, 3)) - self.dark) / self.gain
        enough = counts >= LEAST
        if not enough.any():
            return None
        found = noise_of(finest(windows[enough])) ** 2 / self.gain**2
        return float(np.median(found / counts[enough]))

    def taken(self, values: npt.NDArray[Any], place: tuple[int, ...]) -> npt.NDArray[Any]:
        """That half of a rectangle of a plane.

        Parameters
        ----------
        values : ndarray (y, x)
            Grey levels.
        place : tuple of int
            t, c, z of the plane, and y, x of its first pixel.

        Returns
        -------
        ndarray (y, x)
            Of the same dtype; levels beyond it are cut off. What is no number stays none.

        Raises
        ------
        InputError
            More counts than a detector tells apart.
        """
        *plane, top, left = place
        word = hashlib.blake2b(repr((self.key, *plane)).encode(), digest_size=8).digest()
        known = np.isfinite(values)
        whole = np.rint((np.where(known, values, self.dark) - self.dark) / self.gain)
        if (most := float(whole.max(initial=0))) > MOST:
            raise InputError(
                "counts", f"a pixel of {most:g} counts of {self.gain:g}", ACCEPTED_COUNTS
            )
        whole = np.maximum(whole, 0).astype(np.int64)
        first = np.empty_like(whole)
        _halved(whole, np.uint64(int.from_bytes(word, "little")), top, left, first)
        mine = whole - first if self.second else first
        levels = self.dark + 2 * self.gain * mine
        if values.dtype.kind == "f":
            return np.where(known, levels, values).astype(values.dtype)
        ends = np.iinfo(values.dtype)
        return np.clip(np.rint(levels), ends.min, ends.max).astype(values.dtype)


@compiled
def _mixed(word: Any) -> Any:
    """SplitMix64 (Steele et al. 2014, doi:10.1145/2714064.2660195)."""
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


@compiled
def _ones(word: Any) -> Any:
    """Bits that are set."""
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    two = np.uint64(0x3333333333333333)
    word = (word & two) + ((word >> np.uint64(2)) & two)
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (word * np.uint64(0x0101010101010101)) >> np.uint64(56)


@compiled
def _halved(whole: Any, key: Any, top: Any, left: Any, first: Any) -> None:
    """A random bit for each count says whether it is of the first half."""
    step = np.uint64(0x9E3779B97F4A7C15)
    for y in range(whole.shape[0]):
        row = _mixed(key + np.uint64(top + y) * step)
        for x in range(whole.shape[1]):
            word = _mixed(row + np.uint64(left + x) * step)
            left_over, ones = whole[y, x], np.int64(0)
            while left_over > 0:
                word += step
                bits = _mixed(word)
                if left_over < 64:
                    bits &= (np.uint64(1) << np.uint64(left_over)) - np.uint64(1)
                ones += np.int64(_ones(bits))
                left_over -= 64
            first[y, x] = ones

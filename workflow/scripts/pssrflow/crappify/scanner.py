"""A point scanner at work: where its beam really was, what was counted, how it was read out.

The probe and the step are those of `kernels`. Source of the model: Reimer 1998, Scanning
Electron Microscopy, doi:10.1007/978-3-540-38967-5, chapters 4 and 5; Pawley 2006, Handbook of
Biological Confocal Microscopy, doi:10.1007/978-0-387-45524-5, chapter 25 (flyback, bidirectional).
"""

import math
from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar

import numpy as np
import scipy
from pydantic import Field, Strict

from pssrflow.crappify.squares import NOISE_BLOCK, NoiseKey
from pssrflow.crappify.steps import GREY, TRUNCATE, Halo, Inner, Step
from pssrflow.keys import Fault, Keys, key

# Share of a pixel's signal that lag may leave uncounted.
FORGOTTEN = 1e-5


class Scan(Keys):
    """How far the beam was from where it should have been, in LR pixels; x is the fast axis."""

    jitter: float = key(0, "Standard deviation of the start of each line, along x.", ge=0, le=16)
    drift: float = key(
        0, "Standard deviation of the slow wander of the stage, along y and x.", ge=0, le=64
    )
    drift_lines: float = key(256, "Lines in which the drift becomes another.", ge=8, le=1e6)
    flyback: float = key(
        0,
        "Displacement along x at the start of a line, where the beam still swings back.",
        ge=-64,
        le=64,
    )
    flyback_pixels: float = key(16, "Pixels in which that falls to 1/e.", ge=0.1, le=1e4)
    bidirectional: float = key(
        0, "Displacement along x of odd lines against even ones.", ge=-64, le=64
    )

    @property
    def moves(self) -> bool:
        """Whether the beam is ever beside its place."""
        return any((self.jitter, self.drift, self.flyback, self.bidirectional))

    @property
    def furthest(self) -> float:
        """LR pixels that no displacement exceeds: draws are cut at `TRUNCATE` deviations."""
        # Two neighbouring draws of the drift add up to the square root of two at most.
        wander = TRUNCATE * (self.jitter + math.sqrt(2) * self.drift)
        return wander + abs(self.flyback) + abs(self.bidirectional) / 2

    def displacement(
        self, key: NoiseKey, rows: range, cols: range
    ) -> tuple[np.ndarray, np.ndarray]:
        """Displacement of some pixels of a plane.

        Parameters
        ----------
        key : NoiseKey
        rows, cols : range
            LR pixels.

        Returns
        -------
        along_y : ndarray (y,)
        along_x : ndarray (y, x)
            LR pixels, float64.
        """
        lines, places = np.arange(rows.start, rows.stop), np.arange(cols.start, cols.stop)
        line = self.jitter * _per_line(key, "jitter", lines)
        line = line + self.drift * _wander(key, "drift x", lines / self.drift_lines)
        line = line + self.bidirectional * np.where(lines % 2, 0.5, -0.5)
        swing = self.flyback * np.exp(-places / self.flyback_pixels)
        return (
            self.drift * _wander(key, "drift y", lines / self.drift_lines),
            line[:, None] + swing,
        )


def _per_line(key: NoiseKey, what: str, lines: np.ndarray) -> np.ndarray:
    """A standard normal number for each line, drawn for fixed groups of lines."""
    groups = range(lines[0] // NOISE_BLOCK, lines[-1] // NOISE_BLOCK + 1)
    drawn = [key.generator("scan", what, group).standard_normal(NOISE_BLOCK) for group in groups]
    first = groups[0] * NOISE_BLOCK
    chosen = np.concatenate(drawn)[lines[0] - first : lines[-1] + 1 - first]
    return np.clip(chosen, -TRUNCATE, TRUNCATE)


def _wander(key: NoiseKey, what: str, times: np.ndarray) -> np.ndarray:
    """A random course of mean 0 and variance 1 at every time; it turns within a unit of time."""
    knots = np.arange(int(times[0]), int(times[-1]) + 2)
    drawn = _per_line(key, what, knots)
    index = times.astype(int) - knots[0]
    angle = np.pi / 2 * (times - times.astype(int))
    return drawn[index] * np.cos(angle) + drawn[index + 1] * np.sin(angle)


# Grey levels along a curve.
Levels = Annotated[tuple[float, ...], Strict(False), Field(min_length=2, max_length=256)]


def along_curve(grey: np.ndarray, levels: Sequence[float], values: Sequence[float]) -> np.ndarray:
    """What becomes of grey levels; as far beside a line beyond the ends of a curve as there."""
    made = np.interp(grey, levels, values)
    made += np.minimum(grey - levels[0], 0) + np.maximum(grey - levels[-1], 0)
    return made.astype(np.float32)


class Response(Step):
    """A detector of another contrast: grey levels follow a curve, and its ends beyond it."""

    name: ClassVar[str] = "response"
    whole_squares: ClassVar[bool] = False
    clips: ClassVar[bool] = False
    levels: Levels = key(..., "Grey levels of the HR image, ascending.")
    values: Levels = key(..., "What becomes of each; never descending.")

    def faults(self) -> Iterator[Fault]:
        if len(self.levels) != len(self.values):
            yield Fault(
                "values",
                f"found {len(self.values)}. Accepted: as many as levels, {len(self.levels)}",
            )
        for name, least in (("levels", 1e-6), ("values", 0.0)):
            steps = np.diff(getattr(self, name))
            if (steps < least).any():
                yield Fault(
                    name, f"found one that is lower by {-steps.min():g} than the one before"
                )

    def apply(self, window: np.ndarray, inner: Inner, rng: np.random.Generator) -> np.ndarray:
        return along_curve(window[inner], self.levels, self.values)


class Counts(Step):
    """What the detector counts in the dwell time: Poisson."""

    name: ClassVar[str] = "counts"
    clips: ClassVar[bool] = False
    dwell_us: float = key(..., "Dwell time on a pixel, microsecond.", ge=1e-6, le=1e6)
    counts_per_us: float = key(
        ...,
        "Electrons or photons that full signal (white) sends to the detector in a microsecond.",
        ge=1e-6,
        le=1e9,
    )
    dark: float = key(
        0,
        "Grey level of the HR image without signal, as from a blanked beam; taken off.",
        ge=-GREY,
        le=254,
    )

    def apply(self, window: np.ndarray, inner: Inner, rng: np.random.Generator) -> np.ndarray:
        per_grey = self.dwell_us * self.counts_per_us / (GREY - self.dark)
        signal = np.maximum(window[inner] - np.float32(self.dark), 0)
        return (rng.poisson(signal * np.float32(per_grey)) / per_grey).astype(np.float32)


# Weights of a filter: rows of one length, odd along both axes.
Weights = Annotated[
    tuple[Annotated[tuple[float, ...], Strict(False), Field(min_length=1, max_length=31)], ...],
    Strict(False),
    Field(min_length=1, max_length=31),
]


class Grain(Step):
    """Noise that neighbours share, as after resampling or averaging of lines: shot and read noise.

    The mean stays as it is.
    """

    name: ClassVar[str] = "grain"
    count_gain: float = key(0, "Grey levels of a count.", ge=0, le=1e6)
    read_noise: float = key(
        0, "Standard deviation of the noise without signal, grey levels.", ge=0, le=1000
    )
    dark: float = key(0, "Grey level without signal.", ge=-1000, le=1000)
    filter: Weights = key(
        ..., "Rows of weights that noise goes through; taken with the sum of squares 1."
    )

    def faults(self) -> Iterator[Fault]:
        rows = {len(row) for row in self.filter}
        if len(rows) > 1 or any(n % 2 == 0 for n in (len(self.filter), *rows)):
            found = f"found {len(self.filter)} rows of {', '.join(map(str, sorted(rows)))}"
            yield Fault("filter", f"{found}. Accepted: rows of one length, both numbers odd")
        elif not any(weight for row in self.filter for weight in row):
            yield Fault("filter", "found only zeros. Accepted: some weight")

    @property
    def halo(self) -> Halo:
        y, x = len(self.filter) // 2, len(self.filter[0]) // 2
        return (y, y), (x, x)

    def apply(self, window: np.ndarray, inner: Inner, rng: np.random.Generator) -> np.ndarray:
        noise = np.float32(self.read_noise) * rng.standard_normal(window.shape, np.float32)
        if self.count_gain:
            signal = np.maximum(window - np.float32(self.dark), 0) / np.float32(self.count_gain)
            counts = rng.poisson(signal).astype(np.float32)
            noise += np.float32(self.count_gain) * (counts - signal)
        weights = np.array(self.filter, np.float32)
        weights /= np.sqrt((weights**2).sum())
        return window[inner] + scipy.ndimage.correlate(noise, weights, mode="nearest")[inner]


class Lag(Step):
    """A detector that still glows of what it counted before: an exponential along the fast axis."""

    name: ClassVar[str] = "lag"
    whole_squares: ClassVar[bool] = False
    clips: ClassVar[bool] = False
    pixels: float = key(
        ...,
        "Pixels along the fast axis (dwell times) in which the detector's afterglow falls to 1/e.",
        ge=0,
        le=16,
    )

    @property
    def remains(self) -> float:
        """Share of the signal that is still there one pixel later."""
        return math.exp(-1 / self.pixels) if self.pixels else 0.0

    @property
    def halo(self) -> Halo:
        return (0, 0), (math.ceil(-math.log(FORGOTTEN) * self.pixels), 0)

    def apply(
        self, window: np.ndarray, inner: Inner, rng: np.random.Generator | None
    ) -> np.ndarray:
        length = self.halo[1][0]
        if not length:
            return window[inner]
        weights = self.remains ** np.arange(length, -1, -1.0)
        # Centred filters: as many zeros follow as weights go before.
        weights = np.concatenate([weights / weights.sum(), np.zeros(length)])
        return scipy.ndimage.correlate1d(window, weights, axis=1, mode="nearest")[inner]


class Readout(Step):
    """Amplifier and digitiser."""

    name: ClassVar[str] = "readout"
    gain: float = key(1, "Grey levels per grey level of the signal.", ge=1e-6, le=1e6)
    offset: float = key(0, "Grey level without signal.", ge=-1000, le=1000)
    read_noise: float = key(
        0, "Standard deviation of the amplifier's own noise, grey levels.", ge=0, le=1000
    )
    saturation: float = key(GREY, "Highest grey level.", ge=1, le=GREY)
    bits: int | None = key(
        None, "Depth of the digitiser; null keeps that of the HR image.", ge=1, le=16
    )

    def apply(self, window: np.ndarray, inner: Inner, rng: np.random.Generator) -> np.ndarray:
        grey = np.float32(self.gain) * window[inner] + np.float32(self.offset)
        if self.read_noise:
            grey += np.float32(self.read_noise) * rng.standard_normal(grey.shape, np.float32)
        # What is too dark to be recorded is clipped as after every step.
        grey = np.minimum(grey, np.float32(self.saturation))
        if self.bits is None:
            return grey
        levels = np.float32((2**self.bits - 1) / GREY)
        return np.rint(grey * levels) / levels

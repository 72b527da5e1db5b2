"""A point scanner at work: where its beam really was, what was counted, how it was read out.

The probe and the step are those of `downsampling`. Source of the model: Reimer 1998, Scanning
Electron Microscopy, doi:10.1007/978-3-540-38967-5, chapters 4 and 5; Pawley 2006, Handbook of
Biological Confocal Microscopy, doi:10.1007/978-0-387-45524-5, chapter 25 (flyback, bidirectional).
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import ndimage

from pssrflow.crappify.squares import NOISE_BLOCK
from pssrflow.crappify.steps import GREY, TRUNCATE, Step
from pssrflow.errors import InputError

# Share of a pixel's signal that lag may leave uncounted.
FORGOTTEN = 1e-5


@dataclass(frozen=True)
class Scan:
    """How far the beam was from where it should have been, in LR pixels; x is the fast axis.

    Attributes
    ----------
    jitter : float
        Standard deviation of the start of a line, along x, drawn for each line.
    drift : float
        Standard deviation of the slow wander of the stage, along y and x.
    drift_lines : float
        Lines in which the drift becomes another.
    flyback : float
        Displacement along x at the start of a line, where the beam still swings back.
    flyback_pixels : float
        Pixels in which that falls to 1/e.
    bidirectional : float
        Displacement along x of odd lines against even ones.
    """

    jitter: float = 0.0
    drift: float = 0.0
    drift_lines: float = 256.0
    flyback: float = 0.0
    flyback_pixels: float = 16.0
    bidirectional: float = 0.0

    bounds: ClassVar = {
        "jitter": (0, 16),
        "drift": (0, 64),
        "drift_lines": (8, 1e6),
        "flyback": (-64, 64),
        "flyback_pixels": (0.1, 1e4),
        "bidirectional": (-64, 64),
    }

    def __post_init__(self):
        for key, (low, high) in self.bounds.items():
            if not low <= getattr(self, key) <= high:
                raise InputError(f"scan.{key}", f"{getattr(self, key)}", f"{low} to {high}")

    @property
    def moves(self):
        """Whether the beam is ever beside its place."""
        return any((self.jitter, self.drift, self.flyback, self.bidirectional))

    @property
    def furthest(self):
        """LR pixels that no displacement exceeds: draws are cut at `TRUNCATE` deviations."""
        # Two neighbouring draws of the drift add up to the square root of two at most.
        wander = TRUNCATE * (self.jitter + math.sqrt(2) * self.drift)
        return wander + abs(self.flyback) + abs(self.bidirectional) / 2

    def displacement(self, key, rows, cols):
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


def _per_line(key, what, lines):
    """A standard normal number for each line, drawn for fixed groups of lines."""
    groups = range(lines[0] // NOISE_BLOCK, lines[-1] // NOISE_BLOCK + 1)
    drawn = [key.generator("scan", what, group).standard_normal(NOISE_BLOCK) for group in groups]
    first = groups[0] * NOISE_BLOCK
    chosen = np.concatenate(drawn)[lines[0] - first : lines[-1] + 1 - first]
    return np.clip(chosen, -TRUNCATE, TRUNCATE)


def _wander(key, what, times):
    """A random course of mean 0 and variance 1 at every time; it turns within a unit of time."""
    knots = np.arange(int(times[0]), int(times[-1]) + 2)
    drawn = _per_line(key, what, knots)
    index = times.astype(int) - knots[0]
    angle = np.pi / 2 * (times - times.astype(int))
    return drawn[index] * np.cos(angle) + drawn[index + 1] * np.sin(angle)


@dataclass(frozen=True)
class Counts(Step):
    """What the detector counts in the dwell time: Poisson.

    Attributes
    ----------
    dwell_us : float
        Time on a pixel, microsecond.
    counts_per_us : float
        Electrons or photons detected in a microsecond at full signal (white).
    dark : float
        Grey level of the HR image without signal, as from a blanked beam; taken off.
    """

    dwell_us: float
    counts_per_us: float
    dark: float = 0.0

    name: ClassVar = "counts"
    bounds: ClassVar = {"dwell_us": (1e-6, 1e6), "counts_per_us": (1e-6, 1e9), "dark": (-GREY, 254)}
    clips: ClassVar = False

    def apply(self, window, inner, rng):
        per_grey = self.dwell_us * self.counts_per_us / (GREY - self.dark)
        signal = np.maximum(window[inner] - np.float32(self.dark), 0)
        return (rng.poisson(signal * np.float32(per_grey)) / per_grey).astype(np.float32)


@dataclass(frozen=True)
class Lag(Step):
    """A detector that still glows of what it counted before: an exponential along the fast axis.

    Attributes
    ----------
    pixels : float
        Pixels (dwell times) in which the glow falls to 1/e.
    """

    pixels: float

    name: ClassVar = "lag"
    bounds: ClassVar = {"pixels": (0, 16)}
    whole_squares: ClassVar = False
    clips: ClassVar = False

    @property
    def remains(self):
        """Share of the signal that is still there one pixel later."""
        return math.exp(-1 / self.pixels) if self.pixels else 0.0

    @property
    def halo(self):
        return (0, 0), (math.ceil(-math.log(FORGOTTEN) * self.pixels), 0)

    def apply(self, window, inner, rng):
        length = self.halo[1][0]
        if not length:
            return window[inner]
        weights = self.remains ** np.arange(length, -1, -1.0)
        # Centred filters: as many zeros follow as weights go before.
        weights = np.concatenate([weights / weights.sum(), np.zeros(length)])
        return ndimage.correlate1d(window, weights, axis=1, mode="nearest")[inner]


@dataclass(frozen=True)
class Readout(Step):
    """Amplifier and digitiser.

    Attributes
    ----------
    gain : float
        Grey levels per grey level of the signal.
    offset : float
        Grey level without signal.
    read_noise : float
        Standard deviation of the amplifier's own noise, grey levels.
    saturation : float
        Highest grey level.
    bits : int or None
        Depth of the digitiser; None rounds to the grey levels of the HR image alone.
    """

    gain: float = 1.0
    offset: float = 0.0
    read_noise: float = 0.0
    saturation: float = GREY
    bits: int | None = None

    name: ClassVar = "readout"
    bounds: ClassVar = {
        "gain": (1e-6, 1e6),
        "offset": (-1000, 1000),
        "read_noise": (0, 1000),
        "saturation": (1, GREY),
        "bits": (1, 16),
    }

    def apply(self, window, inner, rng):
        grey = np.float32(self.gain) * window[inner] + np.float32(self.offset)
        if self.read_noise:
            grey += np.float32(self.read_noise) * rng.standard_normal(grey.shape, np.float32)
        grey = np.clip(grey, 0, np.float32(self.saturation))
        if self.bits is None:
            return grey
        levels = np.float32((2**self.bits - 1) / GREY)
        return np.rint(grey * levels) / levels

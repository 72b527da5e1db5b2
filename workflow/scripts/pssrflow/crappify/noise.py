"""The published crappifiers: the four noises of PSSR2 and the local-variance noise of PSSR."""

import math
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
from scipy import ndimage

from pssrflow.crappify.steps import GREY, TRUNCATE, Step, around


@dataclass(frozen=True)
class Published(Step):
    """A noise of PSSR or PSSR2, doi:10.1038/s41592-021-01080-z.

    Attributes
    ----------
    intensity : float
        Its meaning is that of the noise.
    gain : float
        Grey levels added to every pixel.
    spread : float
        Standard deviation of the intensity, drawn anew for every plane.
    """

    intensity: float
    gain: float = 0.0
    spread: float = 0.0

    bounds: ClassVar = {"intensity": (0, 1000), "gain": (-GREY, GREY), "spread": (0, 1000)}
    strongest: ClassVar = math.inf

    def draw(self, rng):
        if not self.spread:
            return self
        drawn = self.intensity + self.spread * rng.standard_normal()
        # As PSSR2 does: only below 0 is there no such noise.
        return replace(self, intensity=float(min(max(drawn, 0), self.strongest)))

    def apply(self, window, inner, rng):
        return self.degrade(window, inner, rng) + np.float32(self.gain)

    def degrade(self, window, inner, rng):
        """The noise alone, without the gain."""
        raise NotImplementedError


@dataclass(frozen=True)
class Gaussian(Published):
    """Additive noise; `intensity` is its standard deviation, grey levels."""

    name: ClassVar = "gaussian"

    def degrade(self, window, inner, rng):
        grey = window[inner]
        return grey + np.float32(self.intensity) * rng.standard_normal(grey.shape, np.float32)


@dataclass(frozen=True)
class LocalGaussian(Published):
    """Additive noise of the variance ``intensity * 255 * local mean``, grey levels squared.

    The "AG" of PSSR: variance ``intensity * mean`` for images from 0 to 1. The mean is Gaussian,
    of standard deviation `sigma` pixels.
    """

    sigma: float = 3.0

    name: ClassVar = "local_gaussian"
    bounds: ClassVar = Published.bounds | {"intensity": (0, 10), "sigma": (0, 64)}

    @property
    def halo(self):
        return around(int(TRUNCATE * self.sigma + 0.5))

    def degrade(self, window, inner, rng):
        mean = ndimage.gaussian_filter(window, self.sigma, mode="nearest", truncate=TRUNCATE)[inner]
        deviation = np.sqrt(np.maximum(mean, 0) * np.float32(self.intensity * GREY))
        return window[inner] + deviation * rng.standard_normal(mean.shape, np.float32)


@dataclass(frozen=True)
class Poisson(Published):
    """Counting noise: a share `intensity` of the signal is replaced by a Poisson draw of it."""

    name: ClassVar = "poisson"
    bounds: ClassVar = Published.bounds | {"intensity": (0, 1)}

    def degrade(self, window, inner, rng):
        grey = window[inner]
        counts = rng.poisson(np.maximum(grey, 0)).astype(np.float32)
        return grey + np.float32(self.intensity) * (counts - grey)


@dataclass(frozen=True)
class SaltPepper(Published):
    """`intensity` percent of the pixels saturate, half of them to black and half to white."""

    name: ClassVar = "salt_pepper"
    bounds: ClassVar = Published.bounds | {"intensity": (0, 100)}
    strongest: ClassVar = 100.0

    def apply(self, window, inner, rng):
        # PSSR2 adds the gain to the signal and clips first, so that these pixels are the extremes.
        grey = np.clip(window[inner] + np.float32(self.gain), 0, np.float32(GREY))
        draw = rng.random(grey.shape, np.float32)
        share = self.intensity / 200
        salted = np.where(draw > 1 - share, np.float32(GREY), grey)
        return np.where(draw < share, np.float32(0), salted)


@dataclass(frozen=True)
class Blur(Published):
    """Gaussian blur; `intensity` is its standard deviation, pixels."""

    # Of the intensity that was asked for: a plane's own may reach further, and is cut there.
    radius: int | None = field(default=None, repr=False)

    name: ClassVar = "blur"
    bounds: ClassVar = Published.bounds | {"intensity": (0, 64)}
    whole_squares: ClassVar = False

    def __post_init__(self):
        super().__post_init__()
        if self.radius is None:
            # As scipy rounds it.
            object.__setattr__(self, "radius", int(TRUNCATE * self.intensity + 0.5))

    @property
    def halo(self):
        return around(self.radius)

    def degrade(self, window, inner, rng):
        return ndimage.gaussian_filter(window, self.intensity, mode="nearest", radius=self.radius)[
            inner
        ]

    @classmethod
    def keys(cls):
        return [key for key in Published.keys() if key != "radius"]  # noqa: SIM118

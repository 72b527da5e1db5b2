"""The published crappifiers: the four noises of PSSR2 and the local-variance noise of PSSR."""

import math
from typing import Any, ClassVar, Self

import numpy as np
import scipy
from pydantic import PrivateAttr

from pssrflow.crappify.steps import GREY, TRUNCATE, Halo, Inner, Step, around
from pssrflow.keys import key


class Published(Step):
    """A noise of PSSR or PSSR2, doi:10.1038/s41592-021-01080-z; `intensity` is that of the noise.

    The intensity may be drawn anew for every plane.
    """

    intensity: float
    gain: float = key(0, "Grey levels added to every pixel.", ge=-GREY, le=GREY)
    spread: float = key(
        0, "Standard deviation of the intensity, drawn anew for every plane.", ge=0, le=1000
    )

    strongest: ClassVar[float] = math.inf

    def draw(self, rng: np.random.Generator) -> Self:
        if not self.spread:
            return self
        drawn = self.intensity + self.spread * rng.standard_normal()
        # As PSSR2 does: only below 0 is there no such noise.
        return self.model_copy(update={"intensity": float(min(max(drawn, 0), self.strongest))})

    def apply(self, window: np.ndarray, inner: Inner, rng: np.random.Generator) -> np.ndarray:
        return self.degrade(window, inner, rng) + np.float32(self.gain)

    def degrade(self, window: np.ndarray, inner: Inner, rng: np.random.Generator) -> np.ndarray:
        """The noise alone, without the gain."""
        raise NotImplementedError


class Gaussian(Published):
    """Additive noise."""

    name: ClassVar[str] = "gaussian"
    intensity: float = key(..., "Standard deviation in grey levels.", ge=0, le=1000)

    def degrade(self, window: np.ndarray, inner: Inner, rng: np.random.Generator) -> np.ndarray:
        grey = window[inner]
        return grey + np.float32(self.intensity) * rng.standard_normal(grey.shape, np.float32)


class Poisson(Published):
    """Counting noise: a share of the signal is replaced by a Poisson draw of it."""

    name: ClassVar[str] = "poisson"
    intensity: float = key(..., "Share of the signal that is counted.", ge=0, le=1)

    def degrade(self, window: np.ndarray, inner: Inner, rng: np.random.Generator) -> np.ndarray:
        grey = window[inner]
        counts = rng.poisson(np.maximum(grey, 0)).astype(np.float32)
        return grey + np.float32(self.intensity) * (counts - grey)


class SaltPepper(Published):
    """Some pixels saturate, half of them to black and half to white."""

    name: ClassVar[str] = "salt_pepper"
    strongest: ClassVar[float] = 100.0
    intensity: float = key(..., "Percent of the pixels, half black and half white.", ge=0, le=100)

    def apply(self, window: np.ndarray, inner: Inner, rng: np.random.Generator) -> np.ndarray:
        # PSSR2 adds the gain to the signal and clips first, so that these pixels are the extremes.
        grey = np.clip(window[inner] + np.float32(self.gain), 0, np.float32(GREY))
        draw = rng.random(grey.shape, np.float32)
        share = self.intensity / 200
        salted = np.where(draw > 1 - share, np.float32(GREY), grey)
        return np.where(draw < share, np.float32(0), salted)


class Blur(Published):
    """Gaussian blur."""

    name: ClassVar[str] = "blur"
    whole_squares: ClassVar[bool] = False
    intensity: float = key(..., "Standard deviation in pixels.", ge=0, le=64)

    # Of the intensity that was asked for: a plane's own may reach further, and is cut there.
    _radius: int = PrivateAttr()

    def model_post_init(self, _: Any) -> None:
        # As scipy rounds it.
        self._radius = int(TRUNCATE * self.intensity + 0.5)

    @property
    def halo(self) -> Halo:
        return around(self._radius)

    def degrade(self, window: np.ndarray, inner: Inner, rng: np.random.Generator) -> np.ndarray:
        return scipy.ndimage.gaussian_filter(
            window, self.intensity, mode="nearest", radius=self._radius
        )[inner]


class LocalGaussian(Published):
    """Additive noise of the variance ``intensity * 255 * local mean``, grey levels squared.

    The "AG" of PSSR: variance ``intensity * mean`` for images from 0 to 1. The mean is Gaussian.
    """

    name: ClassVar[str] = "local_gaussian"
    intensity: float = key(
        ..., "Variance per local mean, both for images from 0 to 1.", ge=0, le=10
    )
    sigma: float = key(
        3,
        "Standard deviation, in pixels, of the Gaussian that takes the local mean.",
        ge=0,
        le=64,
    )

    @property
    def halo(self) -> Halo:
        return around(int(TRUNCATE * self.sigma + 0.5))

    def degrade(self, window: np.ndarray, inner: Inner, rng: np.random.Generator) -> np.ndarray:
        mean = scipy.ndimage.gaussian_filter(window, self.sigma, mode="nearest", truncate=TRUNCATE)[
            inner
        ]
        deviation = np.sqrt(np.maximum(mean, 0) * np.float32(self.intensity * GREY))
        return window[inner] + deviation * rng.standard_normal(mean.shape, np.float32)

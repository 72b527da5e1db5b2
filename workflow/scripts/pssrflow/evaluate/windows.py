"""Means, variances and covariances in the windows of SSIM, taken once for several lines.

What is compared as it is, after an affine fit and after the scaling of MicroSSIM differs by a line
of grey levels, which the moments follow.
"""

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Floats = npt.NDArray[np.float32]

# The window: a Gaussian of this deviation, cut to 11 pixels along y and x (Wang et al. 2004,
# doi:10.1109/TIP.2003.819861), and its constants.
SIGMA, WINDOW = 1.5, 11
K1, K2 = 0.01, 0.03
# Weights of the five scales, each half the one before (Wang et al. 2003,
# doi:10.1109/ACSSC.2003.1292216), and the smallest image that has a window in all of them.
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
SMALLEST = (WINDOW - 1) * 2 ** (len(SCALES) - 1) + 1


class Moments(NamedTuple):
    """Of truth and image in every window that lies inside: arrays (y, x)."""

    truth: Floats
    image: Floats
    truth_variance: Floats
    image_variance: Floats
    covariance: Floats

    def after(self, gain: float, offset: float) -> "Moments":
        """The same of an image whose grey levels went along a line."""
        g, o = np.float32(gain), np.float32(offset)
        return self._replace(
            image=g * self.image + o,
            image_variance=g * g * self.image_variance,
            covariance=g * self.covariance,
        )

    def likeness(self, data_range: float, black: float) -> tuple[np.ndarray, np.ndarray]:
        """Structural similarity, and of it contrast and structure alone."""
        c1, c2 = (np.float32(np.square(k * data_range)) for k in (K1, K2))
        truth, image = self.truth - np.float32(black), self.image - np.float32(black)
        both = self.truth_variance + self.image_variance
        structure = (2 * self.covariance + c2) / (both + c2)
        level = (2 * truth * image + c1) / (truth * truth + image * image + c1)
        return structure * level, structure


class Truth:
    """A truth, with what all images that are compared with it have in common.

    Parameters
    ----------
    values : ndarray (y, x) of float32
        NaN where nothing is compared.
    """

    def __init__(self, values: Floats) -> None:
        self.values = values
        self.unknown = np.isnan(values)
        self.whole = not self.unknown.any()
        # About a grey level of the image: squares of large numbers leave no digits for variances.
        self.centre = np.float32(0 if self.unknown.all() else np.nanmean(values, dtype=float))
        filled = values if self.whole else np.where(self.unknown, self.centre, values)
        self._pyramid = [filled - self.centre]
        self._filtered: list[tuple[Floats, Floats]] = []

    @cached_property
    def seen(self) -> npt.NDArray[np.bool_]:
        """Windows, of those that lie inside, that hold nothing unknown."""
        return ~_inner(ndimage.maximum_filter(self.unknown, WINDOW))

    def scale(self, number: int) -> tuple[Floats, Floats, Floats]:
        """The image, halved so often, and mean and variance in its windows."""
        while len(self._pyramid) <= number:
            self._pyramid.append(halved(self._pyramid[-1]))
        while len(self._filtered) <= number:
            image = self._pyramid[len(self._filtered)]
            mean = filtered(image)
            self._filtered.append((mean, filtered(image * image) - mean * mean))
        return self._pyramid[number], *self._filtered[number]


class Compared:
    """An image beside the truth, of which metrics are functions.

    Parameters
    ----------
    truth : Truth
    image : ndarray (y, x) of float32
    data_range : float
        Of the detector, in units of the images.
    """

    def __init__(self, truth: Truth, image: Floats, data_range: float) -> None:
        self._truth, self._image = truth, image
        self.data_range, self.black = data_range, 0.0
        self.line = (1.0, 0.0)
        self._moments: dict[int, Moments] = {}
        self._halves = [image - truth.centre]

    @classmethod
    def of(cls, truth: Floats, image: Floats, data_range: float) -> Self:
        """Of two arrays."""
        return cls(Truth(truth), image, data_range)

    def after(
        self, gain: float, offset: float, data_range: float | None = None, black: float = 0.0
    ) -> "Compared":
        """The same with an image whose grey levels went along a line.

        Parameters
        ----------
        gain, offset : float
        data_range : float, optional
            Another one.
        black : float
            Grey level that counts as 0.
        """
        made = Compared.__new__(Compared)
        made.__dict__ |= self.__dict__
        made.line, made.black = (gain, offset), black
        made.data_range = self.data_range if data_range is None else data_range
        return made

    @property
    def truth(self) -> Floats:
        """The truth, NaN where nothing is compared."""
        return self._truth.values

    @property
    def image(self) -> Floats:
        """The image after its line."""
        gain, offset = map(np.float32, self.line)
        return self._image if self.line == (1.0, 0.0) else gain * self._image + offset

    @property
    def whole(self) -> bool:
        """Whether the truth is known everywhere."""
        return self._truth.whole

    @property
    def seen(self) -> npt.NDArray[np.bool_]:
        """Windows that hold nothing unknown."""
        return self._truth.seen

    def likeness(self, scale: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """See `Moments.likeness`; of images that were halved so often."""
        if scale not in self._moments:
            self._moments[scale] = self._measured(scale)
        gain, offset = self.line
        return self._moments[scale].after(gain, offset).likeness(self.data_range, self.black)

    def _measured(self, number: int) -> Moments:
        truth, mean, variance = self._truth.scale(number)
        while len(self._halves) <= number:
            self._halves.append(halved(self._halves[-1]))
        image, centre = self._halves[number], self._truth.centre
        level = filtered(image)
        own = filtered(image * image) - level * level
        shared = filtered(image * truth) - level * mean
        return Moments(mean + centre, level + centre, variance, own, shared)


def filtered(image: Floats) -> Floats:
    """Weighted mean in every window that lies inside."""
    made = ndimage.gaussian_filter(image, SIGMA, truncate=WINDOW // 2 / SIGMA)
    return _inner(made)


def halved(image: Floats) -> Floats:
    """Means of 2 x 2 pixels; an odd last row or column is left out."""
    height, width = (n // 2 for n in image.shape)
    cut = image[: 2 * height, : 2 * width].reshape(height, 2, width, 2)
    made: Floats = cut.mean((1, 3))
    return made


def _inner(image):
    edge = WINDOW // 2
    return image[edge : image.shape[0] - edge, edge : image.shape[1] - edge]


# What measures an image beside the truth.
Measure = Callable[[Compared], float]

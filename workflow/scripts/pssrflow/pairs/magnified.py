"""A plane at another magnification: structure as large as it is in other images, in pixels."""

import math

import numpy as np
from scipy import ndimage

from pssrflow.pairs.orientation import Read
from pssrflow.volumes.intensity import Pixels, to_dtype

# A spline of this order; pixels around that may reach into it.
ORDER, HALO = 3, 8
# Standard deviations at which the Gaussian against aliases is cut.
TRUNCATE = 4.0


class Magnified:
    """Reads rectangles of a plane as if its pixels were smaller, or larger, by a factor.

    Parameters
    ----------
    read : callable (slice, slice) -> ndarray (y, x)
    shape : tuple of int
        y and x of the plane as stored.
    zoom : float
        Above 1 structure becomes larger.
    order : int
        Of the spline; 0 takes the nearest pixel.
    """

    def __init__(self, read: Read, shape: tuple[int, ...], zoom: float, order: int = ORDER):
        self.read, self.stored, self.zoom, self.order = read, shape, zoom, order
        self.shape = tuple(int(n * zoom) for n in shape)

    def __call__(self, rows: slice, cols: slice) -> Pixels:
        """Pixels of a rectangle, in the data type of the plane."""
        # A Gaussian as wide as what a larger pixel averages.
        sigma = max(0.0, (1 / self.zoom - 1) / 2) if self.order else 0.0
        halo = HALO + math.ceil(TRUNCATE * sigma)
        sides = [self._place(s, n, halo) for s, n in zip((rows, cols), self.stored)]
        stored = self.read(*(box for box, _ in sides))
        values = stored.astype(np.float32)
        if sigma:
            values = ndimage.gaussian_filter(values, sigma, mode="nearest", truncate=TRUNCATE)
        found = ndimage.affine_transform(
            values,
            np.full(2, 1 / self.zoom),
            [first for _, first in sides],
            output_shape=tuple(s.stop - s.start for s in (rows, cols)),
            order=self.order,
            mode="nearest",
        )
        return to_dtype(found, stored.dtype, float(stored.min()), float(stored.max()))

    def _place(self, side, length, halo):
        """Pixels that are read along an axis, and where among them the first wanted one lies."""
        first, last = ((i + 0.5) / self.zoom - 0.5 for i in (side.start, side.stop - 1))
        start = max(0, math.floor(first) - halo)
        return slice(start, min(length, math.ceil(last) + halo + 1)), first - start

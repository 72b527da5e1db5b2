"""Windows of a plane, counted from its first pixel: the same however the plane is cut.

The last window of a row or column that would leave the plane is measured further inside, so that
all are of one size; what it says holds for its own pixels.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

# LR pixels along y and x: of a window in which residuals are looked at, and of a block, the unit
# of every promise.
WINDOW, BLOCK = 16, 64


def place(index: int, size: int, length: int) -> slice:
    """Pixels in which a window is measured."""
    start = max(0, min(index * size, length - size))
    return slice(start, min(start + size, length))


def touching(start: int, stop: int, size: int) -> range:
    """Numbers of the windows that hold some of the pixels from `start` to `stop`."""
    return range(start // size, math.ceil(stop / size))


def around(start: int, stop: int, size: int, length: int) -> slice:
    """Pixels that those windows are measured in."""
    found = touching(start, stop, size)
    first, last = (place(i, size, length) for i in (found[0], found[-1]))
    return slice(min(first.start, last.start), last.stop)


def gathered(values: Array, numbers: tuple[range, range], size: int, seen: "Seen") -> Array:
    """Windows of what was read of a plane.

    Parameters
    ----------
    values : ndarray (y, x)
    numbers : tuple of range
        Of the windows, along y and x.
    size : int
    seen : Seen
        Where `values` lie.

    Returns
    -------
    ndarray (windows along y, along x, y, x)
    """
    starts, sizes = [], []
    for indices, length, corner in zip(numbers, seen.shape, seen.corner):
        places = [place(i, size, length) for i in indices]
        starts.append(np.array([p.start - corner for p in places]))
        sizes.append(places[0].stop - places[0].start)
    views = np.lib.stride_tricks.sliding_window_view(values, tuple(sizes))
    return np.ascontiguousarray(views[starts[0][:, None], starts[1][None, :]])


def spread(found: Any, numbers: tuple[range, range], size: int, box: tuple[slice, ...]) -> Any:
    """What windows say, for every pixel of a rectangle of the plane.

    Parameters
    ----------
    found : ndarray (windows along y, along x)
    numbers : tuple of range
    size : int
    box : tuple of slice
        Rows and columns.

    Returns
    -------
    ndarray (y, x)
    """
    rows, cols = (
        np.arange(side.start, side.stop) // size - indices.start
        for side, indices in zip(box, numbers)
    )
    return found.take(rows, 0).take(cols, 1)


class Seen:
    """Where what was read of a plane lies in it.

    Parameters
    ----------
    box : tuple of slice
        Rows and columns.
    shape : tuple of int
        y and x of the plane.
    """

    def __init__(self, box: tuple[slice, ...], shape: tuple[int, ...]) -> None:
        self.shape, self.corner = shape, tuple(side.start for side in box)

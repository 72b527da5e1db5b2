"""The HR image of an acquired pair on the grid of its LR image, to a fraction of a pixel.

A third of a pixel beside each other, a sharp image is further from the truth than a smooth one.
"""

import functools
from pathlib import Path

import numpy as np
from scipy import ndimage

from pssrflow.run.files import read_json
from pssrflow.volumes.blocks import with_halo
from pssrflow.volumes.intensity import Pixels
from pssrflow.volumes.rectangles import Reader
from pssrflow.volumes.store import Store

Fraction = tuple[float, float]

# Fractions of a pixel below which nothing is moved.
WHOLE = 0.02
# A cubic spline; of what lies further away less than a millionth reaches a pixel.
ORDER, HALO = 3, 12


def read_shift(registration: Path | str | None) -> tuple[tuple[int, int], Fraction]:
    """Whole HR pixels (y, x) by which HR lies beside LR, and the rest.

    Parameters
    ----------
    registration : path-like or None
        As `registration.register` writes it; None of an LR image that was crappified.
    """
    if registration is None:
        return (0, 0), (0.0, 0.0)
    found = read_json(registration)
    y, x = found["shift"]
    rest = np.subtract(found["subpixel"], (y, x)).round(4).tolist()
    return (y, x), (rest[0], rest[1])


def aligned(hr: Store, fraction: Fraction, level: int = 0) -> Reader:
    """Function that reads rectangles of the HR image as the LR image shows them.

    Parameters
    ----------
    hr : Store
    fraction : tuple of float
        What is left of the shift (y, x) beyond whole HR pixels.
    level : int

    Returns
    -------
    Reader
        Rows and columns in whole HR pixels; float32 where something is moved.
    """
    if max(map(abs, fraction)) < WHOLE:
        return hr.reader(level)
    return functools.partial(_moved, hr.reader(level), hr.volume.shape[3:], fraction)


def _moved(
    read: Reader,
    shape: tuple[int, ...],
    fraction: Fraction,
    plane: tuple[int, ...],
    rows: slice,
    cols: slice,
) -> Pixels:
    sides = rows, cols
    wide = [with_halo(s.start, s.stop, n, HALO, 1) for s, n in zip(sides, shape)]
    values = read(plane, *wide).astype(np.float32)
    moved = ndimage.shift(values, [-f for f in fraction], order=ORDER, mode="nearest")
    inside = (slice(s.start - w.start, s.stop - w.start) for s, w in zip(sides, wide))
    return moved[tuple(inside)]

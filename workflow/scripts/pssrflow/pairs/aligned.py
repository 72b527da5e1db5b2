"""The HR image of an acquired pair on the grid of its LR image, to a fraction of a pixel.

A third of a pixel beside each other, a sharp image is further from the truth than a smooth one.
"""

import functools
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import interpolate, ndimage

from pssrflow.run.files import read_json
from pssrflow.volumes.blocks import with_halo
from pssrflow.volumes.intensity import Pixels
from pssrflow.volumes.rectangles import Reader
from pssrflow.volumes.store import Store

Floats = npt.NDArray[np.float64]

# Fractions of a pixel below which nothing is moved.
WHOLE = 0.02
# A cubic spline; of what lies further away less than a millionth reaches a pixel.
ORDER, HALO = 3, 12


@dataclass(frozen=True)
class Warp:
    """By how much HR pixels lie beside where an LR image shows them, beyond a whole shift.

    Between nodes that are spread over the HR plane, from its first to its last row and column, a
    spline: one node is a shift, two along each axis are (nearly) affine, more a smooth field.

    Attributes
    ----------
    nodes : tuple of tuple of (float, float)
        y and x, HR pixels, for each row and column of nodes.
    shape : tuple of int
        y and x of the HR plane.
    """

    nodes: tuple[tuple[tuple[float, float], ...], ...] = (((0.0, 0.0),),)
    shape: tuple[int, int] = (2, 2)

    @classmethod
    def of(cls, nodes: Any, shape: tuple[int, ...]) -> Self:
        """Of an array of nodes (rows, columns, 2)."""
        rows = np.asarray(nodes, float).tolist()
        return cls(tuple(tuple((y, x) for y, x in row) for row in rows), (shape[0], shape[1]))

    @property
    def is_shift(self) -> bool:
        """Whether it is the same all over."""
        return len(self.nodes) == len(self.nodes[0]) == 1

    @property
    def moves(self) -> bool:
        """Whether anything lies elsewhere."""
        return max(abs(v) for row in self.nodes for node in row for v in node) >= WHOLE

    def then(self, other: "Warp") -> "Warp":
        """Both, one after the other: displacements are small beside what they change over."""
        if not other.moves:
            return self
        first, second = np.array(self.nodes), np.array(other.nodes)
        shape = np.maximum(first.shape, second.shape)
        both = [_spread(nodes, shape[:2]) for nodes in (first, second)]
        return Warp.of(sum(both), other.shape if self.is_shift else self.shape)

    def over(self, rows: slice, cols: slice) -> Floats:
        """Displacement (2, y, x) of the pixels of a rectangle of the HR plane."""
        given = np.array(self.nodes)
        axes = [np.linspace(0, n - 1, m) for n, m in zip(self.shape, given.shape)]
        order = [min(3, m - 1) for m in given.shape[:2]]
        if 0 in order:
            size = rows.stop - rows.start, cols.stop - cols.start
            return np.broadcast_to(given.mean((0, 1))[:, None, None], (2, *size))
        places = [np.arange(s.start, s.stop) for s in (rows, cols)]
        splines = (
            interpolate.RectBivariateSpline(*axes, given[..., i], kx=order[0], ky=order[1])
            for i in (0, 1)
        )
        return np.stack([spline(*places) for spline in splines])


def _spread(nodes, shape):
    """Nodes between which there are others, along lines."""
    for axis, count in enumerate(shape):
        had = np.linspace(0, 1, nodes.shape[axis])
        line = functools.partial(np.interp, np.linspace(0, 1, count), had)
        nodes = np.apply_along_axis(line, axis, nodes)
    return nodes


STILL = Warp()


@functools.cache
def noise_kept(warp: Warp) -> float:
    """Share of the variance of white noise that an image keeps when it is moved by a warp.

    Between pixels a spline is a weighted mean of many.
    """
    if not warp.moves:
        return 1.0
    found = []
    for node in itertools.chain(*warp.nodes):
        point = np.zeros((2 * HALO + 1,) * 2)
        point[HALO, HALO] = 1
        moved = ndimage.shift(point, [-f % 1 for f in node], order=ORDER)
        found.append(float((moved**2).sum()))
    return float(np.mean(found))


def read_shift(registration: Path | str | None) -> tuple[tuple[int, int], Warp]:
    """Whole HR pixels (y, x) by which HR lies beside LR, and the rest.

    Parameters
    ----------
    registration : path-like or None
        As `registration.register` writes it; None of an LR image that was crappified.
    """
    if registration is None:
        return (0, 0), STILL
    found = read_json(registration)
    y, x = found["shift"]
    if warp := found.get("warp"):
        return (y, x), Warp.of(warp["nodes"], tuple(warp["shape"]))
    rest = np.subtract(found["subpixel"], (y, x)).round(4)
    return (y, x), Warp.of([[rest]], (2, 2))


def aligned(hr: Store, warp: Warp, level: int = 0) -> Reader:
    """Function that reads rectangles of the HR image as the LR image shows them.

    Parameters
    ----------
    hr : Store
    warp : Warp
        What is left of the shift (y, x) beyond whole HR pixels.
    level : int

    Returns
    -------
    Reader
        Rows and columns in whole HR pixels; float32 where something is moved.
    """
    if not warp.moves:
        return hr.reader(level)
    return functools.partial(_moved, hr.reader(level), hr.volume.shape[3:], warp)


@dataclass(frozen=True)
class Scan:
    """A scan that lies beside another image of the field.

    Attributes
    ----------
    store : Store
    shift : tuple of int
        Its pixels (y, x) by which it lies beside that.
    warp : Warp
        What that leaves.
    """

    store: Store
    shift: tuple[int, int] = (0, 0)
    warp: Warp = STILL

    def read(self, plane: tuple[int, ...], box: tuple[slice, slice]) -> npt.NDArray[np.float32]:
        """Pixels that show the same as a rectangle of that image; NaN where there are none."""
        beside = [slice(s.start + d, s.stop + d) for s, d in zip(box, self.shift)]
        sizes = self.store.volume.shape[3:]
        there = [slice(max(0, s.start), min(s.stop, n)) for s, n in zip(beside, sizes)]
        made = np.full([s.stop - s.start for s in box], np.nan, np.float32)
        if all(s.stop > s.start for s in there):
            inside = tuple(
                slice(t.start - s.start, t.stop - s.start) for t, s in zip(there, beside)
            )
            made[inside] = aligned(self.store, self.warp)(plane, *there)
        return made


def _moved(
    read: Reader,
    shape: tuple[int, ...],
    warp: Warp,
    plane: tuple[int, ...],
    rows: slice,
    cols: slice,
) -> Pixels:
    sides = rows, cols
    moved = None if warp.is_shift else warp.over(rows, cols)
    halo = HALO if moved is None else HALO + int(np.ceil(np.abs(moved).max()))
    wide = [with_halo(s.start, s.stop, n, halo, 1) for s, n in zip(sides, shape)]
    values = read(plane, *wide).astype(np.float32)
    inside = tuple(slice(s.start - w.start, s.stop - w.start) for s, w in zip(sides, wide))
    if moved is None:
        # The same all over, which is quicker.
        shifted = ndimage.shift(values, [-f for f in warp.nodes[0][0]], order=ORDER, mode="nearest")
        return np.asarray(shifted[inside])
    places = np.mgrid[inside] + moved
    return np.asarray(ndimage.map_coordinates(values, places, order=ORDER, mode="nearest"))

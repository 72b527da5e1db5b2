"""Cells of the simulated tissue: which one owns a point, and how far its border is."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from pssrflow.simulate.lattice import jittered, noise, uniform

# Neurites run mostly across the section, as in a nerve: z is shortened by this factor.
Z_SCALE = 0.35

# Mean distance of cell centres, and how far off a cell can own a point: the largest radius, plus
# the distance to the nearest of the other centres.
CELL_NM = 230.0
REACH_NM = 1000.0

# Squares of tissue that share a list of nearby cells; 8 include all that meet in one.
SQUARE_NM = 48.0
NEARBY = 8


@dataclass(frozen=True)
class Cells:
    """Cells of a region: a power diagram (Aurenhammer, SIAM J. Comput. 16, 78, 1987).

    Attributes
    ----------
    index : ndarray of int, shape (n, 3)
        Lattice node that a cell grew from; its properties are hashed from it.
    centre : ndarray of float64, shape (n, 3)
        z (shortened), y, x in nm, in tissue coordinates.
    radius : ndarray of float64, shape (n,)
        nm; how strongly a cell pushes its neighbours away.
    """

    index: np.ndarray
    centre: np.ndarray
    radius: np.ndarray

    def draw(self, seed: int, layer: int) -> np.ndarray:
        """Uniform number of each cell, float32, shape (n,)."""
        return uniform(seed, layer, *self.index.T)


@dataclass(frozen=True)
class Squares:
    """Cells near every square of a region: arrays of shape (squares,) or (NEARBY, squares).

    `cell` is sorted by distance. `dy`, `dx` and `power` are relative to the nearest cell, which
    keeps them small enough for float32 wherever the region lies.
    """

    first: tuple[int, int]
    shape: tuple[int, int]
    warp: np.ndarray
    cell: np.ndarray
    dy: np.ndarray
    dx: np.ndarray
    power: np.ndarray

    def at(self, y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Square that holds each point, and the offset of the point from the square's centre."""
        iy, ix = (np.floor(c / SQUARE_NM).astype(np.intp) for c in (y, x))
        flat = (iy - self.first[0]) * self.shape[1] + ix - self.first[1]
        offset = [c - (i + 0.5) * SQUARE_NM for c, i in ((y, iy), (x, ix))]
        return flat, *(o.astype(np.float32) for o in offset)


def survey(
    seed: int, z_nm: float, y_nm: tuple[float, float], x_nm: tuple[float, float]
) -> tuple[Cells, Squares]:
    """Cells of a region and the nearest of them for each of its squares.

    Parameters
    ----------
    seed : int
    z_nm : float
    y_nm, x_nm : tuple of float
        First and last coordinate of the region.

    Returns
    -------
    Cells
    Squares
    """
    ranges = [
        np.arange(math.floor(a / SQUARE_NM), math.floor(b / SQUARE_NM) + 1) for a, b in (y_nm, x_nm)
    ]
    y, x = ((r + 0.5) * SQUARE_NM for r in ranges)
    moved = warp(seed, z_nm, y, x).astype(np.float64)
    place = np.stack(
        np.broadcast_arrays(z_nm * Z_SCALE, y[:, None] + moved[0], x + moved[1]), axis=-1
    )
    place = place.reshape(-1, 3)
    cells = grow(seed, place.min(axis=0), place.max(axis=0))
    distance, cell = nearest(cells, place)
    away = cells.centre[cell] - cells.centre[cell[0]]
    power = (distance**2 - distance[0] ** 2).astype(np.float32)
    dy, dx = (away[..., i].astype(np.float32) for i in (1, 2))
    return cells, Squares(
        first=(int(ranges[0][0]), int(ranges[1][0])),
        shape=(len(y), len(x)),
        warp=moved.reshape(2, -1).astype(np.float32),
        cell=cell,
        dy=dy,
        dx=dx,
        power=power,
    )


def warp(seed: int, z_nm: float, y_nm: np.ndarray, x_nm: np.ndarray) -> np.ndarray:
    """Displacement (y, x) in nm that bends straight cell borders, float32, shape (2, h, w)."""
    bends = ((1, (1200, 420, 420), 90), (3, (300, 150, 150), 34), (5, (200, 60, 60), 8))
    return np.array(
        [
            sum(a * noise(seed, layer + axis, p, z_nm, y_nm, x_nm) for layer, p, a in bends)
            for axis in (0, 1)
        ],
        np.float32,
    )


def grow(seed: int, low: np.ndarray, high: np.ndarray) -> Cells:
    """Cells that own points of a box (z shortened, y, x, in nm): a few large, many small."""
    box = np.array(low) - REACH_NM, np.array(high) + REACH_NM
    index, centre = jittered(seed, 10, (CELL_NM,) * 3, *box)
    size, exact = uniform(seed, 13, *index.T), uniform(seed, 14, *index.T)
    radius = np.select(
        [size < 0.007, size < 0.04], [430 + 220 * exact, 200 + 160 * exact], 110 * exact
    )
    return Cells(index, centre, radius.astype(np.float64))


def nearest(cells: Cells, place: np.ndarray) -> tuple[np.ndarray, ...]:
    """Distance and number of the NEARBY nearest cells of points, both of shape (NEARBY, n).

    A power diagram is the slice of an ordinary Voronoi diagram of one dimension more.
    """
    height = np.sqrt(cells.radius.max() ** 2 - cells.radius**2)
    tree = cKDTree(np.column_stack([cells.centre, height]))
    found = tree.query(np.column_stack([place, np.zeros(len(place))]), k=NEARBY)
    return tuple(np.ascontiguousarray(f.T) for f in found)


@dataclass(frozen=True)
class View:
    """What every point of a plane lies in; arrays of float32 or int, shape (h, w).

    Attributes
    ----------
    seed : int
    z, y, x : float, ndarray, ndarray
        Coordinates of the points, in nm; y and x are float64 of shape (h,) and (w,).
    owner : ndarray of int
        Cell of each point.
    edge : ndarray
        Distance to the border of the cell, in nm.
    tilt : ndarray
        0 where the nearest border stands upright in the section, 1 where it lies flat.
    side : ndarray of bool
        Which of the two cells at a border this is.
    moved : ndarray, shape (2, h, w)
        Displacement of the tissue, in nm.
    """

    seed: int
    z: float
    y: np.ndarray
    x: np.ndarray
    owner: np.ndarray
    edge: np.ndarray
    tilt: np.ndarray
    side: np.ndarray
    moved: np.ndarray

    def noise(self, layer: int, *pitch_nm: float) -> np.ndarray:
        """Smooth random field at the points of the plane."""
        return noise(self.seed, layer, pitch_nm, self.z, self.y, self.x)


def look(
    seed: int,
    z_nm: float,
    y_nm: np.ndarray,
    x_nm: np.ndarray,
    cells: Cells,
    squares: Squares,
) -> View:
    """`View` of the points of a plane."""
    flat, dy, dx = squares.at(y_nm[:, None], x_nm[None, :])
    moved = warp(seed, z_nm, y_nm, x_nm)
    dy, dx = (
        d + m - np.take(w, flat) for d, m, w in zip((dy, dx), moved, squares.warp, strict=True)
    )
    return View(seed, z_nm, y_nm, x_nm, *borders(cells, squares, flat, dy, dx), moved)


def borders(
    cells: Cells, squares: Squares, flat: np.ndarray, dy: np.ndarray, dx: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Owner, distance to its border (nm), tilt of the border and side of points."""
    owner, other, gap = locate(squares, flat, dy, dx)
    table = (cells.centre * (Z_SCALE, 1, 1)).astype(np.float32)
    away = [np.take(t, other) - np.take(t, owner) for t in table.T]
    steep = np.sqrt(away[0] ** 2 + away[1] ** 2 + away[2] ** 2)
    return owner, gap / (2 * steep), np.abs(away[0]) / steep, owner < other


def locate(
    squares: Squares, flat: np.ndarray, dy: np.ndarray, dx: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Owner of each point, the next cell, and how much further (power, nm^2) the next one is."""
    best, then = np.zeros(dy.shape, np.float32), np.full(dy.shape, np.inf, np.float32)
    owner, other = np.zeros(dy.shape, np.int8), np.zeros(dy.shape, np.int8)
    for k in range(1, NEARBY):
        power = np.take(squares.power[k], flat)
        power -= 2 * (np.take(squares.dy[k], flat) * dy + np.take(squares.dx[k], flat) * dx)
        wins, second = power < best, power < then
        other = np.where(wins, owner, np.where(second, np.int8(k), other))
        then = np.where(wins, best, np.minimum(then, power))
        owner, best = np.where(wins, np.int8(k), owner), np.minimum(best, power)
    return (*(squares.cell[i, flat] for i in (owner, other)), then - best)

"""What lies in the cells of the simulated tissue: vesicles, microtubules and mitochondria."""

import math
from dataclasses import dataclass

import numpy as np

from pssrflow.simulate.cells import SQUARE_NM, Z_SCALE, Cells, Squares, View, borders
from pssrflow.simulate.lattice import jittered, noise, uniform

# A mitochondrion keeps this distance from the plasma membrane.
CORTEX_NM = 12.0

# Radius, about, of the corners of a mitochondrion.
ROUND_NM = 16.0


def bump(distance: np.ndarray, width: float | np.ndarray) -> np.ndarray:
    """1 where `distance` is 0, falling off as a Gaussian of 1/e half width `width`."""
    return np.exp(-np.square(distance / np.float32(width)))


def step(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 below `low`, 1 above `high`, smooth between."""
    t = np.clip((value - np.float32(low)) / np.float32(high - low), 0, 1)
    return t * t * (3 - 2 * t)


@dataclass(frozen=True)
class Particle:
    """A kind of round body, drawn from one lattice.

    Attributes
    ----------
    pitch_nm : tuple of float
        Lattice along z, y and x; long along z makes a filament that many planes cut.
    radius_nm : tuple of float
        Smallest and largest.
    wall_nm : float
        Half thickness of the stained wall; the radius itself makes a solid body.
    ink : float
        How dark, 0 to 1.
    share : float
        Part of the lattice that is occupied where the kind is found.
    where : tuple of float
        Range of a cell's uniform number `cell_draw`: which cells hold the kind.
    crowd : float
        Smallest value of a smooth field where the kind gathers.
    """

    pitch_nm: tuple[float, float, float]
    radius_nm: tuple[float, float]
    wall_nm: float
    ink: float
    share: float
    where: tuple[float, float] = (0, 1)
    crowd: float = -9.0

    @property
    def reach_nm(self) -> float:
        """How far from its centre a body is seen: 3 half thicknesses leave 1e-4 of the ink."""
        return self.radius_nm[1] + 3 * self.wall_nm


# Sizes after Peters, Palay & Webster, The Fine Structure of the Nervous System (1991).
PARTICLES = (
    Particle((50, 42, 42), (16, 22), 4.5, 0.45, 0.75, (0.45, 0.9), 0.2),  # synaptic vesicles
    Particle((3000, 58, 58), (8, 11), 5.0, 0.40, 0.60, (0, 0.65)),  # microtubules
    Particle((160, 150, 150), (24, 34), 20.0, 0.80, 0.10, (0.3, 0.8)),  # dense-core vesicles
    Particle((300, 260, 260), (36, 70), 5.5, 0.55, 0.15, (0, 0.9)),  # endosomes
)


def furthest_nm() -> float:
    """How far from its centre any body is seen."""
    return max(kind.reach_nm for kind in PARTICLES)


def particles(view: View, cells: Cells, squares: Squares) -> np.ndarray:
    """Ink of vesicles, microtubules and endosomes, float32, shape (h, w)."""
    ink = np.zeros(view.edge.shape, np.float32)
    for number, kind in enumerate(PARTICLES):
        stamp(ink, view, kind, *settle(view, cells, squares, kind, 100 + 10 * number))
    return ink


def settle(
    view: View, cells: Cells, squares: Squares, kind: Particle, layer: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centres (y, x) and radii, in nm, of the discs that the plane cuts out of one kind."""
    filament = kind.pitch_nm[0] > 1000
    reach = 0 if filament else kind.radius_nm[1]
    low, high = (
        (view.z + s * reach, *(c[i] + s * kind.reach_nm for c in (view.y, view.x)))
        for i, s in ((0, -1), (-1, 1))
    )
    index, point = jittered(view.seed, layer, kind.pitch_nm, low, high)
    inside = np.all((point[:, 1:] > low[1:]) & (point[:, 1:] < high[1:]), axis=1)
    index, point = index[inside], point[inside]
    draw = [uniform(view.seed, layer + i, *index.T) for i in (3, 4)]
    radius = kind.radius_nm[0] + draw[0] * (kind.radius_nm[1] - kind.radius_nm[0])
    cut = radius**2 - (0 if filament else 1) * (point[:, 0] - view.z) ** 2
    keep = (
        (cut > 9) & (draw[1] < kind.share) & fits(view, cells, squares, kind, layer, point, radius)
    )
    return point[keep, 1], point[keep, 2], np.sqrt(cut[keep])


def fits(
    view: View,
    cells: Cells,
    squares: Squares,
    kind: Particle,
    layer: int,
    point: np.ndarray,
    radius: np.ndarray,
) -> np.ndarray:
    """Which bodies lie wholly in a cell of theirs, and where their kind gathers."""
    flat, dy, dx = squares.at(point[:, 1], point[:, 2])
    owner, edge, *_ = borders(cells, squares, flat, dy, dx)
    draw = cells.draw(view.seed, 20)[owner]
    y, x = (
        (np.arange(n) + f + 0.5) * SQUARE_NM
        for n, f in zip(squares.shape, squares.first, strict=True)
    )
    crowd = noise(view.seed, layer + 5, (300, 150, 150), view.z, y, x).ravel()[flat]
    return (
        (edge > radius + 14)
        & (draw >= kind.where[0])
        & (draw < kind.where[1])
        & (crowd > kind.crowd)
    )


def stamp(
    ink: np.ndarray, view: View, kind: Particle, y: np.ndarray, x: np.ndarray, radius: np.ndarray
) -> None:
    """Darken `ink`, in place, with the walls of discs."""
    pitch = view.y[1] - view.y[0]
    half = math.ceil(kind.reach_nm / pitch)
    window = np.arange(-half, half + 1)
    rows = np.rint((y - view.y[0]) / pitch).astype(np.intp)[:, None, None] + window[:, None]
    cols = np.rint((x - view.x[0]) / pitch).astype(np.intp)[:, None, None] + window
    away = np.hypot(
        rows * pitch + view.y[0] - y[:, None, None], cols * pitch + view.x[0] - x[:, None, None]
    )
    wall = kind.ink * bump(
        away - np.maximum(radius[:, None, None] - kind.wall_nm / 2, 0), kind.wall_nm
    )
    inside = (rows >= 0) & (rows < ink.shape[0]) & (cols >= 0) & (cols < ink.shape[1])
    flat = (rows * ink.shape[1] + cols)[inside]
    np.maximum.at(ink.reshape(-1), flat, wall[inside].astype(np.float32))


def mitochondria(signal: np.ndarray, view: View, cells: Cells) -> np.ndarray:
    """`signal` with mitochondria laid over it; large cells hold up to three."""
    signal = signal.ravel().copy()
    fields = [view.noise(51, 200, 60, 60), view.noise(53, 120, 45, 45), view.noise(55, 50, 10, 10)]
    for slot, (smallest, share) in enumerate(((70, 0.3), (200, 0.5), (430, 0.6))):
        owns = (cells.draw(view.seed, 60 + 10 * slot) < share) & (cells.radius >= smallest)
        here = np.flatnonzero((np.take(owns, view.owner) & (view.edge > CORTEX_NM)).ravel())
        depth, along = mitochondrion(view, cells, slot, here)
        here, depth, along = here[depth > 0], depth[depth > 0], along[depth > 0]
        signal[here] = cristae(depth, along, *(f.ravel()[here] for f in fields))
    return signal.reshape(view.edge.shape)


def mitochondrion(
    view: View, cells: Cells, slot: int, here: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Depth below the outer membrane, and position along the long axis, of points, in nm."""
    draw = [cells.draw(view.seed, 61 + 10 * slot + i) for i in range(6)]
    cell = view.owner.ravel()[here]
    off = [(d - 0.5) * (60 + 0.9 * cells.radius) for d in draw[:2]]
    y, x = (
        (np.broadcast_to(c, view.edge.shape).ravel()[here] + m.ravel()[here] - (p + o)[cell])
        for c, m, p, o in zip(
            (view.y[:, None], view.x), view.moved, cells.centre.T[1:], off, strict=True
        )
    )
    z = view.z - cells.centre[cell, 0] / Z_SCALE
    angle = (np.pi * draw[2])[cell]
    along, across = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    length, width, height = (130 + 200 * draw[3] ** 2)[cell], (85 + 75 * draw[4])[cell], 700
    across = across + 0.0012 * (draw[5][cell] - 0.5) * along**2
    r = (along / length) ** 2 + (across / width) ** 2 + (z / height) ** 2
    slope = 2 * np.sqrt((along / length**2) ** 2 + (across / width**2) ** 2 + (z / height**2) ** 2)
    ellipsoid, cortex = (1 - r) / (slope + 1e-4), view.edge.ravel()[here] - CORTEX_NM
    # A smooth minimum: where the neurite squeezes it, the organelle keeps round corners.
    depth = -ROUND_NM * np.logaddexp(-ellipsoid / ROUND_NM, -cortex / ROUND_NM)
    return depth.astype(np.float32), along.astype(np.float32)


def cristae(
    depth: np.ndarray, along: np.ndarray, wave: np.ndarray, cut: np.ndarray, grain: np.ndarray
) -> np.ndarray:
    """Signal inside a mitochondrion: two membranes, a dark matrix, folded inner membrane."""
    phase = along * np.float32(2 * np.pi / 36) + 1.6 * wave + 0.8 * cut
    fold = np.cos(phase)
    open_ = step(cut, -0.5, 0.1) * step(depth, 14, 22)
    matrix = 0.37 + 0.04 * grain - 0.03 * wave
    folds = open_ * (0.26 * step(fold, 0.6, 0.95) - 0.16 * bump(fold - 0.25, 0.35))
    shell = 0.34 * bump(depth - 2, 4) - 0.10 * bump(depth - 9, 3) + 0.22 * bump(depth - 15, 4)
    return np.clip(matrix + folds - shell, 0.05, 1)

"""Endless simulated tissue for a microscope to image.

The tissue is a pure function of a seed and of physical coordinates: neurites with membranes,
mitochondria with cristae, vesicles, microtubules and endoplasmic reticulum, in three dimensions.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from pssrflow.errors import InputError

# The thinnest structures, leaflets of membranes, need a pitch no coarser than this.
FINEST_NM = 5.0

# Neurites run mostly across the section, as in a nerve: z is shortened by this factor.
Z_SCALE = 0.35

# Mean distance of cell centres, and how far off a cell can own a point: the largest radius, plus
# the distance to the nearest of the other centres.
CELL_NM = 230.0
REACH_NM = 1000.0

# Squares of tissue that share a list of nearby cells; 8 include all that meet in one.
SQUARE_NM = 48.0
NEARBY = 8

# Standard deviation of lattice noise: uniform nodes, cubic B-spline along three axes.
NOISE_STD = 0.577 * 0.479**1.5

# A mitochondrion keeps this distance from the plasma membrane.
CORTEX_NM = 12.0

# Radius, about, of the corners of a mitochondrion.
ROUND_NM = 16.0


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

    def draw(self, seed, layer):
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

    def at(self, y, x):
        """Square that holds each point, and the offset of the point from the square's centre."""
        iy, ix = (np.floor(c / SQUARE_NM).astype(np.intp) for c in (y, x))
        flat = (iy - self.first[0]) * self.shape[1] + ix - self.first[1]
        offset = [c - (i + 0.5) * SQUARE_NM for c, i in ((y, iy), (x, ix))]
        return flat, *(o.astype(np.float32) for o in offset)


def scramble(bits):
    """Mix 64-bit integers (finaliser of SplitMix64, Steele et al., OOPSLA 2014)."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def uniform(seed, layer, *index):
    """Random numbers that belong to lattice nodes.

    Parameters
    ----------
    seed, layer : int
    *index : ndarray of int
        Coordinates of the nodes, broadcast against each other.

    Returns
    -------
    ndarray of float32
        In [0, 1).
    """
    bits = np.array([(seed * 0x9E3779B97F4A7C15 + layer * 0xD1B54A32D192ED03) % 2**64], np.uint64)
    for i in index:
        bits = scramble(
            bits + np.asarray(i, np.int64).astype(np.uint64) + np.uint64(0x632BE59BD9B4E019)
        )
    return (scramble(bits) >> np.uint64(40)).astype(np.float32) * np.float32(2**-24)


def spline(coordinates):
    """First node and the four weights, shape (4, n), of a cubic B-spline at lattice coordinates."""
    first = np.floor(coordinates).astype(np.int64)
    t = coordinates - first
    weights = (1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3
    return first - 1, (np.array(weights) / 6).astype(np.float32)


def spread(nodes, first, start, weights):
    """Interpolate lattice values along the first axis; `nodes` begins at node `start`."""
    taps = (np.take(nodes, first - start + i, axis=0) * w[:, None] for i, w in enumerate(weights))
    return sum(taps)


def noise(seed, layer, pitch_nm, z_nm, y_nm, x_nm):
    """Smooth random field of mean 0 and standard deviation 1.

    Parameters
    ----------
    seed, layer : int
    pitch_nm : tuple of float
        Distance of the nodes along z, y and x; about half the size of what is seen.
    z_nm : float
    y_nm, x_nm : ndarray of float64, shape (h,) and (w,)

    Returns
    -------
    ndarray of float32, shape (h, w)
    """
    (iz, wz), (iy, wy), (ix, wx) = (
        spline(np.atleast_1d(c) / p) for c, p in zip((z_nm, y_nm, x_nm), pitch_nm, strict=True)
    )
    rows, cols = np.arange(iy.min(), iy.max() + 4), np.arange(ix.min(), ix.max() + 4)
    nodes = uniform(seed, layer, (iz[0] + np.arange(4))[:, None, None], rows[:, None], cols)
    nodes = (nodes * wz[:, :, None]).sum(axis=0) - np.float32(0.5)
    nodes = spread(nodes.T, ix, cols[0], wx).T
    return spread(nodes, iy, rows[0], wy) * np.float32(2 / NOISE_STD)


def warp(seed, z_nm, y_nm, x_nm):
    """Displacement (y, x) in nm that bends straight cell borders, float32, shape (2, h, w)."""
    bends = ((1, (1200, 420, 420), 90), (3, (300, 150, 150), 34), (5, (200, 60, 60), 8))
    return np.array(
        [
            sum(a * noise(seed, layer + axis, p, z_nm, y_nm, x_nm) for layer, p, a in bends)
            for axis in (0, 1)
        ],
        np.float32,
    )


def jittered(seed, layer, pitch_nm, low, high):
    """Nodes of a lattice within a box, and one random point in the cell of each.

    Returns
    -------
    index : ndarray of int64, shape (n, 3)
    point : ndarray of float64, shape (n, 3)
    """
    ranges = [
        np.arange(math.floor(a / p), math.floor(b / p) + 1)
        for a, b, p in zip(low, high, pitch_nm, strict=True)
    ]
    index = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, 3)
    move = np.stack([uniform(seed, layer + i, *index.T) for i in range(3)], axis=-1)
    return index, (index + move.astype(np.float64)) * pitch_nm


def grow(seed, low, high):
    """Cells that own points of a box (z shortened, y, x, in nm): a few large, many small."""
    box = np.array(low) - REACH_NM, np.array(high) + REACH_NM
    index, centre = jittered(seed, 10, (CELL_NM,) * 3, *box)
    size, exact = uniform(seed, 13, *index.T), uniform(seed, 14, *index.T)
    radius = np.select(
        [size < 0.007, size < 0.04], [430 + 220 * exact, 200 + 160 * exact], 110 * exact
    )
    return Cells(index, centre, radius.astype(np.float64))


def survey(seed, z_nm, y_nm, x_nm):
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
    table = (away[..., i].astype(np.float32) for i in (1, 2))
    first = (ranges[0][0], ranges[1][0])
    return cells, Squares(
        first, moved.shape[1:], moved.reshape(2, -1).astype(np.float32), cell, *table, power
    )


def nearest(cells, place):
    """Distance and number of the NEARBY nearest cells of points, both of shape (NEARBY, n).

    A power diagram is the slice of an ordinary Voronoi diagram of one dimension more.
    """
    height = np.sqrt(cells.radius.max() ** 2 - cells.radius**2)
    tree = cKDTree(np.column_stack([cells.centre, height]))
    found = tree.query(np.column_stack([place, np.zeros(len(place))]), k=NEARBY)
    return tuple(np.ascontiguousarray(f.T) for f in found)


def locate(squares, flat, dy, dx):
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

    def noise(self, layer, *pitch_nm):
        """Smooth random field at the points of the plane."""
        return noise(self.seed, layer, pitch_nm, self.z, self.y, self.x)


def borders(cells, squares, flat, dy, dx):
    """Owner, distance to its border (nm), tilt of the border and side of points."""
    owner, other, gap = locate(squares, flat, dy, dx)
    table = (cells.centre * (Z_SCALE, 1, 1)).astype(np.float32)
    away = [np.take(t, other) - np.take(t, owner) for t in table.T]
    steep = np.sqrt(away[0] ** 2 + away[1] ** 2 + away[2] ** 2)
    return owner, gap / (2 * steep), np.abs(away[0]) / steep, owner < other


def look(seed, z_nm, y_nm, x_nm, cells, squares):
    """`View` of the points of a plane."""
    flat, dy, dx = squares.at(y_nm[:, None], x_nm[None, :])
    moved = warp(seed, z_nm, y_nm, x_nm)
    dy, dx = (
        d + m - np.take(w, flat) for d, m, w in zip((dy, dx), moved, squares.warp, strict=True)
    )
    return View(seed, z_nm, y_nm, x_nm, *borders(cells, squares, flat, dy, dx), moved)


def bump(distance, width):
    """1 where `distance` is 0, falling off as a Gaussian of 1/e half width `width`."""
    return np.exp(-np.square(distance / np.float32(width)))


def step(value, low, high):
    """0 below `low`, 1 above `high`, smooth between."""
    t = np.clip((value - np.float32(low)) / np.float32(high - low), 0, 1)
    return t * t * (3 - 2 * t)


def cytoplasm(view, cells):
    """Signal of the cytosol: its own grey in every cell, glia dark, granular throughout."""
    draw = cells.draw(view.seed, 20)
    glia = (draw > 0.9) & (cells.radius < 400)
    grey = np.where(glia, 0.46, 0.76 + 0.14 * (draw - 0.5)).astype(np.float32)
    rough = np.where(glia, 0.065, 0.03 + 0.03 * cells.draw(view.seed, 21)).astype(np.float32)
    clouds = 0.035 * view.noise(22, 300, 160, 160)
    # Stained protein: clumps are darker than the gaps between them are light.
    grain = view.noise(25, 60, 13, 13) + view.noise(28, 90, 26, 26)
    grain = np.where(grain < 0, 1.5 * grain, 0.6 * grain)
    return np.take(grey, view.owner) + clouds + np.take(rough, view.owner) * grain


def membranes(view):
    """Ink of plasma membranes: two leaflets, a cleft, blurred where oblique, dense at synapses."""
    width = np.sqrt(np.float32(4.5**2) + np.square(18 * view.tilt))
    thick = 7 + view.noise(31, 200, 60, 60)
    ink = np.float32(0.9) * np.sqrt(4.5 / width) * bump(view.edge - thick, 1.0 * width)
    cleft = np.float32(0.62) * bump(view.edge, 6)
    synapse = step(view.noise(33, 250, 130, 130), 1.1, 1.6) * view.side * np.exp(-view.edge / 20)
    return np.maximum(np.maximum(ink, cleft), 0.8 * synapse)


def reticulum(view):
    """Ink and lumen of the endoplasmic reticulum: flat sacs along the zero line of a field."""
    pitch = view.y[1] - view.y[0]
    # One point more on every side, so that slopes at the rim are those that a neighbour sees.
    y, x = (np.pad(c, 1, "reflect", reflect_type="odd") for c in (view.y, view.x))
    field = noise(view.seed, 41, (350, 95, 95), view.z, y, x)
    slope = np.hypot(*np.gradient(field, pitch))[1:-1, 1:-1] + np.float32(0.004)
    field = field[1:-1, 1:-1]
    distance = np.abs(field) / slope
    present = step(view.noise(43, 300, 110, 110), 1.25, 1.5) * step(view.edge, 28, 40)
    return 0.5 * present * bump(distance - 11, 5), 0.05 * present * bump(distance, 8)


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
    def reach_nm(self):
        """How far from its centre a body is seen: 3 half thicknesses leave 1e-4 of the ink."""
        return self.radius_nm[1] + 3 * self.wall_nm


# Sizes after Peters, Palay & Webster, The Fine Structure of the Nervous System (1991).
PARTICLES = (
    Particle((50, 42, 42), (16, 22), 4.5, 0.45, 0.75, (0.45, 0.9), 0.2),  # synaptic vesicles
    Particle((3000, 58, 58), (8, 11), 5.0, 0.40, 0.60, (0, 0.65)),  # microtubules
    Particle((160, 150, 150), (24, 34), 20.0, 0.80, 0.10, (0.3, 0.8)),  # dense-core vesicles
    Particle((300, 260, 260), (36, 70), 5.5, 0.55, 0.15, (0, 0.9)),  # endosomes
)


def particles(view, cells, squares):
    """Ink of vesicles, microtubules and endosomes, float32, shape (h, w)."""
    ink = np.zeros(view.edge.shape, np.float32)
    for number, kind in enumerate(PARTICLES):
        stamp(ink, view, kind, *settle(view, cells, squares, kind, 100 + 10 * number))
    return ink


def settle(view, cells, squares, kind, layer):
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


def fits(view, cells, squares, kind, layer, point, radius):
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


def stamp(ink, view, kind, y, x, radius):
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


def mitochondria(signal, view, cells):
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


def mitochondrion(view, cells, slot, here):
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


def cristae(depth, along, wave, cut, grain):
    """Signal inside a mitochondrion: two membranes, a dark matrix, folded inner membrane."""
    phase = along * np.float32(2 * np.pi / 36) + 1.6 * wave + 0.8 * cut
    fold = np.cos(phase)
    open_ = step(cut, -0.5, 0.1) * step(depth, 14, 22)
    matrix = 0.37 + 0.04 * grain - 0.03 * wave
    folds = open_ * (0.26 * step(fold, 0.6, 0.95) - 0.16 * bump(fold - 0.25, 0.35))
    shell = 0.34 * bump(depth - 2, 4) - 0.10 * bump(depth - 9, 3) + 0.22 * bump(depth - 15, 4)
    return np.clip(matrix + folds - shell, 0.05, 1)


def scene(seed, z_nm, y_nm, x_nm):
    """Electron signal of the tissue, without noise or blur.

    A pure function of the seed and the coordinates: a region can be rendered block by block.

    Parameters
    ----------
    seed : int
    z_nm : float
        Depth of the plane.
    y_nm, x_nm : ndarray of float64, shape (h,) and (w,)
        Regularly spaced coordinates, rising.

    Returns
    -------
    ndarray of float32, shape (h, w)
        0 (stained black) to 1 (full signal).

    Raises
    ------
    InputError
        If either axis has fewer than two points, which leaves the pitch unknown.
    """
    y_nm, x_nm = np.asarray(y_nm, np.float64), np.asarray(x_nm, np.float64)
    if min(len(y_nm), len(x_nm)) < 2:
        raise InputError("scene", f"{len(y_nm)} x {len(x_nm)} points", "two or more along y and x")
    margin = max(kind.reach_nm for kind in PARTICLES)
    cells, squares = survey(seed, z_nm, *((c[0] - margin, c[-1] + margin) for c in (y_nm, x_nm)))
    view = look(seed, z_nm, y_nm, x_nm, cells, squares)
    signal = cytoplasm(view, cells)
    ink, lumen = reticulum(view)
    ink = np.maximum(ink, particles(view, cells, squares))
    signal = mitochondria((signal + lumen) * (1 - ink), view, cells)
    return np.clip(signal * (1 - membranes(view)), 0, 1)

"""Random numbers and smooth random fields that belong to nodes of an endless lattice."""

import math
from collections.abc import Sequence

import numpy as np

# Standard deviation of lattice noise: uniform nodes, cubic B-spline along three axes.
NOISE_STD = 0.577 * 0.479**1.5

# z, y, x of a box.
Corner = Sequence[float] | np.ndarray


def uniform(seed: int, layer: int, *index: np.ndarray) -> np.ndarray:
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


def scramble(bits: np.ndarray) -> np.ndarray:
    """Mix 64-bit integers (finaliser of SplitMix64, Steele et al., OOPSLA 2014)."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def noise(
    seed: int,
    layer: int,
    pitch_nm: tuple[float, ...],
    z_nm: float,
    y_nm: np.ndarray,
    x_nm: np.ndarray,
) -> np.ndarray:
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
    points = np.atleast_1d(z_nm), y_nm, x_nm
    (iz, wz), (iy, wy), (ix, wx) = (spline(c / p) for c, p in zip(points, pitch_nm, strict=True))
    rows, cols = np.arange(iy.min(), iy.max() + 4), np.arange(ix.min(), ix.max() + 4)
    nodes = uniform(seed, layer, (iz[0] + np.arange(4))[:, None, None], rows[:, None], cols)
    nodes = (nodes * wz[:, :, None]).sum(axis=0) - np.float32(0.5)
    nodes = spread(nodes.T, ix, cols[0], wx).T
    return spread(nodes, iy, rows[0], wy) * np.float32(2 / NOISE_STD)


def spline(coordinates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First node and the four weights, shape (4, n), of a cubic B-spline at lattice coordinates."""
    first = np.floor(coordinates).astype(np.int64)
    t = coordinates - first
    weights = (1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3
    return first - 1, (np.array(weights) / 6).astype(np.float32)


def spread(nodes: np.ndarray, first: np.ndarray, start: int, weights: np.ndarray) -> np.ndarray:
    """Interpolate lattice values along the first axis; `nodes` begins at node `start`."""
    taps = (np.take(nodes, first - start + i, axis=0) * w[:, None] for i, w in enumerate(weights))
    return sum(taps)


def jittered(
    seed: int, layer: int, pitch_nm: Sequence[float], low: Corner, high: Corner
) -> tuple[np.ndarray, np.ndarray]:
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

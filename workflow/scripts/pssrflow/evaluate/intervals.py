"""Sums over blocks, and 95 % intervals of what they tell.

Planes are drawn anew, or blocks where planes are few (bootstrap, Efron and Tibshirani 1993), never
pixels. Neighbouring blocks are alike, and neighbouring planes of a stack more so: draws that take
them for independent vary too little, so intervals are widened by what residuals of neighbours have
in common, as for the mean of an autocorrelated series (Bayley and Hammersley 1946,
doi:10.2307/2983560), and by Student's t for few of them.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from pssrflow.seeded import generator

Values = npt.NDArray[np.floating]
# By plane (t, c, z): arrays (rows, columns) or (rows, columns, sums) of the blocks of its pieces.
Planes = Mapping[tuple[int, ...], Sequence[Values]]

# HR pixels along y and x of the blocks that are drawn, how often, and how many draws are made at
# once for the sake of memory.
BLOCK, DRAWS, AT_ONCE = 128, 1000, 50
# Blocks below which they tell no interval, and planes from which on they are drawn as a whole.
FEWEST = 8
# Percentiles between which 95 of 100 lie, and half of that width of a normal number.
ENDS, NORMAL = (2.5, 97.5), 1.96
# The most that neighbours are taken to have in common.
MOST_ALIKE = 0.8


def block_sums(*values: Values) -> npt.NDArray[np.float64]:
    """Pixels that are known, and sums of them, of the blocks of a piece.

    Parameters
    ----------
    *values : ndarray (y, x)
        Of one shape; what is NaN in the first counts in none.

    Returns
    -------
    ndarray (rows of blocks, columns of blocks, 1 + values)
    """
    known = ~np.isnan(values[0])
    edges = [_edges(n) for n in known.shape]
    layers = [known, *(np.where(known, v, 0) for v in values)]
    return np.stack([_summed(layer.astype(np.float64), edges) for layer in layers], -1)


def _edges(length):
    count = max(1, round(length / BLOCK))
    return np.linspace(0, length, count, endpoint=False).astype(int)


def _summed(layer, edges):
    return np.add.reduceat(np.add.reduceat(layer, edges[0], 0), edges[1], 1)


def in_all(planes: Planes) -> Values:
    """Sums over all blocks of arrays (rows, columns, sums)."""
    return np.sum([piece.sum((0, 1)) for pieces in planes.values() for piece in pieces], 0)


@dataclass(frozen=True)
class Found:
    """A figure with its interval, from blocks of planes.

    Attributes
    ----------
    value : float
    low, high : float
        Ends of the 95 % interval.
    """

    value: float
    low: float
    high: float

    def to_json(self) -> list[float | None]:
        """Value, low and high; None where a number is not finite."""
        return [rounded(v) for v in (self.value, self.low, self.high)]


def rounded(value: float, digits: int = 4) -> float | None:
    """A number as JSON has it; None where it is not finite."""
    return round(value, digits) if math.isfinite(value) else None


class Bootstrap:
    """Draws of planes, or of the blocks of all of them: the same for all methods.

    Parameters
    ----------
    units : int
        Of which as many are drawn.

    Attributes
    ----------
    drawn : ndarray (DRAWS, units) of uint16
        How often each.
    """

    def __init__(self, units: int) -> None:
        rng, alike = generator(0, "bootstrap"), np.full(units, 1 / units)
        some = (rng.multinomial(units, alike, AT_ONCE) for _ in range(DRAWS // AT_ONCE))
        self.drawn = np.concatenate([each.astype(np.uint16) for each in some])

    @classmethod
    def of(cls, planes: Planes) -> "Bootstrap":
        """Of planes, or of their blocks."""
        return cls(len(_units(planes)))

    def sums(self, planes: Planes) -> Values:
        """Sums over all blocks in every draw; of arrays (rows, columns, sums).

        Returns
        -------
        ndarray (DRAWS, sums)
        """
        units, parts = _units(planes), np.array_split(self.drawn, DRAWS // AT_ONCE)
        return np.concatenate([part.astype(np.float64) @ units for part in parts])


def _units(planes: Planes) -> Values:
    """What is drawn: sums (units, sums)."""
    if len(planes) >= FEWEST:
        return np.stack([in_all({plane: pieces}) for plane, pieces in planes.items()])
    each = itertools.chain.from_iterable(planes.values())
    return np.concatenate([piece.reshape(-1, piece.shape[-1]) for piece in each])


def ends(drawn: Values, value: float, widened: float) -> tuple[float, float]:
    """Ends of the 95 % interval of a figure.

    Parameters
    ----------
    drawn : ndarray
        The figure in every draw.
    value : float
    widened : float
        See `widened`; NaN where there is no interval.
    """
    if not (math.isfinite(widened) and np.isfinite(drawn).any()):
        return math.nan, math.nan
    with np.errstate(invalid="ignore"):
        low, high = np.nanpercentile(value + (drawn - value) * widened, ENDS)
    return float(low), float(high)


def of_few(count: int) -> float:
    """Factor by which draws of few blocks or planes vary too little; NaN of too few to tell."""
    if count < FEWEST:
        return math.nan
    student = float(special.stdtrit(count - 1, ENDS[1] / 100))
    return student / NORMAL * math.sqrt(count / (count - 1))


def widened(residuals: Planes) -> float:
    """Factor by which an interval is wider than draws say, which take all for independent.

    Parameters
    ----------
    residuals : mapping of (t, c, z) to sequence of ndarray (rows, columns)
        Of the pieces of every plane: by how much each block is off what all blocks say. NaN of
        blocks that hold nothing.

    Returns
    -------
    float
        NaN where too few blocks hold something.
    """
    residuals = drawn_of(residuals)
    each = _joined(piece for pieces in residuals.values() for piece in pieces)
    each = each[~np.isnan(each)]
    factor = of_few(len(each))
    variance = float((each**2).mean()) if len(each) else 0.0
    if not (math.isfinite(factor) and variance):
        return factor
    for length, products in _of_neighbours(residuals):
        products = products[~np.isnan(products)]
        if len(products):
            # What they have in common with their own mean is missing.
            alike = float(products.mean()) / variance + 1 / len(each)
            alike = min(max(alike, 0.0), MOST_ALIKE)
            # Of a row of many blocks (1 + alike) / (1 - alike); where few have a neighbour, less.
            beside = len(products) / len(each)
            factor *= math.sqrt(min(1 + 2 * beside * alike / (1 - alike), length))
    return factor


def drawn_of(residuals: Planes) -> Planes:
    """Residuals of what is drawn: of blocks, or of whole planes where these are many."""
    if len(residuals) < FEWEST:
        return residuals
    return {plane: [_whole(pieces)] for plane, pieces in residuals.items()}


def _whole(pieces: Sequence[Values]) -> Values:
    """A plane as one block."""
    each = _joined(pieces)
    return np.array([[np.nan if np.isnan(each).all() else np.nansum(each)]])


def _of_neighbours(residuals: Planes) -> Iterator[tuple[int, Values]]:
    """Along y, x, z and t: how many blocks there are, and products of neighbours."""
    pieces = list(itertools.chain.from_iterable(residuals.values()))
    most = max(map(len, residuals.values()))
    yield most * max(p.shape[0] for p in pieces), _joined(p[1:] * p[:-1] for p in pieces)
    yield most * max(p.shape[1] for p in pieces), _joined(p[:, 1:] * p[:, :-1] for p in pieces)
    for axis in (2, 0):
        products = (
            a * b
            for plane in residuals
            for a, b in zip(residuals[plane], residuals.get(_next(plane, axis), ()))
            if a.shape == b.shape
        )
        yield len({plane[axis] for plane in residuals}), _joined(products)


def _next(plane: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return tuple(n + (i == axis) for i, n in enumerate(plane))


def _joined(parts: Iterable[Values]) -> Values:
    return np.concatenate([np.zeros(0), *(part.ravel() for part in parts)])


def gained(value: float, drawn: tuple[Values, Values], residuals: tuple[Planes, Planes]) -> Found:
    """By how many dB one is better than another, in the same blocks.

    Parameters
    ----------
    value : float
    drawn, residuals : tuple
        What was drawn of both, and their residuals in parts of their errors.
    """
    with np.errstate(invalid="ignore"):
        apart = {
            plane: [mine - theirs for mine, theirs in zip(pieces, residuals[1][plane])]
            for plane, pieces in residuals[0].items()
        }
        return Found(value, *ends(drawn[0] - drawn[1], value, widened(apart)))


# -- as JSON --------------------------------------------------------------------------------------


def to_json(residuals: Planes) -> list[Any]:
    """Residuals of what is drawn, to five digits; see `from_json`."""
    return [
        [list(plane), [[[_short(v) for v in row] for row in piece.tolist()] for piece in pieces]]
        for plane, pieces in drawn_of(residuals).items()
    ]


def _short(value: float) -> float | None:
    return float(f"{value:.5g}") if math.isfinite(value) else None


def from_json(told: Iterable[Any]) -> Planes:
    """What `to_json` wrote."""
    return {tuple(plane): [np.array(p, float) for p in pieces] for plane, pieces in told}

"""The same pixels in two volumes, whatever became of them: cropped, turned, mirrored, encoded anew.

Points that are known again: the extremes of a band of spatial frequencies, each with what lies
around it. Points that are alike are the same pixels where the finest detail, noise above all, is
the same too: neighbouring sections show the same structures, but each has noise of its own.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pssrflow.pairs.orientation import orient
from pssrflow.volumes.blocks import Region, cut
from pssrflow.volumes.store import Store

Floats = npt.NDArray[np.float32]

# Widths (pixels) of the two Gaussians between which a point's surroundings are described, and of
# the one that is taken away to leave the finest detail.
BAND, FINE = (0.7, 1.5), 1.0
# Pixels around a point in which it is the extreme one, that are described, and that are compared.
ALONE, DESCRIBED, COMPARED = 20, 7, 24
# How alike descriptions must be, and the finest detail: of copies that JPEG has altered (quality
# 75) at least 0.67, of sections 10 nm apart at most 0.5 (benchmarks/leaks.py).
LIKE, SAME = 0.85, 0.6
# Points that must agree on where one image lies in the other, and by how many pixels at most.
AGREE, WITHIN = 3, 2
# Pixels of a block in which points are found; descriptions that are compared at once.
BLOCK, AT_ONCE = 2048, 1 << 12
# Points that are kept of a volume, the strongest of each plane, and of a plane at least.
MOST, LEAST = 20_000, 32
# Share of the pixels around a point that must differ from their neighbours: a caption does not.
GRAINY = 0.3
# All ways to lay a square on itself.
TURNS = range(8)


class Points(NamedTuple):
    """Points of a volume that are known again.

    Attributes
    ----------
    places : ndarray (n, 5) of int
        t, c, z, y, x.
    described : ndarray (n, m) of float32
        What lies around each, of length one.
    strength : ndarray (n,) of float32
    """

    places: npt.NDArray[np.int64]
    described: Floats
    strength: Floats


@dataclass(frozen=True)
class Copy:
    """The same pixels in two volumes: t, c, z, y, x in each, and how alike their detail is."""

    here: tuple[int, ...]
    there: tuple[int, ...]
    alike: float


def points_of(store: Store) -> Points:
    """Points of all planes of a volume.

    Parameters
    ----------
    store : Store

    Returns
    -------
    Points
    """
    shape = store.volume.shape
    kept = max(LEAST, MOST // math.prod(shape[:3]))
    planes = [_of_plane(store, plane, kept) for plane in np.ndindex(*shape[:3])]
    return Points(*map(np.concatenate, zip(*planes)))


def _of_plane(store: Store, plane: tuple[int, ...], kept: int) -> Points:
    """The strongest points of a plane, which is read block by block."""
    shape, read = store.volume.shape, store.reader()
    blocks = []
    for region in cut((1, 1, 1, *shape[3:]), (1, 1, 1, BLOCK, BLOCK)):
        sides = _around(region, shape)
        found = _points(read(plane, *sides).astype(np.float32))
        at = found.places + [side.start for side in sides]
        # Those that another block finds too are kept there.
        mine = ((at >= region.start[3:]) & (at < region.stop[3:])).all(1)
        blocks.append(Points(at[mine], found.described[mine], found.strength[mine]))
    places, described, strength = map(np.concatenate, zip(*blocks))
    strongest = np.argsort(-strength, kind="stable")[:kept]
    where = np.hstack([np.tile(plane, (len(strongest), 1)), places[strongest]])
    return Points(where.astype(np.int64), described[strongest], strength[strongest])


def _around(region: Region, shape: Sequence[int]) -> tuple[slice, slice]:
    reach = ALONE + DESCRIBED + 8
    rows, cols = (
        slice(max(0, a - reach), min(n, b + reach))
        for a, b, n in zip(region.start[3:], region.stop[3:], shape[3:])
    )
    return rows, cols


def _points(image: Floats) -> Points:
    """Points of an image (y, x); their places are y and x alone."""
    low, high = (ndimage.gaussian_filter(image, sigma) for sigma in BAND)
    band = low - high
    size = np.abs(band)
    extreme = (size == ndimage.maximum_filter(size, 2 * ALONE + 1)) & (size > 0)
    inside = np.zeros_like(extreme)
    inside[DESCRIBED:-DESCRIBED, DESCRIBED:-DESCRIBED] = True
    places = np.argwhere(extreme & inside)
    described = [_unit(_window(band, at, DESCRIBED)) for at in places]
    nothing = np.zeros((0, (2 * DESCRIBED + 1) ** 2), np.float32)
    return Points(places, np.stack(described) if described else nothing, size[tuple(places.T)])


def _window(image: Floats, at: npt.NDArray[Any], reach: int) -> Floats:
    y, x = map(int, at)
    return image[y - reach : y + reach + 1, x - reach : x + reach + 1]


def _unit(values: Floats) -> Floats:
    flat = values.ravel() - values.mean()
    return np.asarray(flat / (np.linalg.norm(flat) or 1.0), np.float32)


def copies(one: Store, of_one: Points, two: Store, of_two: Points) -> Iterator[Copy]:
    """Planes of one volume that show pixels of another, each pair of planes once.

    Parameters
    ----------
    one : Store
    of_one : Points
    two : Store
    of_two : Points
    """
    side = 2 * DESCRIBED + 1
    found: dict[tuple[bytes, bytes, int], list[tuple[int, int]]] = {}
    for turn in TURNS:
        squares = of_two.described.reshape(-1, side, side)
        turned = np.moveaxis(orient(np.moveaxis(squares, 0, -1), turn), -1, 0)
        turned = turned.reshape(len(squares), side * side)
        for i, j in _alike(of_one.described, turned):
            planes = of_one.places[i, :3].tobytes(), of_two.places[j, :3].tobytes()
            found.setdefault((*planes, turn), []).append((i, j))
    seen = set()
    for (here, there, turn), pairs in found.items():
        if (here, there) in seen or len(pairs) < AGREE:
            continue
        if copy := _verified(one, of_one, two, of_two, turn, pairs):
            seen.add((here, there))
            yield copy


def _alike(first: Floats, second: Floats) -> Iterator[tuple[int, int]]:
    """Of every point that has one, its most like one.

    No more, for in a blurred image any point is like very many.
    """
    for start in range(0, len(first), AT_ONCE):
        mine = first[start : start + AT_ONCE]
        best, where = np.full(len(mine), LIKE, np.float32), np.full(len(mine), -1)
        for other in range(0, len(second), AT_ONCE):
            likeness = mine @ second[other : other + AT_ONCE].T
            top = likeness.argmax(1)
            value = likeness[np.arange(len(mine)), top]
            better = value > best
            best[better], where[better] = value[better], other + top[better]
        yield from ((start + int(i), int(where[i])) for i in np.flatnonzero(where >= 0))


def _verified(
    one: Store,
    of_one: Points,
    two: Store,
    of_two: Points,
    turn: int,
    pairs: Sequence[tuple[int, int]],
) -> Copy | None:
    """What several points agree on, if the finest detail around them is the same."""
    here = np.array([of_one.places[i] for i, _ in pairs])
    there = np.array([of_two.places[j] for _, j in pairs])
    # Turned about the origin, the same pixels lie a constant shift apart.
    shifts = here[:, 3:] - np.array([_turned(place, turn) for place in there[:, 3:]])
    votes = (np.abs(shifts[:, None] - shifts[None]).max(-1) <= WITHIN).sum(1)
    best = int(np.argmax(votes))
    if votes[best] < AGREE:
        return None
    agree = np.flatnonzero(np.abs(shifts - shifts[best]).max(-1) <= WITHIN)
    alike = [
        value
        for k in agree[: 4 * AGREE]
        if (value := _likeness(one, here[k], two, there[k], turn)) is not None
    ]
    if len(alike) < AGREE or np.median(alike) < SAME:
        return None
    k = int(agree[0])
    return Copy(tuple(map(int, here[k])), tuple(map(int, there[k])), float(np.median(alike)))


def _turned(place: npt.NDArray[np.int64], turn: int) -> list[int]:
    """Where `orient` takes a pixel, up to a shift."""
    y, x = int(place[0]), int(place[1])
    if turn >= 4:
        x = -x
    for _ in range(turn % 4):
        y, x = -x, y
    return [y, x]


def _likeness(
    one: Store,
    here: npt.NDArray[np.int64],
    two: Store,
    there: npt.NDArray[np.int64],
    turn: int,
) -> float | None:
    """Correlation of the finest detail around a point; None where there is none, or no room."""
    windows = [_detail(store, place) for store, place in ((one, here), (two, there))]
    first, second = windows
    if first is None or second is None:
        return None
    second = orient(second, turn)
    # One pixel to and fro: which of two pixels is the extreme one may change.
    inner = first[2:-2, 2:-2]
    side = len(inner)
    return max(
        float(_unit(inner) @ _unit(second[y : y + side, x : x + side]))
        for y, x in itertools.product(range(1, 4), range(1, 4))
    )


def _detail(store: Store, place: npt.NDArray[np.int64]) -> Floats | None:
    plane, at = tuple(map(int, place[:3])), [int(p) for p in place[3:]]
    reach = COMPARED + 6
    if any(p - reach < 0 or p + reach + 1 > n for p, n in zip(at, store.volume.shape[3:])):
        return None
    values = store.reader()(plane, *(slice(p - reach, p + reach + 1) for p in at))
    image = values.astype(np.float32)
    if (np.diff(image, axis=1) != 0).mean() < GRAINY:
        return None
    return (image - ndimage.gaussian_filter(image, FINE))[6:-6, 6:-6]

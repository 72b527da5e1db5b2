"""Build the pyramid of a store, and verify its shards on the way."""

import functools
import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from pssrflow.compiled import compiled
from pssrflow.errors import InputError
from pssrflow.volumes.blocks import Region
from pssrflow.volumes.intensity import Pixels
from pssrflow.volumes.rectangles import UNREADABLE, DamagedShard
from pssrflow.volumes.store import Store, digest
from pssrflow.volumes.volume import Volume


def roots(volume: Volume, pieces: int) -> tuple[int, list[Region]]:
    """The coarsest level that has a shard for each of `pieces`, and its shards.

    What lies below two of them has no shard in common, so they can be built at the same time.

    Returns
    -------
    int, list of Region
    """
    level = len(volume.level_shapes()) - 1
    while level and len(volume.shards(level)) < pieces:
        level -= 1
    return level, volume.shards(level)


def climb(
    store: Store,
    level: int,
    shards: list[Region],
    digests: dict[Region, str],
    threads: int,
    ready: int | None = None,
) -> None:
    """Build shards of a level, and all below them.

    Parameters
    ----------
    store : Store
    level : int
    shards : list of Region
        Of that level.
    digests : dict of Region to str
        Of level 0, whose shards are verified on the way.
    threads : int
    ready : int, optional
        Level whose shards exist and are verified already.

    Raises
    ------
    DamagedShard
    """
    # Opened here: threads would each open them.
    for number in range(level + 1):
        store.level(number, "r+" if number else "r")
    build = functools.partial(_built, store, digests, ready, level)
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(build, shards):
            pass


def _built(
    store: Store, digests: dict[Region, str], ready: int | None, level: int, region: Region
) -> Pixels:
    """Pixels of one shard, which are read if they exist, else made of the level below."""
    if level == ready:
        return _read(store, level, region)
    if level == 0:
        return _verified(store, region, digests.get(region))
    values = np.empty(region.shape, store.volume.dtype)
    for child in children(store.volume, level, region):
        finer = _built(store, digests, ready, level - 1, child)
        place = tuple(
            slice(a // 2 - start, math.ceil(b / 2) - start)
            for a, b, start in zip(child.start[3:], child.stop[3:], region.start[3:])
        )
        for made, plane in zip(values[0, 0], finer[0, 0]):
            made[place] = halve(plane)
    store.write(region, values, level)
    return values


def children(volume: Volume, level: int, region: Region) -> list[Region]:
    """Shards of the level below that one shard is made of; no other shard is made of them."""
    shape, shard = volume.level_shapes()[level - 1], volume.shard_shape(level - 1)
    found = []
    for top in range(2 * region.start[3], min(2 * region.stop[3], shape[3]), shard[3]):
        for left in range(2 * region.start[4], min(2 * region.stop[4], shape[4]), shard[4]):
            corner = (*region.start[:3], top, left)
            stop = (
                *region.stop[:3],
                *(min(a + s, n) for a, s, n in zip((top, left), shard[3:], shape[3:])),
            )
            found.append(Region(corner, stop))
    return found


def _verified(store: Store, region: Region, expected: str | None) -> Pixels:
    try:
        values = _read(store, 0, region)
    except InputError as error:
        raise DamagedShard(store, region, error.found) from error
    if digest(values) != expected:
        found = "this shard is missing or holds other pixels than were written"
        raise DamagedShard(store, region, found)
    return values


def _read(store: Store, level: int, region: Region) -> Pixels:
    try:
        # As it is opened to write, where it is: nothing else is seen of what was written.
        return np.asarray(store.level(level, "r+" if level else "r")[region.slices])
    except UNREADABLE as error:
        where = f"{store}/{level} at t,c,z,y,x = {region.start}"
        raise InputError(where, f"this shard cannot be read back ({error})") from error


def halve(plane: Pixels) -> Pixels:
    """Mean of 2x2 pixels of a plane (y, x); an odd last row or column counts twice."""
    halved = np.empty([math.ceil(n / 2) for n in plane.shape], plane.dtype)
    mean = _float_mean if plane.dtype.kind == "f" else _rounded_mean
    mean(plane, halved)
    return halved


@compiled
def _rounded_mean(plane: Pixels, made: Pixels) -> None:
    bottom, right = plane.shape[0] - 1, plane.shape[1] - 1
    for i in range(made.shape[0]):
        above, below = 2 * i, min(2 * i + 1, bottom)
        for j in range(made.shape[1]):
            x = min(2 * j + 1, right)
            total = np.int32(plane[above, 2 * j]) + np.int32(plane[above, x])
            total += np.int32(plane[below, 2 * j]) + np.int32(plane[below, x])
            made[i, j] = (total + 2) >> 2


@compiled
def _float_mean(plane: Pixels, made: Pixels) -> None:
    bottom, right = plane.shape[0] - 1, plane.shape[1] - 1
    for i in range(made.shape[0]):
        above, below = 2 * i, min(2 * i + 1, bottom)
        for j in range(made.shape[1]):
            x = min(2 * j + 1, right)
            total = plane[above, 2 * j] + plane[above, x] + plane[below, 2 * j] + plane[below, x]
            made[i, j] = total / np.float32(4)

"""Finish a store: verify every shard, build the pyramid, write the done file by rename."""

import hashlib
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from pssrflow.blocks import Region
from pssrflow.compiled import compiled
from pssrflow.errors import InputError
from pssrflow.jobs import write_json
from pssrflow.store import describe, digest, open_level, read_volume, write_shard

# Pieces of the pyramid for each thread that builds it.
PIECES = 4


class DamagedShard(InputError):
    """A shard is missing, cannot be decoded or holds other pixels than were written.

    Attributes
    ----------
    region : Region
        Of level 0.
    """

    def __init__(self, path, region, found):
        super().__init__(f"{path}/0 at t,c,z,y,x = {region.start}", found)
        self.region = region


def finish(path, done, digests, threads, intensity=None, ready=None, **facts):
    """Verify every shard against its digest, build the pyramid, write the done file.

    Parameters
    ----------
    path, done : path-like
        The store and the JSON beside it.
    digests : dict of Region to str
        What the writers of level 0 reported.
    threads : int
    intensity : Intensity, optional
        Constants that were not known when the store was created.
    ready : int, optional
        Level that other jobs have built from verified shards, with all below it.
    **facts
        Written to the done file as they are.

    Raises
    ------
    DamagedShard
    """
    volume = read_volume(path)
    if intensity is not None:
        volume = replace(volume, intensity=intensity)
        describe(path, volume)
    level, shards = roots(volume, PIECES * threads)
    if ready is None or ready < level:
        climb(path, volume, level, shards, digests, threads, ready)
        ready = level
    top = len(volume.level_shapes()) - 1
    if ready < top:
        climb(path, volume, top, volume.shards(top), digests, threads, ready)
    write_json(done, _summary(path, volume, digests) | facts)


def roots(volume, pieces):
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


def climb(path, volume, level, shards, digests, threads, ready=None):
    """Build shards of a level, and all below them.

    Parameters
    ----------
    path : path-like
    volume : Volume
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
    levels = [open_level(path, k, "r+" if k else "r") for k in range(level + 1)]

    def build(region):
        _built(path, volume, levels, digests, ready, level, region)

    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(build, shards):
            pass


def _built(path, volume, levels, digests, ready, level, region):
    """Pixels of one shard, which are read if they exist, else made of the level below."""
    if level == ready:
        return _read(f"{path}/{level}", levels[level], region)
    if level == 0:
        return _verified(path, levels[0], region, digests.get(region))
    values = np.empty(region.shape, volume.dtype)
    for child in children(volume, level, region):
        finer = _built(path, volume, levels, digests, ready, level - 1, child)
        place = tuple(
            slice(a // 2 - start, math.ceil(b / 2) - start)
            for a, b, start in zip(child.start[3:], child.stop[3:], region.start[3:])
        )
        for made, plane in zip(values[0, 0], finer[0, 0]):
            made[place] = halve(plane)
    write_shard(levels[level], region, values)
    return values


def children(volume, level, region) -> list[Region]:
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


def _verified(path, array, region, expected):
    try:
        values = _read(path, array, region)
    except InputError as error:
        raise DamagedShard(path, region, error.found) from error
    if digest(values) != expected:
        found = "this shard is missing or holds other pixels than were written"
        raise DamagedShard(path, region, found)
    return values


def _read(path, array, region):
    try:
        return array[region.slices]
    except (RuntimeError, ValueError, OSError) as error:
        where = f"{path} at t,c,z,y,x = {region.start}"
        raise InputError(where, f"this shard cannot be read back ({error})") from error


def halve(plane):
    """Mean of 2x2 pixels of a plane (y, x); an odd last row or column counts twice."""
    halved = np.empty([math.ceil(n / 2) for n in plane.shape], plane.dtype)
    mean = _float_mean if plane.dtype.kind == "f" else _rounded_mean
    mean(plane, halved)
    return halved


@compiled
def _rounded_mean(plane, made):
    bottom, right = plane.shape[0] - 1, plane.shape[1] - 1
    for i in range(made.shape[0]):
        above, below = 2 * i, min(2 * i + 1, bottom)
        for j in range(made.shape[1]):
            x = min(2 * j + 1, right)
            total = np.int32(plane[above, 2 * j]) + np.int32(plane[above, x])
            total += np.int32(plane[below, 2 * j]) + np.int32(plane[below, x])
            made[i, j] = (total + 2) >> 2


@compiled
def _float_mean(plane, made):
    bottom, right = plane.shape[0] - 1, plane.shape[1] - 1
    for i in range(made.shape[0]):
        above, below = 2 * i, min(2 * i + 1, bottom)
        for j in range(made.shape[1]):
            x = min(2 * j + 1, right)
            total = plane[above, 2 * j] + plane[above, x] + plane[below, 2 * j] + plane[below, x]
            made[i, j] = total / np.float32(4)


def content_hash(volume, digests):
    """One hash for the pixels of a store and where they lie."""
    lines = [repr((tuple(volume.shape), volume.dtype))]
    lines += [f"{region.start} {digests[region]}" for region in sorted(digests)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _summary(path, volume, digests):
    return {
        "store": Path(path).name,
        "shape": list(volume.shape),
        "dtype": volume.dtype,
        "content": content_hash(volume, digests),
        "shards": len(digests),
        "pixel_size_um": list(volume.pixel_size),
        **volume.intensity.to_json(),
    }

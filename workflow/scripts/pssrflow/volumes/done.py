"""Finish a store: verify every shard, build the pyramid, write the done file by rename."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pssrflow.run.files import count_files, write_json
from pssrflow.run.remote import is_remote
from pssrflow.volumes.blocks import Region
from pssrflow.volumes.intensity import Intensity
from pssrflow.volumes.pyramid import climb, roots
from pssrflow.volumes.rectangles import ranges
from pssrflow.volumes.store import Store, digest
from pssrflow.volumes.volume import Volume

# Pieces of the pyramid for each thread that builds it.
PIECES = 4
# Facts that the attributes of the store have too.
NOTED = ("microscope",)
# Of the done file, which other programs read.
FORMAT = 1


def finish(
    store: Store,
    done: str | Path,
    digests: dict[Region, str],
    threads: int,
    intensity: Intensity | None = None,
    ready: int | None = None,
    without: Sequence[str | Path] = (),
    **facts: Any,
) -> None:
    """Verify every shard against its digest, build the pyramid, write the done file.

    Parameters
    ----------
    store : Store
    done : path-like
        The JSON beside it.
    digests : dict of Region to str
        What the writers of level 0 reported.
    threads : int
    intensity : Intensity, optional
        Constants that were not known when the store was created.
    ready : int, optional
        Level that other jobs have built from verified shards, with all below it.
    without : sequence of path-like
        Files besides `done` whose absence makes the same command make the store anew.
    **facts
        Written to the done file as they are.

    Raises
    ------
    DamagedShard
    """
    volume = store.volume
    if intensity is not None:
        volume = replace(volume, intensity=intensity)
    remade = [str(path) for path in (done, *without)]
    noted = {name: facts[name] for name in NOTED if facts.get(name)}
    store.describe(volume, empty=_empty(volume, digests), remade_without=remade, **noted)
    level, shards = roots(volume, PIECES * threads)
    if ready is None or ready < level:
        climb(store, level, shards, digests, threads, ready)
        ready = level
    top = len(volume.level_shapes()) - 1
    if ready < top:
        climb(store, top, volume.shards(top), digests, threads, ready)
    write_json(done, _summary(store, digests) | facts)


def content_hash(volume: Volume, digests: dict[Region, str]) -> str:
    """One hash for the pixels of a store and where they lie."""
    lines = [repr((tuple(volume.shape), volume.dtype))]
    lines += [f"{region.start} {digests[region]}" for region in sorted(digests)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _empty(volume: Volume, digests: dict[Region, str]) -> list[tuple[int, int]]:
    """Numbers of the shards that are nothing but zeros, of which there is no file, as `ranges`."""
    shards = volume.shards()
    zeros = {shape: digest(np.zeros(shape, volume.dtype)) for shape in {s.shape for s in shards}}
    return ranges(i for i, s in enumerate(shards) if digests.get(s) == zeros[s.shape])


def _summary(store: Store, digests: dict[Region, str]) -> dict[str, Any]:
    volume = store.volume
    return {
        "format": FORMAT,
        "store": Path(store.path).name,
        "shape": list(volume.shape),
        "dtype": volume.dtype,
        "content": content_hash(volume, digests),
        "shards": len(digests),
        "files": None if is_remote(store.path) else count_files(store.path),
        "pixel_size_um": list(volume.pixel_size),
        **volume.intensity.to_json(),
    }

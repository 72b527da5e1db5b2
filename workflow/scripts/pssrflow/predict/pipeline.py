"""Read, infer, stitch and write at the same time, with little of each waiting for the next."""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, NamedTuple, TypeVar

import numpy as np
import zarr

from pssrflow.predict.canvas import Block, Canvas, Kept
from pssrflow.predict.inference import Inference
from pssrflow.predict.loader import Loaded, TileLoader
from pssrflow.predict.order import PlacedTile
from pssrflow.volumes.blocks import Region, cut
from pssrflow.volumes.store import write_shard

# Threads that read, which mostly wait for a disk or a server, and batches of tiles read ahead.
READERS, READ_AHEAD = 4, 4

Item = TypeVar("Item")
Result = TypeVar("Result")


class Shard(NamedTuple):
    """One shard of a map, and the block that it is of."""

    block: int
    map: str
    region: Region
    pixels: np.ndarray


class Written(NamedTuple):
    """One shard of a map that is written, and the digest of its pixels."""

    block: int
    map: str
    region: Region
    digest: str


def run(
    work: Iterable[PlacedTile],
    loader: TileLoader,
    inference: Inference,
    canvas: Canvas,
    arrays: Mapping[str, zarr.Array[Any]],
    threads: int,
) -> Iterator[Written]:
    """Make blocks and write them; reading, computing and writing go on side by side.

    Parameters
    ----------
    work : iterable of PlacedTile
    loader : TileLoader
    inference : Inference
    canvas : Canvas
    arrays : dict of str to zarr.Array
        Where the maps go, by their names.
    threads : int
        That write.

    Yields
    ------
    Written
        Every shard that is written, in order.
    """
    waiting = len(arrays) * canvas.shards
    with ExitStack() as stack:
        readers, writers = (stack.enter_context(ThreadPoolExecutor(n)) for n in (READERS, threads))
        loaded = ahead(readers, loader.load, batched(work, inference.batch), READ_AHEAD)
        made = (_made(inference, canvas, *batch) for batch in loaded)
        blocks = canvas.blocks(itertools.chain.from_iterable(made))
        yield from ahead(writers, lambda s: _written(arrays, s), _shards(blocks, arrays), waiting)


def batched(items: Iterable[PlacedTile], size: int) -> Iterator[list[PlacedTile]]:
    """Consecutive tiles that read equally many pixels, at most `size` together."""
    for _, equal in itertools.groupby(items, lambda placed: placed.size):
        while batch := list(itertools.islice(equal, size)):
            yield batch


def ahead(
    pool: Executor, function: Callable[[Item], Result], items: Iterable[Item], waiting: int
) -> Iterator[Result]:
    """Results of `function` in order, some of them computed before they are asked for.

    Parameters
    ----------
    pool : Executor
    function : callable
    items : iterable
    waiting : int
        Results that may wait, besides the one that is asked for.
    """
    futures: deque[Future[Result]] = deque()
    try:
        for item in items:
            futures.append(pool.submit(function, item))
            if len(futures) > waiting:
                yield futures.popleft().result()
        while futures:
            yield futures.popleft().result()
    finally:
        for future in futures:
            future.cancel()


def _made(
    inference: Inference, canvas: Canvas, batch: Sequence[PlacedTile], loaded: Sequence[Loaded]
) -> list[Kept]:
    """Tiles of a batch, and what the canvas keeps of the images of each, by the maps' names."""
    wanted = [image for image, empty in loaded if not empty]
    inferred = iter(inference(wanted) if wanted else ())
    made = []
    for placed, (image, empty) in zip(batch, loaded):
        images = inference.empty(image) if empty else next(inferred)
        made.append(
            (placed, {name: canvas.keep(name, placed, one) for name, one in images.items()})
        )
    return made


def _shards(blocks: Iterable[Block], arrays: Mapping[str, zarr.Array[Any]]) -> Iterator[Shard]:
    """All shards of all blocks."""
    for placed, images in blocks:
        for name, pixels in images.items():
            size = arrays[name].shards or arrays[name].chunks
            for region in cut(placed.region.stop, size, placed.region.start):
                yield Shard(placed.block, name, region, pixels[region.within(placed.region)])


def _written(arrays: Mapping[str, zarr.Array[Any]], shard: Shard) -> Written:
    digest = write_shard(arrays[shard.map], shard.region, shard.pixels)
    return Written(shard.block, shard.map, shard.region, digest)

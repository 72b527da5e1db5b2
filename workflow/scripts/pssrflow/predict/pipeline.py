"""Read, infer, stitch and write at the same time, with little of each waiting for the next."""

import itertools
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

from pssrflow.predict.canvas import Canvas
from pssrflow.predict.inference import Inference
from pssrflow.predict.loader import Source
from pssrflow.predict.tiles import Cutting, Tile
from pssrflow.volumes.blocks import Region, cut
from pssrflow.volumes.store import write_shard

# Threads that read, which mostly wait for a disk or a server, and batches of tiles read ahead.
READERS, READ_AHEAD = 4, 4


@dataclass(frozen=True)
class Step:
    """One tile of one plane of a block, and whether it is the last of them.

    Attributes
    ----------
    block : int
        Number of the block.
    region : Region
        What the block covers of the SR volume.
    plane : tuple of int
        t, c, z in the SR volume.
    tile : Tile
    ends_plane, ends_block : bool
    """

    block: int
    region: Region
    plane: tuple[int, int, int]
    tile: Tile
    ends_plane: bool
    ends_block: bool

    @property
    def size(self):
        """LR pixels that are read, y and x."""
        return tuple(s.stop - s.start for s in self.tile.read)

    @property
    def within(self):
        """Where the tile goes in a plane of the block, y and x."""
        corner = self.region.start[3:]
        return tuple(slice(w.start - a, w.stop - a) for w, a in zip(self.tile.write, corner))


def steps(cutting: Cutting, blocks):
    """Every tile of some blocks, in the order in which they are made.

    Parameters
    ----------
    cutting : Cutting
    blocks : dict of int to Region
    """
    for number, region in blocks.items():
        tiles, planes = cutting.tiles(*region.slices[3:]), list(region.planes())
        for plane, tile in itertools.product(planes, tiles):
            last = tile is tiles[-1]
            yield Step(number, region, plane, tile, last, last and plane == planes[-1])


def batched(items, size):
    """Consecutive steps whose tiles read equally many pixels, at most `size` together."""
    for _, equal in itertools.groupby(items, lambda step: step.size):
        while batch := list(itertools.islice(equal, size)):
            yield batch


def ahead(pool, function, items, waiting):
    """Results of `function` in order, some of them computed before they are asked for.

    Parameters
    ----------
    pool : Executor
    function : callable
    items : iterable
    waiting : int
        Results that may wait, besides the one that is asked for.
    """
    futures = deque()
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


def run(work, source: Source, inference: Inference, canvas: Canvas, arrays, threads):
    """Make blocks and write them; reading, computing and writing go on side by side.

    Parameters
    ----------
    work : iterable of Step
    source : Source
    inference : Inference
    canvas : Canvas
    arrays : dict of str to zarr.Array
        Where the images of the inference go, by their names.
    threads : int
        That write.

    Yields
    ------
    int, str, Region, str
        Block, image, shard and digest of every shard that is written, in order.
    """
    waiting = len(arrays) * canvas.shards
    with ExitStack() as stack:
        readers, writers = (stack.enter_context(ThreadPoolExecutor(n)) for n in (READERS, threads))
        loaded = ahead(readers, source.load, batched(work, inference.batch), READ_AHEAD)
        made = (_made(inference, canvas, *batch) for batch in loaded)
        blocks = canvas.blocks(itertools.chain.from_iterable(made))
        written = ahead(writers, lambda s: _written(arrays, s), _shards(blocks, arrays), waiting)
        yield from written


def _shards(blocks, arrays):
    """Block, image, shard and pixels, of all shards of all blocks."""
    for step, images in blocks:
        for name, pixels in images.items():
            size = arrays[name].shards or arrays[name].chunks
            for shard in cut(step.region.stop, size, step.region.start):
                yield step.block, name, shard, pixels[shard.within(step.region)]


def _written(arrays, shard):
    block, name, region, pixels = shard
    return block, name, region, write_shard(arrays[name], region, pixels)


def _made(inference, canvas, batch, loaded):
    """Steps of a batch, and what the canvas keeps of the images of each, by name."""
    wanted = [image for image, empty in loaded if not empty]
    inferred = iter(inference(wanted) if wanted else ())
    made = []
    for step, (image, empty) in zip(batch, loaded):
        images = inference.empty(image) if empty else next(inferred)
        kept = {n: canvas.keep(n, step, whole) for n, whole in images.items()}
        made.append((step, kept))
    return made

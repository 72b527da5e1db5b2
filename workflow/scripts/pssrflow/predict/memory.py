"""How much memory a network needs for a tile, and the tile that a job can afford."""

import logging
import math
from dataclasses import replace

from pssrflow.run.memory import free_bytes

log = logging.getLogger(__name__)

# LR pixels; beyond it a halo costs little, and processors' caches hold ever less of a tile.
LARGEST, SMALLEST = 1024, 32
# A volume is cut into this many blocks at least, where its shards allow, for jobs to share.
BLOCKS = 4


def affordable_tile(cutting, frames, each, mem_mb, held):
    """LR pixels of the largest tile that fits a job's memory: that of the cutting, or halves of it.

    Parameters
    ----------
    cutting : Cutting
    frames : tuple of int
        Times and channels.
    each : float
        Memory of a pass of the network, bytes per LR pixel.
    mem_mb : int
    held : int
        Bytes per SR pixel of what is kept of a block.
    """
    room, tile = free_bytes(mem_mb), cutting.tile
    while tile > SMALLEST:
        tried = replace(cutting, tile=tile)
        if job_bytes(tried, each, held) <= room and _shared(tried, frames):
            break
        tile //= 2
    needed = job_bytes(replace(cutting, tile=tile), each, held)
    if needed > room:
        log.warning(
            "predict.memory: %d MB, but even tiles of %d LR pixels need %.0f MB; smaller shards "
            "(ingest.shard) or a smaller predict.halo need less",
            mem_mb,
            tile,
            mem_mb + (needed - room) / 1e6,
        )
    return tile


def tile_bytes(cutting, each):
    """Memory of the pass of one tile."""
    return each * tile_pixels(cutting)


def tile_pixels(cutting):
    """LR pixels that a tile reads at most."""
    return (cutting.tile + cutting.overlap + 2 * cutting.halo) ** 2


def job_bytes(cutting, each, held):
    """Memory of a job besides the interpreter: a pass of the network, and blocks on their way."""
    plane = math.prod(min(b, n) for b, n in zip(cutting.block[1:], cutting.sr_shape[1:]))
    # Of blended tiles, their sum and the next one; a block that is made, that waits, that is
    # written. With a standard deviation, there are two of each.
    images = 2 if held > 4 else 1
    sums = 2 * 4 * images if cutting.overlap else 0
    return tile_bytes(cutting, each) + plane * (sums + 3 * held * cutting.block[0])


def _shared(cutting, frames):
    """Whether there are blocks enough, or no more to be had with smaller ones."""
    blocks = math.prod((*frames, *map(_count, cutting.sr_shape, cutting.block)))
    return blocks >= BLOCKS or cutting.block == cutting.shard


def _count(length, extent):
    return math.ceil(length / extent)

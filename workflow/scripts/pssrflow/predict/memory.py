"""How much memory a network needs for a tile, and the tile that a job can afford."""

import logging
import math
from dataclasses import dataclass, replace

from pssrflow.predict.tiles import Cutting
from pssrflow.run.memory import free_bytes

log = logging.getLogger(__name__)

# LR pixels; beyond it a halo costs little, and processors' caches hold ever less of a tile.
LARGEST, SMALLEST = 1024, 32
# A volume is cut into this many blocks at least, where its shards allow, for jobs to share.
BLOCKS = 4
# Copies of a block: one that is made, one that waits, one that is written.
COPIES = 3
# Of blended tiles, their sum and the next one, float32.
SUMS = 2 * 4


@dataclass(frozen=True)
class Needs:
    """What a prediction takes of memory, however it is cut.

    Attributes
    ----------
    passed : float
        Bytes of a pass of the network, per LR pixel.
    kept : int
        Bytes of all maps, per SR pixel.
    maps : int
    """

    passed: float
    kept: int
    maps: int

    def tile(self, cutting: Cutting) -> float:
        """Bytes of the pass of one tile."""
        return self.passed * tile_pixels(cutting)

    def job(self, cutting: Cutting) -> float:
        """Bytes of a job besides the interpreter: a pass of the network, blocks on their way."""
        plane = math.prod(min(b, n) for b, n in zip(cutting.block[1:], cutting.sr_shape[1:]))
        sums = SUMS * self.maps if cutting.overlap else 0
        return self.tile(cutting) + plane * (sums + COPIES * self.kept * cutting.block[0])


def tile_pixels(cutting: Cutting) -> int:
    """LR pixels that a tile reads at most."""
    return (cutting.tile + cutting.overlap + 2 * cutting.halo) ** 2


def affordable_tile(cutting: Cutting, stacks: tuple[int, ...], needs: Needs, mem_mb: int) -> int:
    """LR pixels of the largest tile that fits a job's memory: that of the cutting, or halves of it.

    Parameters
    ----------
    cutting : Cutting
    stacks : tuple of int
        Times and channels.
    needs : Needs
    mem_mb : int
    """
    room, tile = free_bytes(mem_mb), cutting.tile
    while tile > SMALLEST:
        tried = replace(cutting, tile=tile)
        if needs.job(tried) <= room and _shared(tried, stacks):
            break
        tile //= 2
    needed = needs.job(replace(cutting, tile=tile))
    if needed > room:
        log.warning(
            "predict.memory: %d MB, but even tiles of %d LR pixels need %.0f MB; smaller shards "
            "(ingest.shard) or a smaller predict.halo need less",
            mem_mb,
            tile,
            mem_mb + (needed - room) / 1e6,
        )
    return tile


def _shared(cutting: Cutting, stacks: tuple[int, ...]) -> bool:
    """Whether there are blocks enough, or no more to be had with smaller ones."""
    blocks = math.prod((*stacks, *map(_count, cutting.sr_shape, cutting.block)))
    return blocks >= BLOCKS or cutting.block == cutting.shard


def _count(length: int, extent: int) -> int:
    return math.ceil(length / extent)

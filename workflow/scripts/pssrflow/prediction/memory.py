"""How much memory a network needs for a tile, and the tile that a job can afford."""

import logging
import math
import weakref
from dataclasses import replace

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from pssrflow.jobs import INTERPRETER_MB

log = logging.getLogger(__name__)

# LR pixels along y and x of the image that is looked at; memory grows with the area.
PROBED = 128
# What the libraries of convolutions need besides the tensors, and torch itself, megabyte.
SCRATCH, TORCH_MB = 1.25, 200
# LR pixels; beyond it a halo costs little, and processors' caches hold ever less of a tile.
LARGEST, SMALLEST = 1024, 32
# A volume is cut into this many blocks at least, where its shards allow, for jobs to share.
BLOCKS = 4


def bytes_per_pixel(network):
    """Most memory that a pass of the network holds, per LR pixel.

    Tensors are counted as they come and go, so the figure is the same on every machine.
    """
    size = -(-PROBED // network.stride) * network.stride
    with torch.inference_mode(), _Live() as live:
        network(torch.zeros(1, 1, size, size))
    return live.peak * SCRATCH / size**2


class _Live(TorchDispatchMode):
    """Counts the bytes of the tensors that are alive while it runs."""

    def __init__(self):
        super().__init__()
        self.alive, self.now, self.peak = set(), 0, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, tuple | list) else (made,):
            if isinstance(tensor, torch.Tensor):
                self._count(tensor.untyped_storage())
        return made

    def _count(self, storage):
        place, size = storage.data_ptr(), storage.nbytes()
        if size and place not in self.alive:
            self.alive.add(place)
            self.now += size
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._forget, place, size)

    def _forget(self, place, size):
        self.alive.discard(place)
        self.now -= size


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


def free_bytes(mem_mb):
    """What a job has for pixels, beside the interpreter and its libraries."""
    return (mem_mb - INTERPRETER_MB - TORCH_MB) * 1e6


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

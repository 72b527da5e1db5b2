"""How planes are cut for a network: blocks of whole shards, and the tiles that make them.

Everything here is arithmetic on sizes: a job plans the same blocks and tiles as every other.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from pssrflow.volumes.blocks import Region, cut, with_halo

# Tiles along an axis of a block that is blended; the more, the fewer are computed twice.
BLENDED = 4

# Of a tile along one axis: read, keep, write and cell.
Side = tuple[slice, slice, slice, slice]
# Of a plane: rows and columns.
Sides = tuple[slice, ...]


@dataclass(frozen=True)
class Tile:
    """One pass of the network: what it reads, what is kept of it, where that goes.

    Along one axis, with a halo of 2 LR pixels and a scale of 2:

        LR plane    |---|---|---|---|---|---|---|---|---|---|---|---|
        read                [ halo  |     cell      | halo  ]           2 to 10
        output              [-------------------------------]           0 to 16
        keep                        [===============]                   4 to 12
        write                       [===============]                   8 to 16
        SR plane    |-|-|-|-|-|-|-|-|-|-|-|-|-|-|-|-|-|-|-|-|-|-|-|-|

    What overlaps is kept and written beyond the cell, into the next one. There the weight of this
    tile falls from 1 to 0 while that of the next one rises, so that both together are 1:

        cells       |   this one    |   the next    |               |
        write       [=====================]                             this tile
        write                       [=====================]             the next

    Attributes
    ----------
    read : tuple of slice
        Rows and columns of the LR plane, halo included.
    keep : tuple of slice
        Rows and columns of the network's output.
    write : tuple of slice
        Rows and columns of the SR plane.
    cell : tuple of slice
        Rows and columns of the SR plane that no other tile begins in; what is written beyond
        them is shared with the next tile, and their first pixels with the one before.
    """

    read: Sides
    keep: Sides
    write: Sides
    cell: Sides


@dataclass(frozen=True)
class Cutting:
    """How every plane of a volume is cut for one network.

    A block is what one job makes at a time: whole shards of the SR store, so that nobody else
    writes into them. Its cells have equal sizes; a tile makes a cell, and beyond its end what it
    shares with the next tile. A tile that reaches over from the block before is computed again.

    Along one axis of the SR plane:

        shards      |-------|-------|-------|-------|-------|-------|  one file each
        blocks      |               |               |               |  one job each
        cells       |    |    |     |    |    |     |    |    |     |  one tile each

    Attributes
    ----------
    lr_shape, origin : tuple of int
        y and x of the LR planes, and the LR pixel where the SR plane begins.
    sr_shape, shard : tuple of int
        z, y, x of the SR volume and of its shards.
    scale, stride : int
        Of the network; what a tile reads begins on the network's own grid of `stride`.
    tile, halo : int
        LR pixels: the longest cell, and what is read around what a tile makes.
    overlap : int
        LR pixels that neighbouring tiles share; 0 where tiles are not blended.
    """

    lr_shape: tuple[int, ...]
    origin: tuple[int, ...]
    sr_shape: tuple[int, ...]
    shard: tuple[int, ...]
    scale: int
    stride: int
    tile: int
    halo: int
    overlap: int = 0

    @cached_property
    def block(self) -> tuple[int, ...]:
        """z, y, x of a block, SR pixels."""
        wanted = self.tile * self.scale
        if self.overlap:
            return (self.shard[0], *(s * -(-BLENDED * wanted // s) for s in self.shard[1:]))
        return (self.shard[0], *(s * max(1, wanted // s) for s in self.shard[1:]))

    @cached_property
    def edges(self) -> tuple[tuple[int, ...], ...]:
        """Where cells begin along y and x of the SR plane, and the end of the last."""
        step = self.scale * self.stride
        axes = []
        for length, block in zip(self.sr_shape[1:], self.block[1:]):
            starts = []
            for start in range(0, length, block):
                extent = min(block, length - start)
                cells = math.ceil(extent / (self.tile * self.scale))
                starts += [start + extent * i // cells // step * step for i in range(cells)]
            axes.append((*sorted(set(starts)), length))
        return tuple(axes)

    def blocks(self, stacks: Sequence[int]) -> list[Region]:
        """Blocks of a volume of so many times and channels, in order."""
        return cut((*stacks, *self.sr_shape), (1, 1, *self.block))

    def tiles(self, rows: slice, cols: slice) -> list[Tile]:
        """Tiles that make a rectangle of the SR plane; they share pixels only with an overlap."""
        axes = [self._along(axis, wanted) for axis, wanted in enumerate((rows, cols))]
        return [Tile(*zip(*pair)) for pair in itertools.product(*axes)]

    def _along(self, axis: int, wanted: slice) -> Iterator[Side]:
        shared, length = self.overlap * self.scale, self.sr_shape[1 + axis]
        for start, stop in itertools.pairwise(self.edges[axis]):
            first, last = max(start, wanted.start), min(stop + shared, length, wanted.stop)
            if start >= wanted.stop or first >= last:
                continue
            read = self._read(axis, start, min(stop + shared, length))
            begins = (read.start - self.origin[axis]) * self.scale
            keep = slice(first - begins, last - begins)
            yield read, keep, slice(first, last), slice(start, stop)

    def _read(self, axis: int, start: int, stop: int) -> slice:
        """LR pixels that make SR pixels from `start` to `stop`, whole strides of the network."""
        origin, length = self.origin[axis], self.lr_shape[axis]
        return with_halo(
            origin + start // self.scale,
            origin + math.ceil(stop / self.scale),
            length,
            self.halo,
            self.stride,
        )

    def weights(self, tile: Tile, blend: str) -> list[npt.NDArray[np.float32]]:
        """Weight of every pixel that a tile writes, along y and x; those of all tiles sum to one.

        Parameters
        ----------
        tile : Tile
        blend : str
            A key of `RAMPS`.

        Returns
        -------
        list of ndarray of float32
        """
        shared, found = self.overlap * self.scale, []
        for write, cell in zip(tile.write, tile.cell):
            place = np.arange(write.start, write.stop)
            rising = RAMPS[blend](place - cell.start, shared) if cell.start else 1
            falling = 1 - RAMPS[blend](place - cell.stop, shared)
            found.append((rising * falling).astype(np.float32))
        return found


def _linear(place: npt.NDArray[np.int64], length: int) -> npt.NDArray[np.float64]:
    """From 0 to 1 over `length` pixels, which are counted from their middles."""
    return np.clip((place + 0.5) / length, 0, 1)


def _gaussian(place: npt.NDArray[np.int64], length: int) -> npt.NDArray[np.float64]:
    """Share of the second of two Gaussians, which stand at either end of `length` pixels.

    Their width is such that each has fallen to 2 % of the other at the far end.
    """
    inside = np.clip((place + 0.5) / length, 0, 1)
    share = 1 / (1 + np.exp(-8 * (inside - 0.5)))
    return np.where(inside == 0, 0, np.where(inside == 1, 1, share))


# How the weight of a tile rises from its first pixel on.
RAMPS = {"linear": _linear, "gaussian": _gaussian}

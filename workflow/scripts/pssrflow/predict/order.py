"""The order in which the tiles of some blocks are made, one by one."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pssrflow.predict.tiles import Cutting, Tile
from pssrflow.volumes.blocks import Region


@dataclass(frozen=True)
class PlacedTile:
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
    def size(self) -> tuple[int, ...]:
        """LR pixels that are read, y and x."""
        return tuple(s.stop - s.start for s in self.tile.read)

    @property
    def within(self) -> tuple[slice, ...]:
        """Where the tile goes in a plane of the block, y and x."""
        corner = self.region.start[3:]
        return tuple(slice(w.start - a, w.stop - a) for w, a in zip(self.tile.write, corner))


def placed_tiles(cutting: Cutting, blocks: Mapping[int, Region]) -> Iterator[PlacedTile]:
    """Every tile of some blocks, in the order in which they are made.

    Parameters
    ----------
    cutting : Cutting
    blocks : dict of int to Region
        By their number.
    """
    for number, region in blocks.items():
        rows, cols = region.slices[3:]
        tiles, planes = cutting.tiles(rows, cols), list(region.planes())
        for plane, tile in itertools.product(planes, tiles):
            last = tile is tiles[-1]
            yield PlacedTile(number, region, plane, tile, last, last and plane == planes[-1])

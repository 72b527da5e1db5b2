"""Where tiles come together, and become grey levels."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from pssrflow.compiled import compiled
from pssrflow.models.input import Floats, Input
from pssrflow.predict.maps import Map
from pssrflow.predict.order import PlacedTile
from pssrflow.predict.tiles import Cutting
from pssrflow.run.memory import off_heap

# What is kept of a tile, by the maps' names; and the pixels of a block, with the tile that ends it.
Kept = tuple[PlacedTile, dict[str, np.ndarray]]
Block = tuple[PlacedTile, dict[str, np.ndarray]]


class Canvas:
    """Where the tiles of a block come together.

    Parameters
    ----------
    cutting : Cutting
    given : Input
        Constants that turn what the network gives into grey levels.
    maps : sequence of Map
        Images that are kept.
    dtype : str
        Of the SR volume.
    blend : str
        "none", or how neighbouring tiles are weighted.
    """

    def __init__(
        self, cutting: Cutting, given: Input, maps: Sequence[Map], dtype: str, blend: str
    ) -> None:
        self.cutting, self.given, self.blend = cutting, given, blend
        self.maps = {one.name: one for one in maps}
        self.dtypes = {one.name: np.dtype(one.dtype or dtype) for one in maps}
        self.shards = math.prod(b // s for b, s in zip(cutting.block, cutting.shard))

    def keep(self, name: str, placed: PlacedTile, image: Floats) -> np.ndarray:
        """What is kept of a tile, so that all else of a pass can go before the next one.

        Grey levels; or, of tiles that overlap, what the network gave.
        """
        rows, cols = placed.tile.keep
        size = (rows.stop - rows.start, cols.stop - cols.start)
        if self.blend == "none":
            kept = off_heap(size, self.dtypes[name])
            self._digitise(name, placed, image, (rows.start, cols.start), kept)
        else:
            kept = off_heap(size, np.float32)
            kept[:] = image[rows, cols]
        return kept

    def blocks(self, made: Iterable[Kept]) -> Iterator[Block]:
        """Tiles that end a block, and the pixels of that block by the maps' names."""
        pixels: dict[str, np.ndarray] = {}
        sums: dict[str, Floats] = {}
        for placed, images in made:
            if not pixels:
                pixels = {n: off_heap(placed.region.shape, d) for n, d in self.dtypes.items()}
            inside = tuple(i - a for i, a in zip(placed.plane, placed.region.start))
            for name, image in images.items():
                plane = pixels[name][inside]
                if self.blend == "none":
                    plane[placed.within] = image
                else:
                    sums[name] = self._added(sums.get(name), placed, image, plane.shape)
                    if placed.ends_plane:
                        self._digitise(name, placed, sums.pop(name), (0, 0), plane)
            if placed.ends_block:
                yield placed, pixels
                pixels = {}

    def _added(
        self, total: Floats | None, placed: PlacedTile, image: Floats, shape: tuple[int, ...]
    ) -> Floats:
        if total is None:
            total = off_heap(shape, np.float32)
            total[:] = 0
        down, along = self.cutting.weights(placed.tile, self.blend)
        total[placed.within] += image * down[:, None] * along
        return total

    def _digitise(
        self,
        name: str,
        placed: PlacedTile,
        image: Floats,
        corner: tuple[int, int],
        made: np.ndarray,
    ) -> None:
        channel = placed.plane[1]
        offset = self.given.offset(channel) if self.maps[name].offset else 0
        digitise(image, corner, np.float32(self.given.span(channel)), np.float32(offset), made)


def digitise(
    image: Floats, corner: tuple[int, int], span: np.float32, low: np.float32, made: np.ndarray
) -> None:
    """Grey levels of an image from 0 to 1, rounded and clipped to what `made` can hold.

    Parameters
    ----------
    image : ndarray (y, x) of float32
    corner : tuple of int
        Where in it `made` begins.
    span, low : float32
        Grey levels between 0 and 1, and at 0.
    made : ndarray (y, x)
        Receives them.
    """
    # Detail may exceed what the coarse image reached, so only the data type limits it.
    if made.dtype.kind == "f":
        rows, cols = (slice(c, c + n) for c, n in zip(corner, made.shape))
        np.multiply(image[rows, cols], span, out=made)
        made += low
        return
    limits = np.iinfo(made.dtype)
    _rounded(image, corner, span, low, np.float32(limits.min), np.float32(limits.max), made)


# The corner is not cut off before: that a row has no gaps is known of whole arrays alone, and
# halves the time.
@compiled
def _rounded(
    image: Any, corner: Any, span: Any, low: Any, least: Any, most: Any, made: Any
) -> None:
    top, left = corner
    for i in range(made.shape[0]):
        row = image[top + i, left : left + made.shape[1]]
        for j in range(made.shape[1]):
            grey = np.rint(row[j] * span + low)
            made[i, j] = min(max(grey, least), most)

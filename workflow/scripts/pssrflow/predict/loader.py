"""Loads tiles for the network: reads them, scales them and looks whether they are worth a pass."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pssrflow.models.input import Floats, Input
from pssrflow.predict.order import PlacedTile
from pssrflow.run.memory import off_heap
from pssrflow.volumes.rectangles import Reader

# What the network takes, (frames, y, x), and whether it is empty.
Loaded = tuple[Floats, bool]


@dataclass(frozen=True)
class TileLoader:
    """Loads tiles for the network.

    Attributes
    ----------
    read : callable (plane, rows, cols) -> ndarray
        LR pixels; see `Store.reader`.
    input : Input
        How the network takes them.
    depth : int
        LR plane that the first SR plane is made of.
    empty : str or float, optional
        Tiles that are not worth a network: "constant" for those of one value, or a grey level
        that no pixel of them exceeds.
    mask : callable (plane, rows, cols) -> ndarray, optional
        Of the same place as `read`; tiles in which it is 0 everywhere are not worth a network.
    """

    read: Reader
    input: Input
    depth: int = 0
    empty: str | float | None = None
    mask: Reader | None = None

    def load(self, batch: Sequence[PlacedTile]) -> tuple[Sequence[PlacedTile], list[Loaded]]:
        """A batch of tiles; what each reads, as the network sees it, and whether that is empty."""
        return batch, [self._load(placed) for placed in batch]

    def _load(self, placed: PlacedTile) -> Loaded:
        plane = (*placed.plane[:2], placed.plane[2] + self.depth)
        frames = [self.read(frame, *placed.tile.read) for frame in self.input.frames(plane)]
        scaled = off_heap((len(frames), *frames[0].shape), np.float32)
        for made, values in zip(scaled, frames):
            self.input.scaled(values, plane[1], out=made)
        masked = self.mask is not None and not self.mask(plane, *placed.tile.read).any()
        return scaled, masked or all(self._is_empty(values) for values in frames)

    def _is_empty(self, values: np.ndarray) -> bool:
        if self.empty is None:
            return False
        return bool(values.max() <= (values.min() if self.empty == "constant" else self.empty))

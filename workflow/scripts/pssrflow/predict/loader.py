"""Loads tiles for the network: reads them, scales them and looks whether they are worth a pass."""

from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np

from pssrflow.models.input import Floats, Input
from pssrflow.predict.order import PlacedTile
from pssrflow.run.memory import off_heap
from pssrflow.volumes.blocks import Region
from pssrflow.volumes.intensity import Pixels
from pssrflow.volumes.rectangles import Reader

# What the network takes, (frames, y, x), and whether it is empty.
Loaded = tuple[Floats, bool]


class Kept:
    """A reader that keeps the rectangles that were read last: frames of one tile serve the next.

    Parameters
    ----------
    read : callable (plane, rows, cols) -> ndarray
    most : int
        Rectangles that are kept.
    """

    def __init__(self, read: Reader, most: int):
        self.read, self.most = read, most
        self._lock = Lock()
        self._kept: OrderedDict[Any, Future[Pixels]] = OrderedDict()

    def __call__(self, plane: tuple[int, ...], rows: slice, cols: slice) -> Pixels:
        place = (plane, rows.start, rows.stop, cols.start, cols.stop)
        with self._lock:
            found = self._kept.pop(place, None)
            kept = self._kept[place] = found or Future()
            while len(self._kept) > self.most:
                self._kept.popitem(last=False)
        if found is None:
            # Whoever asks for it meanwhile waits, instead of reading it too.
            try:
                kept.set_result(self.read(plane, rows, cols))
            except BaseException as error:
                kept.set_exception(error)
        return kept.result()


@dataclass(frozen=True)
class TileLoader:
    """Loads tiles for the network.

    Attributes
    ----------
    read : callable (plane, rows, cols) -> ndarray
        LR pixels; see `Store.reader`.
    input : Input
        How the network takes them.
    volume : Region
        The LR volume.
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
    volume: Region
    depth: int = 0
    empty: str | float | None = None
    mask: Reader | None = None

    def load(self, batch: Sequence[PlacedTile]) -> tuple[Sequence[PlacedTile], list[Loaded]]:
        """A batch of tiles; what each reads, as the network sees it, and whether that is empty."""
        return batch, [self._load(placed) for placed in batch]

    def _load(self, placed: PlacedTile) -> Loaded:
        plane = (*placed.plane[:2], placed.plane[2] + self.depth)
        planes = self.input.frames.around(plane, self.volume)
        frames = [self.read(frame, *placed.tile.read) for frame in planes]
        scaled = off_heap((len(frames), *frames[0].shape), np.float32)
        for made, values in zip(scaled, frames):
            self.input.scaled(values, plane[1], out=made)
        masked = self.mask is not None and not self.mask(plane, *placed.tile.read).any()
        return scaled, masked or all(self._is_empty(values) for values in frames)

    def _is_empty(self, values: np.ndarray) -> bool:
        if self.empty is None:
            return False
        return bool(values.max() <= (values.min() if self.empty == "constant" else self.empty))

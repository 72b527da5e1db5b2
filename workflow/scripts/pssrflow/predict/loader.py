"""LR pixels as a network takes them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pssrflow.run.memory import off_heap
from pssrflow.volumes.intensity import Intensity


@dataclass(frozen=True)
class Source:
    """LR pixels as a network takes them.

    Attributes
    ----------
    read : callable (plane, rows, cols) -> ndarray
        LR pixels; see `plane_reader`.
    intensity : Intensity
        As the network sees it.
    depth : int
        LR plane that the first SR plane is made of.
    empty : str or float, optional
        Tiles that are not worth a network: "constant" for those of one value, or a grey level
        that no pixel of them exceeds.
    mask : callable (plane, rows, cols) -> ndarray, optional
        Of the same place as `read`; tiles in which it is 0 everywhere are not worth a network.
    """

    read: Callable
    intensity: Intensity
    depth: int = 0
    empty: str | float | None = None
    mask: Callable | None = None

    def load(self, batch):
        """A batch of steps; what each reads, as the network sees it, and whether that is empty."""
        return batch, [self._load(step) for step in batch]

    def _load(self, step):
        plane = (*step.plane[:2], step.plane[2] + self.depth)
        values = self.read(plane, *step.tile.read)
        low, high = self.intensity.windows[plane[1]]
        scaled = off_heap(values.shape, np.float32)
        np.subtract(values, np.float32(low), out=scaled)
        scaled /= np.float32(high - low)
        masked = self.mask is not None and not self.mask(plane, *step.tile.read).any()
        return scaled, masked or self._is_empty(values)

    def _is_empty(self, values):
        if self.empty is None:
            return False
        return values.max() <= (values.min() if self.empty == "constant" else self.empty)

"""What was decoded last, kept for the rectangles that come next."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np


class Recent:
    """The pieces decoded last, within a budget; never fewer than one call needs.

    A band of shards meets the same strips or the same plane again and again.
    """

    def __init__(self, budget: int = 0):
        self.budget = budget
        self.kept: OrderedDict[Hashable, np.ndarray] = OrderedDict()

    def get(self, keys: Sequence[Any], make: Callable[[Any], np.ndarray]) -> list[np.ndarray]:
        """Pieces of `keys`, made by `make(key)` unless they are still here."""
        wanted: dict[Hashable, np.ndarray] = {}
        for key in keys:
            held = self.kept.pop(key, None)
            if held is None:
                # Room first, so that old and new pieces are not held together.
                self._shrink()
                held = make(key)
            wanted[key] = held
        self.kept |= wanted
        self._shrink(len(wanted))
        return list(wanted.values())

    def _shrink(self, keep: int = 0) -> None:
        total = sum(v.nbytes for v in self.kept.values())
        while len(self.kept) > keep and total > self.budget:
            total -= self.kept.popitem(last=False)[1].nbytes

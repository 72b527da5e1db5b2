"""What a prediction keeps of every pixel: the SR image, and images that say more of it.

Stores, done files, memory and grey levels follow from this list; a new map is a line here and an
image of its name among those that `Inference` makes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pssrflow.volumes.volume import Volume


@dataclass(frozen=True)
class Map:
    """One image that a prediction keeps.

    Attributes
    ----------
    name : str
        Of its store and done file.
    dtype : str or None
        None for that of the LR volume.
    offset : bool
        Whether its 0 is the grey level that the network sees as 0; differences have no offset.
    """

    name: str
    dtype: str | None = None
    offset: bool = True

    def volume(self, sr: Volume) -> Volume:
        """What its metadata say, beside those of the SR volume."""
        return replace(sr, dtype=self.dtype or sr.dtype)


SR = Map("sr")
# Standard deviation of what an ensemble averages.
STD = Map("std", dtype="float32", offset=False)
# All that there may be. The SR image comes first: other rules wait for its done file alone, which
# is written last.
MAPS = (SR, STD)


def kept(averaged: bool) -> tuple[Map, ...]:
    """Maps of a prediction, which may be the mean of several results."""
    return (SR, STD) if averaged else (SR,)


def pixel_bytes(maps: Sequence[Map], dtype: str) -> int:
    """Bytes that are kept of an SR pixel, in a volume of a dtype."""
    return sum(np.dtype(one.dtype or dtype).itemsize for one in maps)

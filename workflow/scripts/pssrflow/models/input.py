"""What a network sees of an acquisition, and how what it makes becomes grey levels again."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pssrflow.networks.frames import ONE, Frames
from pssrflow.volumes.intensity import Intensity

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Input:
    """Grey levels that a network sees as 0 to 1, and the planes that it sees together.

    All that scales grey levels for a network, or back, takes its constants from here; they belong
    to the acquisition, never to a tile.

    Attributes
    ----------
    windows : tuple of (float, float)
        Per channel, the grey levels that become 0 and 1.
    frames : Frames
    """

    windows: tuple[tuple[float, float], ...]
    frames: Frames = ONE

    @classmethod
    def of(cls, intensity: Intensity, seen: str = "window", frames: Frames = ONE) -> "Input":
        """Of an acquisition, for a network that takes its grey levels as `Intensity.seen_by` says.

        Parameters
        ----------
        intensity : Intensity
        seen : str
            "window" or "range".
        frames : Frames
        """
        return cls(intensity.seen_by(seen).windows, frames)

    def scaled(self, values: npt.NDArray[Any], channel: int, out: Floats | None = None) -> Floats:
        """Grey levels as the network takes them, float32.

        Parameters
        ----------
        values : ndarray
            Of one channel, any shape and dtype.
        channel : int
        out : ndarray of float32, optional
            Receives them.
        """
        made: Floats = np.subtract(
            values, np.float32(self.offset(channel)), out=out, dtype=np.float32
        )
        made /= np.float32(self.span(channel))
        return made

    def offset(self, channel: int) -> float:
        """Grey level that the network sees as 0."""
        return self.windows[channel][0]

    def span(self, channel: int) -> float:
        """Grey levels between those that it sees as 0 and as 1."""
        low, high = self.windows[channel]
        return high - low

"""What strata are told by: level and slope of what LR pixels cover."""

from typing import Any

import numpy as np
import numpy.typing as npt

from pssrflow.compiled import compiled

Floats = npt.NDArray[np.float32]


def layers(sr: Floats, scale: int) -> tuple[Floats, Floats]:
    """Mean level, and mean size of the slope, of the SR pixels that each LR pixel covers.

    Parameters
    ----------
    sr : ndarray (scale * y, scale * x) of float32
    scale : int

    Returns
    -------
    level, slope : ndarray (y, x) of float32
        The slope for each SR pixel, by central differences; one-sided at the edges.
    """
    level, slope = (np.empty([n // scale for n in sr.shape], np.float32) for _ in range(2))
    _layers(np.ascontiguousarray(sr, np.float32), scale, level, slope)
    return level, slope


@compiled
def _layers(sr: Any, scale: Any, level: Any, slope: Any) -> None:
    bottom, right = sr.shape[0] - 1, sr.shape[1] - 1
    for i in range(level.shape[0]):
        for j in range(level.shape[1]):
            total, steep = np.float32(0), np.float32(0)
            for y in range(i * scale, (i + 1) * scale):
                above, below = max(y - 1, 0), min(y + 1, bottom)
                for x in range(j * scale, (j + 1) * scale):
                    left, beside = max(x - 1, 0), min(x + 1, right)
                    down = (sr[below, x] - sr[above, x]) / max(below - above, 1)
                    along = (sr[y, beside] - sr[y, left]) / max(beside - left, 1)
                    total += sr[y, x]
                    steep += np.sqrt(down * down + along * along)
            level[i, j] = total / (scale * scale)
            slope[i, j] = steep / (scale * scale)

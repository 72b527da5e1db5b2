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
    height, width = sr.shape
    # Of the rows of an LR pixel: whole columns first, which processors add many at a time.
    total, steep = np.empty(width, np.float32), np.empty(width, np.float32)
    for i in range(level.shape[0]):
        total[:], steep[:] = np.float32(0), np.float32(0)
        for y in range(i * scale, (i + 1) * scale):
            top, bottom = max(y - 1, 0), min(y + 1, height - 1)
            above, row, below = sr[top], sr[y], sr[bottom]
            share = np.float32(1 / max(bottom - top, 1))
            for x in range(1, width - 1):
                down = (below[x] - above[x]) * share
                along = (row[x + 1] - row[x - 1]) * np.float32(0.5)
                total[x] += row[x]
                steep[x] += np.sqrt(down * down + along * along)
            # The first and the last, which may be one.
            for x in range(0, width, max(width - 1, 1)):
                left, right = max(x - 1, 0), min(x + 1, width - 1)
                down = (below[x] - above[x]) * share
                along = (row[right] - row[left]) * np.float32(1 / max(right - left, 1))
                total[x] += row[x]
                steep[x] += np.sqrt(down * down + along * along)
        for j in range(level.shape[1]):
            mean, rise = np.float32(0), np.float32(0)
            for x in range(j * scale, (j + 1) * scale):
                mean += total[x]
                rise += steep[x]
            level[i, j] = mean / (scale * scale)
            slope[i, j] = rise / (scale * scale)

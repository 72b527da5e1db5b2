"""LR pixels without noise: a kernel, filtered or sampled over a rectangle of a plane."""

import math
from collections.abc import Callable

import numpy as np

from pssrflow.compiled import compiled
from pssrflow.crappify.kernels import Downsampling

# Share of a kernel that must lie inside the plane to be normalised.
MOSTLY = np.float32(0.4)


def downsample_region(
    read: Callable[[slice, slice], np.ndarray],
    hr_shape: tuple[int, int],
    downsampling: Downsampling,
    rows: range,
    cols: range,
    displaced: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.dtype]:
    """LR rectangle without noise.

    Parameters
    ----------
    read : callable (slice, slice) -> ndarray (y, x)
        Reads HR rows and columns.
    hr_shape : tuple of int
        y and x of the whole HR plane; kernel weights outside are dropped, the others normalised.
    downsampling : Downsampling
    rows, cols : range
        LR pixels wanted.
    displaced : tuple of ndarray, optional
        Where the beam was beside its place, HR pixels: along y for each row (y,), and along x for
        each pixel (y, x).

    Returns
    -------
    ndarray (len(rows), len(cols)) of float32, in the units of the HR plane
    dtype of the HR plane
    """
    if displaced is None:
        first, weights = downsampling.taps()
        spread = [(0, 0), (0, 0)]
    else:
        first, weights = downsampling.phases()
        spread = [(math.floor(d.min()), math.ceil(d.max())) for d in displaced]
    boxes = [
        _needed(r, first, weights.shape[-1], downsampling.scale, extra, length)
        for r, extra, length in zip((rows, cols), spread, hr_shape)
    ]
    hr = np.ascontiguousarray(read(*(slice(a, b) for a, b in boxes)))
    top, left = (
        downsampling.scale * r.start + first - box[0] for r, box in zip((rows, cols), boxes)
    )
    clean = np.empty((len(rows), len(cols)), np.float32)
    if displaced is None:
        _filter(hr, weights, downsampling.scale, top, left, clean)
    else:
        along_y, along_x = (np.ascontiguousarray(d, np.float32) for d in displaced)
        _sample(hr, weights, downsampling.scale, top, left, along_y, along_x, clean)
    return clean, hr.dtype


def _needed(wanted, first, taps, scale, spread, length):
    """HR pixels, inside the plane and at least one, that LR pixels see."""
    start = scale * wanted.start + first + spread[0]
    stop = scale * (wanted.stop - 1) + first + taps + spread[1]
    start = min(max(start, 0), length - 1)
    return start, max(min(stop, length), start + 1)


@compiled
def _filter(hr, weights, scale, top, left, out):
    """Separable filter of one kernel. No sum is reordered, so no cut changes a bit."""
    line = np.empty(hr.shape[1], np.float32)
    for i in range(out.shape[0]):
        above = _down(hr, weights, scale * i + top, line)
        for j in range(out.shape[1]):
            start = scale * j + left
            total = np.float32(0)
            if start >= 0 and start + len(weights) <= len(line):
                for k in range(len(weights)):
                    total += weights[k] * line[start + k]
            else:
                total = _at_edge(line, weights, start)
            out[i, j] = total / above


@compiled
def _sample(hr, table, scale, top, left, along_y, along_x, out):
    """As `_filter`, each row displaced along y and each pixel along x."""
    phases, taps = table.shape
    line = np.empty(hr.shape[1], np.float32)
    for i in range(out.shape[0]):
        whole = math.floor(along_y[i])
        phase = min(int((along_y[i] - whole) * phases), phases - 1)
        above = _down(hr, table[phase], scale * i + top + whole, line)
        for j in range(out.shape[1]):
            whole = math.floor(along_x[i, j])
            phase = min(int((along_x[i, j] - whole) * phases), phases - 1)
            start = scale * j + left + whole
            total = np.float32(0)
            if start >= 0 and start + taps <= len(line):
                for k in range(taps):
                    total += table[phase, k] * line[start + k]
            else:
                total = _at_edge(line, table[phase], start)
            out[i, j] = total / above


@compiled
def _down(hr, weights, start, line):
    """Weighted sum of rows into `line`; gives the weight that lies inside the plane."""
    height, width = hr.shape
    inside = np.float32(0)
    for k in range(len(weights)):
        if 0 <= start + k < height:
            inside += weights[k]
    line[:] = 0
    for k in range(len(weights)):
        y = start + k
        # Negative lobes alone would be blown up; where most is missing the edge stands in for it.
        if inside < MOSTLY:
            y = min(max(y, 0), height - 1)
        if 0 <= y < height:
            for x in range(width):
                line[x] += weights[k] * np.float32(hr[y, x])
    return inside if inside >= MOSTLY else np.float32(1)


@compiled
def _at_edge(line, weights, start):
    """Weighted mean of those pixels of a line that exist."""
    total, inside = np.float32(0), np.float32(0)
    for k in range(len(weights)):
        if 0 <= start + k < len(line):
            total += weights[k] * line[start + k]
            inside += weights[k]
    if inside >= MOSTLY:
        return total / inside
    total = np.float32(0)
    for k in range(len(weights)):
        total += weights[k] * line[min(max(start + k, 0), len(line) - 1)]
    return total

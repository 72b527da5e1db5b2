"""What is made without a network: bicubic interpolation, the baseline of every comparison."""

import functools

import numpy as np
import torch

from pssrflow.networks import bicubic
from pssrflow.prediction.tiles import Cutting
from pssrflow.store import plane_reader

# LR pixels made at once, and those around them that a cubic kernel reaches.
TILE, REACH = 1024, 4


def interpolated(values, scale):
    """Bicubic interpolation of an image (y, x) of float32."""
    with torch.inference_mode():
        return bicubic(torch.from_numpy(values)[None, None], scale)[0, 0].numpy()


def interpolate(array, plane, rows, cols, scale):
    """Bicubic interpolation of a rectangle of the SR plane.

    Parameters
    ----------
    array : zarr.Array
        LR, TCZYX.
    plane : tuple of int
        t, c, z.
    rows, cols : slice
        SR pixels.
    scale : int

    Returns
    -------
    ndarray (y, x) of float32, in the units of the acquisition
    """
    read = plane_reader(array)
    made = np.empty((rows.stop - rows.start, cols.stop - cols.start), np.float32)
    for tile in _cutting(array.shape[3:], scale).tiles(rows, cols):
        values = read(plane, *tile.read).astype(np.float32)
        inside = (
            slice(w.start - b.start, w.stop - b.start) for w, b in zip(tile.write, (rows, cols))
        )
        made[tuple(inside)] = interpolated(values, scale)[tile.keep]
    return made


@functools.cache
def _cutting(lr_shape, scale):
    sr_shape = (1, *(n * scale for n in lr_shape))
    whole = (1, TILE * scale, TILE * scale)
    return Cutting(lr_shape, (0, 0), sr_shape, whole, scale, 1, TILE, REACH)

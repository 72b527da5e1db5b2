"""What is made without a network: bicubic interpolation, the baseline of every comparison."""

import itertools

import numpy as np
import torch
from torch.nn import functional as F

from pssrflow.volumes.blocks import spans, with_halo
from pssrflow.volumes.intensity import Pixels
from pssrflow.volumes.store import Store

# LR pixels made at once, and those around them that a cubic kernel reaches.
TILE, REACH = 1024, 4


def bicubic(images: torch.Tensor, scale: int) -> torch.Tensor:
    """Bicubic interpolation of (n, c, y, x); LR pixel i covers HR pixels scale*i + 0 to scale - 1.

    `antialias` changes nothing when enlarging but the kernel: Keys' a = -1/2, as in Pillow and
    MATLAB, which keeps straight ramps straight; without it torch takes -3/4.
    """
    return F.interpolate(images.float(), scale_factor=float(scale), mode="bicubic", antialias=True)


def interpolated(values: Pixels, scale: int) -> Pixels:
    """Bicubic interpolation of an image (y, x) of float32."""
    with torch.inference_mode():
        return np.asarray(bicubic(torch.from_numpy(values)[None, None], scale)[0, 0])


def interpolate(
    store: Store, plane: tuple[int, ...], rows: slice, cols: slice, scale: int
) -> Pixels:
    """Bicubic interpolation of a rectangle of the SR plane.

    Parameters
    ----------
    store : Store
        LR.
    plane : tuple of int
        t, c, z.
    rows, cols : slice
        SR pixels.
    scale : int

    Returns
    -------
    ndarray (y, x) of float32, in the units of the acquisition
    """
    read, lr_shape = store.reader(), store.volume.shape[3:]
    made = np.empty((rows.stop - rows.start, cols.stop - cols.start), np.float32)
    cells = (spans(s.start, s.stop, TILE * scale) for s in (rows, cols))
    for cell in itertools.product(*cells):
        around = [
            with_halo(a // scale, -(-b // scale), n, REACH, 1) for (a, b), n in zip(cell, lr_shape)
        ]
        keep = (slice(a - s.start * scale, b - s.start * scale) for (a, b), s in zip(cell, around))
        inside = (slice(a - s.start, b - s.start) for (a, b), s in zip(cell, (rows, cols)))
        values = read(plane, *around).astype(np.float32)
        made[tuple(inside)] = interpolated(values, scale)[tuple(keep)]
    return made

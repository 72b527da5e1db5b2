"""Tiles: how a plane is cut for the network, and a rectangle of it super-resolved."""

import itertools
import math
from dataclasses import dataclass

import numpy as np
import torch

from pssrflow.blocks import spans
from pssrflow.networks import Bicubic


@dataclass(frozen=True)
class Tile:
    """One pass of the network: what it reads, what is kept of it, where that goes.

    Attributes
    ----------
    read : tuple of slice
        Rows and columns of the LR plane, halo included.
    keep : tuple of slice
        Rows and columns of the network's output.
    write : tuple of slice
        Rows and columns of the SR plane.
    """

    read: tuple[slice, slice]
    keep: tuple[slice, slice]
    write: tuple[slice, slice]


def plan_tiles(rows, cols, lr_shape, scale, tile, halo, stride) -> list[Tile]:
    """Tiles that cover a rectangle of the SR plane once.

    Tiles lie on a grid that starts at the first pixel of the plane, not of the rectangle, so the
    same pixels come out however the plane was cut into shards. What a tile reads starts on the
    network's own grid of `stride`, for the same reason.

    Parameters
    ----------
    rows, cols : slice
        SR pixels to make.
    lr_shape : tuple of int
        y and x of the LR plane.
    scale, tile, halo, stride : int
        `tile` and `halo` in LR pixels.
    """
    axes = [
        _plan_axis(wanted, length, scale, tile, halo, stride)
        for wanted, length in zip((rows, cols), lr_shape)
    ]
    return [Tile(*zip(*pair)) for pair in itertools.product(*axes)]


def _plan_axis(wanted, length, scale, tile, halo, stride):
    cuts = []
    for start, stop in spans(wanted.start, wanted.stop, tile * scale):
        first, last = start // (tile * scale) * tile, math.ceil(stop / scale)
        read = slice(
            max(first - halo, 0) // stride * stride,
            min(min(first + tile, length) + halo, length),
        )
        assert last <= read.stop
        keep = slice(start - read.start * scale, stop - read.start * scale)
        cuts.append((read, keep, slice(start, stop)))
    return cuts


def super_resolve(network, array, plane, rows, cols, tiles, intensity):
    """Run the network over the tiles of a rectangle of one SR plane.

    Parameters
    ----------
    network : torch.nn.Module
    array : zarr.Array
        LR, TCZYX.
    plane : tuple of int
        t, c, z.
    rows, cols : slice
        SR pixels.
    tiles : list of Tile
        From `plan_tiles` for these rows and columns.
    intensity : Intensity
        Of the LR acquisition.

    Returns
    -------
    ndarray (y, x) of float32, in the units of the acquisition
    """
    image = np.empty((rows.stop - rows.start, cols.stop - cols.start), np.float32)
    low, high = intensity.windows[plane[1]]
    for tile in tiles:
        target = tile.write[0], tile.write[1]
        inside = tuple(
            slice(t.start - w.start, t.stop - w.start) for t, w in zip(target, (rows, cols))
        )
        values = array[(*plane, *tile.read)].astype(np.float32)
        made = _forward(network, (values - np.float32(low)) / np.float32(high - low))
        image[inside] = made[tile.keep] * np.float32(high - low) + np.float32(low)
    return image


def _forward(network, image):
    device = next((p.device for p in network.parameters()), torch.device("cpu"))
    with torch.inference_mode():
        batch = torch.from_numpy(image)[None, None].to(device)
        return network(batch)[0, 0].float().cpu().numpy()


def interpolate(array, plane, rows, cols, scale, intensity):
    """Bicubic interpolation of a rectangle of the SR plane: the baseline of every comparison.

    Returns
    -------
    ndarray (y, x) of float32, in the units of the acquisition
    """
    tiles = plan_tiles(rows, cols, array.shape[3:], scale, 1024, 4, 1)
    return super_resolve(Bicubic(scale), array, plane, rows, cols, tiles, intensity)

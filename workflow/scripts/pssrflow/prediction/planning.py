"""Cut a volume into blocks and tiles that memory holds and that show no seams."""

from dataclasses import replace

import numpy as np

from pssrflow.prediction.memory import (
    LARGEST,
    affordable_tile,
    bytes_per_pixel,
    job_bytes,
    tile_bytes,
)
from pssrflow.prediction.plan import Plan
from pssrflow.prediction.tiles import Cutting


def plan_prediction(network, lr, volume, box, parts, settings, find_halo, masked=False) -> Plan:
    """Plan a prediction, with the tile and the halo that network and memory ask for.

    Parameters
    ----------
    network : torch.nn.Module
    lr, volume : Volume
        What is read, and what is made of it.
    box : tuple of slice
        z, y, x of the LR volume that are super-resolved.
    parts : int
    settings : dict
        The section `predict` of the configuration.
    find_halo : callable () -> int
        Called where the configuration leaves it open and tiles have neighbours.
    masked : bool
        Whether tiles may lie outside a mask.
    """
    each, ensemble = (
        bytes_per_pixel(network),
        settings["self_ensemble"] or hasattr(network, "members"),
    )
    held = pixel_bytes(volume, ensemble)
    # Mean, squares, difference and the pass that is added to them, float32.
    each += 16 * network.scale**2 if ensemble else 0
    sparse = masked or settings["empty"] is not None
    cutting = Cutting(
        lr_shape=lr.shape[3:],
        origin=tuple(b.start for b in box[1:]),
        sr_shape=volume.shape[2:],
        shard=volume.shard_shape()[2:],
        scale=network.scale,
        stride=network.stride,
        # Small tiles skip more of what is empty.
        tile=LARGEST // 4 if sparse else LARGEST,
        halo=0,
        overlap=0 if settings["blend"] == "none" else settings["overlap"],
    )

    def fitted(cutting):
        tile = settings["tile"]
        if tile == "auto":
            tile = affordable_tile(cutting, volume.shape[:2], each, settings["memory"], held)
        return replace(cutting, tile=tile, overlap=longest_overlap(cutting, tile))

    halo = settings["halo"]
    if halo == "auto":
        halo = 0 if _undivided(fitted(cutting)) else find_halo()
    cutting = fitted(replace(cutting, halo=halo))
    return Plan(
        cutting=cutting,
        frames=volume.shape[:2],
        depth=box[0].start,
        parts=parts,
        blend=settings["blend"] if cutting.overlap else "none",
        self_ensemble=settings["self_ensemble"],
        empty=settings["empty"],
        std=ensemble,
        tile_bytes=tile_bytes(cutting, each),
        job_bytes=job_bytes(cutting, each, held),
    )


def longest_overlap(cutting, tile):
    """LR pixels that tiles can share, such that no three of them do: cells are half a tile long at
    least, less what the network's stride takes.
    """
    most = max(0, tile // 2 // cutting.stride - 1) * cutting.stride
    return min(cutting.overlap, most)


def pixel_bytes(volume, ensemble):
    """Bytes that are kept of an SR pixel: the pixel, and its standard deviation."""
    return np.dtype(volume.dtype).itemsize + (4 if ensemble else 0)


def _undivided(cutting):
    """Whether a tile holds a whole plane, so that nothing lies around it."""
    return all(len(edges) == 2 for edges in cutting.edges) and (
        cutting.sr_shape[1:] == tuple(n * cutting.scale for n in cutting.lr_shape)
    )

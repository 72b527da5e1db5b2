"""Write a volume back as an image that every program opens: a pyramidal OME-TIFF, streamed.

Reference: https://ome-model.readthedocs.io/en/stable/ome-tiff/specification.html
"""

import itertools
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import zarr

from pssrflow.run.files import replacing
from pssrflow.volumes.blocks import spans
from pssrflow.volumes.store import Store
from pssrflow.volumes.volume import Volume

log = logging.getLogger(__name__)

# Pixels of a tile along y and x: a multiple of 16, as the format wants it.
TILE = 512


def write_image(store: Store, path: Path | str, threads: int = 1) -> None:
    """Write all levels of a finished store as one BigTIFF; nothing stands there unless it is whole.

    Parameters
    ----------
    store : Store
    path : path-like
        The .ome.tif.
    threads : int
        That compress.
    """
    volume = store.volume
    shapes = volume.level_shapes()
    options: dict[str, Any] = {
        "tile": (TILE, TILE),
        "compression": "zlib",
        "predictor": True,
        "photometric": "minisblack",
        "maxworkers": threads,
    }
    with (
        replacing(path) as scratch,
        tifffile.TiffWriter(scratch, bigtiff=True, ome=True) as file,
    ):
        for number, shape in enumerate(shapes):
            first = number == 0
            file.write(
                _tiles(store.level(number)),
                shape=shape,
                dtype=volume.dtype,
                subifds=len(shapes) - 1 if first else None,
                subfiletype=0 if first else 1,
                metadata=_metadata(store, volume) if first else None,
                **options,
            )
    log.info("%s: %s, %d levels", path, volume.shape, len(shapes))


def _tiles(array: zarr.Array[Any]) -> Iterator[np.ndarray]:
    """Tiles of all planes of a level, in the order of the format; those at an edge are smaller."""
    height, width = array.shape[3:]
    for place in np.ndindex(*array.shape[:3]):
        for rows, cols in itertools.product(spans(0, height, TILE), spans(0, width, TILE)):
            yield np.asarray(array[(*place, slice(*rows), slice(*cols))])


def _metadata(store: Store, volume: Volume) -> dict[str, Any]:
    sizes = {
        f"PhysicalSize{axis}": size
        for axis, size in zip("ZYX", volume.pixel_size, strict=True)
        if size
    }
    return {
        "axes": "TCZYX",
        "Name": Path(store.path).parent.name,
        "Channel": {"Name": list(volume.channels)},
        **sizes,
        **{f"{name}Unit": "\u00b5m" for name in sizes},
    }

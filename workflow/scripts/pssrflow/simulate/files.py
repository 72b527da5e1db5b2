"""Files as a microscope writes them: one tiled OME-TIFF, or a folder of numbered slices."""

import itertools
import math
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import tifffile

from pssrflow.simulate.settings import Microscope

# Pixels of a tile along y and x.
TILE = 256

# Strips of rows of a plane, from its top.
Strips = Callable[[int], Iterable[np.ndarray]]


def discard(path: Path) -> None:
    """Remove what a killed run left."""
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


def write_ome(
    path: Path, microscope: Microscope, shape: tuple[int, ...], strips: Strips, identity: tuple
) -> None:
    """Write planes as one tiled OME-TIFF.

    Parameters
    ----------
    path : Path
    microscope : Microscope
    shape : tuple of int
        Planes, rows and columns.
    strips : callable
        Plane to its strips; all but the last of a plane hold whole tiles.
    identity : tuple
        What names the file, besides microscope and shape.
    """
    metadata = {
        "axes": "ZYX",
        # A random identifier, the default, would make equal acquisitions unequal files.
        "UUID": str(uuid.uuid5(uuid.NAMESPACE_OID, repr((microscope, tuple(shape), identity)))),
        "Name": "simulated EM",
        "Channel": {"Name": "electrons"},
        "SignificantBits": microscope.bits,
        **{f"PhysicalSize{a}": microscope.step_nm for a in "XY"},
        "PhysicalSizeZ": microscope.section_nm,
        **{f"PhysicalSize{a}Unit": "nm" for a in "XYZ"},
    }
    big = math.prod(shape) * microscope.dtype.itemsize > 2**32 - 2**26
    with tifffile.TiffWriter(path, ome=True, bigtiff=big) as tiff:
        tiff.write(
            tiles(shape[0], strips),
            shape=shape,
            dtype=microscope.dtype,
            tile=(TILE, TILE),
            photometric="minisblack",
            metadata=metadata,
        )


def tiles(planes: int, strips: Strips) -> Iterator[np.ndarray]:
    """Tiles of all planes in the order of the file; only a plane's last strip may end in a tile."""
    for plane in range(planes):
        for strip in strips(plane):
            yield from row_of_tiles(strip)


def row_of_tiles(rows: np.ndarray) -> Iterator[np.ndarray]:
    """Tiles of some rows; TIFF pads those at the edges with zeros."""
    for y, x in itertools.product(range(0, len(rows), TILE), range(0, rows.shape[1], TILE)):
        tile = np.zeros((TILE, TILE), rows.dtype)
        part = rows[y : y + TILE, x : x + TILE]
        tile[: part.shape[0], : part.shape[1]] = part
        yield tile


def write_slices(
    path: Path, microscope: Microscope, shape: tuple[int, ...], strips: Strips
) -> None:
    """Write planes as numbered TIFF files of a folder; parameters are those of `write_ome`."""
    path.mkdir()
    per_um = 1000 / microscope.step_nm
    for plane in range(shape[0]):
        # Numbers are not padded, as many microscopes do: readers must sort naturally.
        image = tifffile.memmap(
            path / f"slice_{plane + 1}.tif",
            shape=shape[1:],
            dtype=microscope.dtype,
            imagej=True,
            resolution=(per_um, per_um),
            metadata={"axes": "YX", "unit": "um", "spacing": microscope.section_nm / 1000},
        )
        top = 0
        for strip in strips(plane):
            image[top : top + len(strip)] = strip
            top += len(strip)
        image.flush()

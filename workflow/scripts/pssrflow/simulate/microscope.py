"""A simulated point-scanning electron microscope.

It turns simulated tissue into raw acquisitions, so that the truth behind them is known.
"""

import itertools
import math
import os
import shutil
import uuid
from dataclasses import astuple
from pathlib import Path

import numpy as np
import tifffile
from scipy import ndimage

from pssrflow.errors import InputError
from pssrflow.seeded import generator
from pssrflow.simulate.tissue import scene
from pssrflow.volumes.blocks import spans

# The detector's noise is drawn, and the tissue rendered, for fixed squares of this many pixels: a
# Poisson draw takes an unknown number of random words, so a square is always made whole.
BLOCK = 256

# The probe is cut at this many standard deviations.
TRUNCATE = 4.0


def detect(signal, microscope, rng):
    """What the detector records of a signal.

    Parameters
    ----------
    signal : ndarray of float
        0 to 1.
    microscope : Microscope
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of uint8 or uint16
        Counts are Poisson, read noise is Gaussian; rounded and saturated.
    """
    counts = rng.poisson(signal * (microscope.counts_per_us * microscope.dwell_us))
    grey = counts * microscope.gain + microscope.offset
    grey = grey + microscope.read_noise * rng.standard_normal(grey.shape)
    return np.clip(np.rint(grey), 0, 2**microscope.bits - 1).astype(microscope.dtype)


def sample(seed, microscope, plane, corner_nm, shape):
    """Signal under the probe at every pixel: the blurred scene at single points, never averaged.

    Parameters
    ----------
    corner_nm : tuple of float
        Upper left corner (y, x) of the first pixel, whose centre lies half a step further.
    shape : tuple of int

    Returns
    -------
    ndarray of float32
    """
    k = microscope.oversampling
    pitch = microscope.step_nm / k
    halo = math.ceil(TRUNCATE * microscope.sigma_nm / pitch)
    y, x = (
        c + microscope.step_nm / 2 + pitch * np.arange(-halo, (n - 1) * k + 1 + halo)
        for c, n in zip(corner_nm, shape, strict=True)
    )
    fine = scene(seed, plane * microscope.section_nm, y, x)
    blurred = ndimage.gaussian_filter(fine, microscope.sigma_nm / pitch, radius=halo)
    return blurred[halo : fine.shape[0] - halo : k, halo : fine.shape[1] - halo : k]


def scan_block(seed, microscope, plane, block, corner_nm, draw):
    """One fixed square of a field; `corner_nm` is the upper left corner of the whole field."""
    corner = [c + b * BLOCK * microscope.step_nm for c, b in zip(corner_nm, block, strict=True)]
    signal = sample(seed, microscope, plane, corner, (BLOCK, BLOCK))
    # Floats, for 4 and 4.0 nm are the same step.
    key = map(float, (seed, draw, plane, *block, *corner, *astuple(microscope)))
    return detect(signal, microscope, generator(*key))


def scan(seed, microscope, plane, rows, cols, shift_nm=(0.0, 0.0), draw=0, origin_nm=(0.0, 0.0)):
    """Scan a region of a plane.

    The bytes do not depend on how a field is cut into regions.

    Parameters
    ----------
    seed : int
        Which tissue.
    microscope : Microscope
    plane : int
    rows, cols : slice
        Pixels, 0 or more, of this microscope's grid. Pixel i is centred i + 0.5 steps from the
        origin, so the centre of a pixel k times larger is that of k small ones.
    shift_nm : tuple of float
        Displacement (y, x) of the scanned field over the tissue, as by drift of the stage; what
        is seen moves the other way in the image.
    draw : int
        Which realisation of the noise.
    origin_nm : tuple of float
        Where in the tissue (y, x) the field begins.

    Returns
    -------
    ndarray of uint8 or uint16

    Raises
    ------
    InputError
        If the region does not have a start and a later stop.
    """
    for name, cut in (("rows", rows), ("cols", cols)):
        if cut.step not in (None, 1) or cut.stop is None or not 0 <= (cut.start or 0) < cut.stop:
            raise InputError(f"scan {name}", f"{cut}", "slice(start, stop) with 0 <= start < stop")
    corner = tuple(float(o + s) for o, s in zip(origin_nm, shift_nm, strict=True))
    top, left = rows.start or 0, cols.start or 0
    field = np.empty((rows.stop - top, cols.stop - left), microscope.dtype)
    for (y0, y1), (x0, x1) in itertools.product(
        spans(top, rows.stop, BLOCK), spans(left, cols.stop, BLOCK)
    ):
        block = y0 // BLOCK, x0 // BLOCK
        pixels = scan_block(seed, microscope, plane, block, corner, draw)
        y, x = y0 - block[0] * BLOCK, x0 - block[1] * BLOCK
        field[y0 - top : y1 - top, x0 - left : x1 - left] = pixels[y : y + y1 - y0, x : x + x1 - x0]
    return field


def acquire(
    path,
    seed,
    microscope,
    shape,
    shift_nm=(0.0, 0.0),
    first_plane=0,
    origin_nm=(0.0, 0.0),
    draw=0,
    block=1024,
):
    """Scan a field and write it as a microscope would, block row by block row.

    Parameters
    ----------
    path : str or Path
        One OME-TIFF (BigTIFF beyond 4 GB) if the name ends with ``.ome.tif`` or ``.ome.tiff``, else
        a folder of TIFF slices ``slice_1.tif``, ``slice_2.tif``, ..., ``slice_10.tif``.
    shape : tuple of int
        Planes, rows and columns.
    first_plane : int
    block : int
        Rows held in memory at once, rounded up to what is rendered together (`BLOCK`).
    seed, microscope, shift_nm, origin_nm, draw
        As for `scan`.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If something is at `path` already, or the shape is not three positive numbers.
    """
    path = Path(path)
    if path.exists():
        raise InputError(path, "this acquisition exists already", "a new name, or delete it first")
    if len(shape) != 3 or min(shape) < 1 or block < 1:
        raise InputError(
            path, f"shape {tuple(shape)}, block {block}", "z, y, x and block, 1 or more"
        )

    def strips(plane):
        for y0, y1 in spans(0, shape[1], math.ceil(block / BLOCK) * BLOCK):
            rows, cols = slice(y0, y1), slice(0, shape[2])
            yield scan(seed, microscope, first_plane + plane, rows, cols, shift_nm, draw, origin_nm)

    partial = path.with_name(f".{path.name}.partial")
    discard(partial)
    partial.parent.mkdir(parents=True, exist_ok=True)
    write = write_ome if path.name.lower().endswith((".ome.tif", ".ome.tiff")) else write_slices
    key = (seed, tuple(shift_nm), first_plane, tuple(origin_nm), draw)
    write(partial, microscope, shape, strips, key)
    os.replace(partial, path)
    return path


def discard(path):
    """Remove what a killed run left."""
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


def write_ome(path, microscope, shape, strips, key):
    """Write planes, each an iterable of strips of rows, as one tiled OME-TIFF named by `key`."""
    metadata = {
        "axes": "ZYX",
        # A random identifier, the default, would make equal acquisitions unequal files.
        "UUID": str(uuid.uuid5(uuid.NAMESPACE_OID, repr((microscope, tuple(shape), key)))),
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
            tile=(BLOCK, BLOCK),
            photometric="minisblack",
            metadata=metadata,
        )


def tiles(planes, strips):
    """Tiles of all planes in the order of the file; only a plane's last strip may end in a tile."""
    for plane in range(planes):
        for strip in strips(plane):
            yield from row_of_tiles(strip)


def row_of_tiles(rows):
    """Tiles of some rows; TIFF pads those at the edges with zeros."""
    for y, x in itertools.product(range(0, len(rows), BLOCK), range(0, rows.shape[1], BLOCK)):
        tile = np.zeros((BLOCK, BLOCK), rows.dtype)
        part = rows[y : y + BLOCK, x : x + BLOCK]
        tile[: part.shape[0], : part.shape[1]] = part
        yield tile


def write_slices(path, microscope, shape, strips, _key):
    """Write planes, each an iterable of strips of rows, as numbered TIFF files of a folder."""
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

"""A simulated point-scanning electron microscope.

It turns simulated tissue into raw acquisitions, so that the truth behind them is known.
"""

import itertools
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from pssrflow.errors import InputError
from pssrflow.seeded import generator
from pssrflow.simulate.files import discard, write_ome, write_slices
from pssrflow.simulate.settings import Microscope
from pssrflow.simulate.tissue import scene
from pssrflow.volumes.blocks import spans

# The detector's noise is drawn, and the tissue rendered, for fixed squares of this many pixels: a
# Poisson draw takes an unknown number of random words, so a square is always made whole.
BLOCK = 256

# The probe is cut at this many standard deviations.
TRUNCATE = 4.0


@dataclass(frozen=True)
class Place:
    """What of which tissue a microscope scans, and for which time.

    Attributes
    ----------
    seed : int
        Which tissue.
    origin_nm : tuple of float
        Where in the tissue (y, x) the field begins.
    shift_nm : tuple of float
        Displacement (y, x) of the scanned field over the tissue, as by drift of the stage; what
        is seen moves the other way in the image.
    draw : int
        Which realisation of the noise.
    first_plane : int
        The plane of the tissue that is plane 0 of the scan.
    """

    seed: int
    origin_nm: tuple[float, ...] = (0.0, 0.0)
    shift_nm: tuple[float, ...] = (0.0, 0.0)
    draw: int = 0
    first_plane: int = 0

    @property
    def corner_nm(self) -> tuple[float, ...]:
        """Upper left corner (y, x) of the field, in the tissue."""
        return tuple(float(o + s) for o, s in zip(self.origin_nm, self.shift_nm, strict=True))


def acquire(
    path: Path | str,
    microscope: Microscope,
    place: Place,
    shape: tuple[int, ...],
    block: int = 1024,
) -> Path:
    """Scan a field and write it as a microscope would, block row by block row.

    Parameters
    ----------
    path : path-like
        One OME-TIFF (BigTIFF beyond 4 GB) if the name ends with ``.ome.tif`` or ``.ome.tiff``, else
        a folder of TIFF slices ``slice_1.tif``, ``slice_2.tif``, ..., ``slice_10.tif``.
    microscope : Microscope
    place : Place
    shape : tuple of int
        Planes, rows and columns.
    block : int
        Rows held in memory at once, rounded up to what is rendered together (`BLOCK`).

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

    def strips(plane: int) -> Iterator[np.ndarray]:
        for y0, y1 in spans(0, shape[1], math.ceil(block / BLOCK) * BLOCK):
            yield scan(microscope, place, plane, slice(y0, y1), slice(0, shape[2]))

    partial = path.with_name(f".{path.name}.partial")
    discard(partial)
    partial.parent.mkdir(parents=True, exist_ok=True)
    if path.name.lower().endswith((".ome.tif", ".ome.tiff")):
        write_ome(partial, microscope, shape, strips, _identity(place))
    else:
        write_slices(partial, microscope, shape, strips)
    os.replace(partial, path)
    return path


def _identity(place):
    """What names the tissue and the scan in a file."""
    shift, origin = tuple(place.shift_nm), tuple(place.origin_nm)
    return place.seed, shift, place.first_plane, origin, place.draw


def scan(microscope: Microscope, place: Place, plane: int, rows: slice, cols: slice) -> np.ndarray:
    """Scan a region of a plane.

    The bytes do not depend on how a field is cut into regions.

    Parameters
    ----------
    microscope : Microscope
    place : Place
    plane : int
    rows, cols : slice
        Pixels, 0 or more, of this microscope's grid. Pixel i is centred i + 0.5 steps from the
        corner, so the centre of a pixel k times larger is that of k small ones.

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
    top, left = rows.start or 0, cols.start or 0
    field = np.empty((rows.stop - top, cols.stop - left), microscope.dtype)
    for (y0, y1), (x0, x1) in itertools.product(
        spans(top, rows.stop, BLOCK), spans(left, cols.stop, BLOCK)
    ):
        block = y0 // BLOCK, x0 // BLOCK
        pixels = scan_block(microscope, place, plane, block)
        y, x = y0 - block[0] * BLOCK, x0 - block[1] * BLOCK
        field[y0 - top : y1 - top, x0 - left : x1 - left] = pixels[y : y + y1 - y0, x : x + x1 - x0]
    return field


def scan_block(
    microscope: Microscope, place: Place, plane: int, block: tuple[int, int]
) -> np.ndarray:
    """One fixed square of a field."""
    plane += place.first_plane
    corner = [
        c + b * BLOCK * microscope.step_nm for c, b in zip(place.corner_nm, block, strict=True)
    ]
    signal = sample(place.seed, microscope, plane, corner, (BLOCK, BLOCK))
    # Floats, for 4 and 4.0 nm are the same step.
    key = map(float, (place.seed, place.draw, plane, *block, *corner, *microscope.numbers))
    return detect(signal, microscope, generator(*key))


def expected(
    microscope: Microscope, place: Place, plane: int, rows: slice, cols: slice
) -> np.ndarray:
    """Mean of all scans of a region, as `scan`: the truth behind each, before it saturates.

    Returns
    -------
    ndarray of float32
        Grey levels.
    """
    corner = [
        c + side.start * microscope.step_nm
        for c, side in zip(place.corner_nm, (rows, cols), strict=True)
    ]
    shape = rows.stop - rows.start, cols.stop - cols.start
    signal = sample(place.seed, microscope, plane + place.first_plane, corner, shape)
    counts = signal * (microscope.counts_per_us * microscope.dwell_us)
    return np.asarray(counts * microscope.gain + microscope.offset, np.float32)


def sample(
    seed: int,
    microscope: Microscope,
    plane: int,
    corner_nm: Sequence[float],
    shape: tuple[int, int],
) -> np.ndarray:
    """Signal under the probe at every pixel: the blurred scene at single points, never averaged.

    Parameters
    ----------
    seed : int
    microscope : Microscope
    plane : int
    corner_nm : sequence of float
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


def detect(signal: np.ndarray, microscope: Microscope, rng: np.random.Generator) -> np.ndarray:
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

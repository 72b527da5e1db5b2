"""How two images of a field lie beside each other where a shift is not all: drift, tilt, zoom.

Pieces of the field are measured one by one. A shift, an affine map and a smooth field are fitted to
half of the pieces and compared on the other half, by the correlation of what they show; a map that
needs more numbers is taken where it is better there, and then fitted to all.
"""

import functools
import itertools
import logging
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import interpolate, ndimage
from skimage.registration import phase_cross_correlation

from pssrflow.pairs.aligned import Floats, Warp
from pssrflow.volumes.blocks import spans

log = logging.getLogger(__name__)

# Pixels of a piece, HR pixels per LR pixel times this at least; and pieces along an axis at most.
PIECE, SMALLEST, MOST = 24, 96, 8
# Pieces below which only a shift is known, and nodes of a smooth field along each axis.
FEW, NODES = 9, 8
# How much better a map with more numbers must be on what it was not fitted to: correlation.
BETTER = 2e-3
# Weight of a smooth field's curvature against its residuals.
STIFF = 0.01
FRACTION = 50

Images = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]


class Piece(NamedTuple):
    """A piece of the field: where its middle lies, and the displacement there (y, x)."""

    box: tuple[slice, slice]
    middle: Floats
    moved: Floats


class Fitted(NamedTuple):
    """A map of displacements: its name, and a function of places (n, 2) that gives them (n, 2)."""

    name: str
    at: Callable[[Floats], Floats]


Fit = Callable[[list[Piece]], Fitted]


def distortion(images: Images, scale: int, fraction: tuple[float, float]) -> Fitted | None:
    """What is left between two images of a field, or None where a shift is all.

    Parameters
    ----------
    images : tuple of ndarray (y, x) of float32
        The HR image and the interpolated LR one, a whole shift apart no more, smoothed alike.
    scale : int
        HR pixels per LR pixel.
    fraction : tuple of float
        What is left of the shift (y, x), which is all that a map must beat.
    """
    pieces = _pieces(images, scale, fraction)
    if len(pieces) < FEW:
        return None
    shift = Fitted("translation", lambda at: np.tile(fraction, (len(at), 1)))
    halves = pieces[::2], pieces[1::2]
    best: Fit = functools.partial(_always, shift)
    for name, fit in FITS.items():
        gains = [
            _agreement(images, fit(one), other) - _agreement(images, best(one), other)
            for one, other in (halves, halves[::-1])
        ]
        log.info("%s: correlation on the other half %+.4f, %+.4f", name, *gains)
        if min(gains) > 0 and np.mean(gains) > BETTER:
            best = fit
    found = best(pieces)
    return None if found is shift else found


def _always(fitted: Fitted, pieces: list[Piece]) -> Fitted:
    return fitted


def _pieces(images: Images, scale: int, fraction: tuple[float, float]) -> list[Piece]:
    """Pieces that can be measured, in a chequered order."""
    shape = images[0].shape
    side = max(SMALLEST, PIECE * scale, *(-(-n // MOST) for n in shape))
    boxes = itertools.product(
        *([s for s in spans(0, n, side) if s[1] - s[0] >= SMALLEST] for n in shape)
    )
    found = []
    for rows, cols in boxes:
        box = slice(*rows), slice(*cols)
        moved = _moved(images, box, scale)
        # A piece without structure gives any shift.
        if moved is not None and np.abs(moved - fraction).max() < 2 * scale + 4:
            middle = np.array([(s.start + s.stop - 1) / 2 for s in box])
            found.append(Piece(box, middle, moved))
    number = [sum(int(m) // side for m in piece.middle) for piece in found]
    order = sorted(range(len(found)), key=lambda i: (number[i] % 2, i))
    half = (len(found) + 1) // 2
    mixed = itertools.zip_longest(order[:half], order[half:])
    pieces = [found[i] for pair in mixed for i in pair if i is not None]
    return _without_outliers(pieces)


def _moved(images: Images, box: tuple[slice, slice], scale: int) -> Floats | None:
    fixed, other = (_flat(image[box], scale) for image in images)
    if min(np.ptp(fixed), np.ptp(other)) == 0:
        return None
    found, *_ = phase_cross_correlation(fixed, other, normalization=None, upsample_factor=FRACTION)
    return np.asarray(found, float)


def _flat(image: npt.NDArray[np.float32], scale: int) -> npt.NDArray[np.float32]:
    level = image - ndimage.gaussian_filter(image, 8 * scale)
    return (level - level.mean()) * np.outer(*(np.hanning(n) for n in image.shape))


def _without_outliers(pieces: list[Piece]) -> list[Piece]:
    """Pieces whose displacement is like that of all, as far as an affine map tells."""
    if len(pieces) < FEW:
        return pieces
    left = np.array([p.moved for p in pieces]) - _affine(pieces).at(
        np.array([p.middle for p in pieces])
    )
    away = np.abs(left - np.median(left, 0)).max(1)
    usual = 4 * 1.48 * np.median(away) + 0.1
    return [piece for piece, one in zip(pieces, away) if one <= usual]


def _affine(pieces: list[Piece]) -> Fitted:
    middles, moved = (np.array([getattr(p, n) for p in pieces]) for n in ("middle", "moved"))
    sides = np.column_stack([np.ones(len(middles)), middles])
    factors, *_ = np.linalg.lstsq(sides, moved, rcond=None)
    return Fitted("affine", lambda at: np.column_stack([np.ones(len(at)), at]) @ factors)


def _smooth(pieces: list[Piece]) -> Fitted:
    middles, moved = (np.array([getattr(p, n) for p in pieces]) for n in ("middle", "moved"))
    field = interpolate.RBFInterpolator(
        middles, moved, kernel="thin_plate_spline", smoothing=STIFF * len(pieces), degree=1
    )
    return Fitted("smooth", field)


FITS: dict[str, Fit] = {"affine": _affine, "smooth": _smooth}


def _agreement(images: Images, fitted: Fitted, pieces: list[Piece]) -> float:
    """Correlation of the images in some pieces, moved as a map says."""
    truth, coarse = images
    found = []
    for piece in pieces:
        grid = np.mgrid[piece.box].astype(float)
        moved = fitted.at(grid.reshape(2, -1).T).T.reshape(grid.shape)
        there = ndimage.map_coordinates(truth, grid + moved, order=1, mode="nearest")
        here = coarse[piece.box]
        if np.ptp(there) and np.ptp(here):
            found.append(np.corrcoef(there.ravel(), here.ravel())[0, 1])
    return float(np.mean(found)) if found else 0.0


def warp_of(fitted: Fitted, corner: tuple[int, int], shape: tuple[int, ...]) -> Warp:
    """A map as nodes over the HR plane.

    Parameters
    ----------
    fitted : Fitted
        Of places in a window of the plane.
    corner : tuple of int
        Where the window begins, y and x.
    shape : tuple of int
        y and x of the plane.
    """
    number = 2 if fitted.name == "affine" else NODES
    axes = [np.linspace(0, n - 1, number) - c for n, c in zip(shape, corner)]
    places = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
    nodes = fitted.at(places.reshape(-1, 2)).reshape(places.shape)
    return Warp.of(nodes.round(4), shape)

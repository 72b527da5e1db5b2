"""What a network must beat: interpolation, smoothed interpolation, a constant.

On a noisy scan plain interpolation is no baseline: a Gaussian before it gains a decibel or two.
How wide it is, is chosen on rows that are learnt from, never on those that are judged.
"""

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from pssrflow.evaluate.metrics import AffineFit, mse, psnr
from pssrflow.pairs.aligned import aligned, read_shift
from pssrflow.pairs.mask import Mask, known, open_mask
from pssrflow.pairs.registration import middle
from pssrflow.run.files import write_json
from pssrflow.volumes.blocks import with_halo
from pssrflow.volumes.interpolation import interpolate
from pssrflow.volumes.rectangles import Reader
from pssrflow.volumes.store import Store

FORMAT = 1
# Standard deviations that are tried, in HR pixels, and those at which the Gaussian is cut.
WIDTHS = (0.0, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0, 1.2, 1.5, 1.8, 2.2, 2.7, 3.3, 4.0, 5.0, 6.0, 8.0)
TRUNCATE = 4.0
# HR pixels along y and x that are compared of each row, and rows that are.
WINDOW, MOST_ROWS = 1024, 16
SMOOTHED, CONSTANT = "smoothed", "constant"


def plain(scale: int) -> str:
    """Name of what interpolation makes: at scale 1 it is the input itself."""
    return "bicubic" if scale > 1 else "input"


@dataclass(frozen=True)
class Blurred:
    """An LR store whose rectangles are read after a Gaussian.

    Attributes
    ----------
    store : Store
    sigma : float
        LR pixels.
    """

    store: Store
    sigma: float

    @property
    def volume(self) -> Any:
        """What the metadata of the store say."""
        return self.store.volume

    def reader(self) -> Reader:
        """Function that reads rectangles of planes, float32, however they are cut."""
        return functools.partial(_blurred, self.store, self.sigma)


def _blurred(store, sigma, plane, rows, cols):
    around = math.ceil(TRUNCATE * sigma)
    wide = [
        with_halo(s.start, s.stop, n, around, 1)
        for s, n in zip((rows, cols), store.volume.shape[3:])
    ]
    values = store.reader()(plane, *wide).astype(np.float32)
    smooth = ndimage.gaussian_filter(values, sigma, mode="nearest", truncate=TRUNCATE)
    inside = (slice(s.start - w.start, s.stop - w.start) for s, w in zip((rows, cols), wide))
    return smooth[tuple(inside)]


def smoothed(
    lr: Store, plane: tuple[int, ...], rows: slice, cols: slice, scale: int, width: float
) -> np.ndarray:
    """Interpolation of a rectangle of the SR plane after a Gaussian.

    Parameters
    ----------
    lr : Store
    plane : tuple of int
        t, c, z.
    rows, cols : slice
        SR pixels.
    scale : int
    width : float
        Standard deviation of the Gaussian, HR pixels.
    """
    source: Any = Blurred(lr, width / scale) if width else lr
    return interpolate(source, plane, rows, cols, scale)


def choose_width(rows: Sequence[Mapping[str, Any]], scale: int, done: Path | str) -> None:
    """Choose the Gaussian that brings interpolation closest to the HR images of rows.

    Parameters
    ----------
    rows : sequence of mapping
        Of rows that are learnt from: sample, hr, lr and mask (stores, or None), acquired, and the
        registration of those that were.
    scale : int
    done : path-like
        JSON with `width` (HR pixels; without rows half an LR pixel), and what was compared.
    """
    used = rows[:: max(1, -(-len(rows) // MOST_ROWS))]
    measured = (psnr_by_width(row, scale) for row in used)
    found = [gains for gains in measured if not math.isnan(gains[0])]
    width = WIDTHS[int(np.argmax(np.mean(found, axis=0)))] if found else scale / 2
    about = {"samples": [row["sample"] for row in used], "widths": list(WIDTHS)}
    gains = np.mean(found, axis=0) - np.mean(found, axis=0)[0] if found else np.zeros(0)
    rounded = np.round(gains, 3).tolist()
    write_json(done, {"format": FORMAT, "width": width, **about, "psnr_gain": rounded})


def psnr_by_width(row: Mapping[str, Any], scale: int, window: int = WINDOW) -> list[float]:
    """PSNR of smoothed interpolation after an affine fit, by `WIDTHS`, in the middle of a row.

    NaN where a mask leaves nothing of it.

    Parameters
    ----------
    row : mapping
        As of `choose_width`.
    scale : int
    window : int
        HR pixels along y and x that are compared at most.
    """
    hr, lr = Store(row["hr"]), Store(row["lr"])
    shift, rest = read_shift(row["registration"] if row["acquired"] else None)
    plane = tuple(n // 2 for n in hr.volume.shape[:3])
    sizes = zip(hr.volume.shape[3:], lr.volume.shape[3:], shift)
    extents = [min(n * scale, h - max(0, d)) + min(0, d) for h, n, d in sizes]
    boxes = [_moved(middle(n, window), max(0, -d)) for n, d in zip(extents, shift)]
    places = (_moved(s, d) for s, d in zip(boxes, shift))
    truth = aligned(hr, rest)(plane, *places).astype(np.float32)
    if row["mask"]:
        mask = open_mask(row["mask"], lr.volume.shape, scale, hr.volume.shape, shift)
        truth = known(truth, mask.valid(plane, *boxes))
        if np.isnan(truth).all():
            return [math.nan] * len(WIDTHS)
    span = hr.volume.intensity.ranges[plane[1]].span
    rows, cols = boxes
    made = (smoothed(lr, plane, rows, cols, scale, width) for width in WIDTHS)
    return [_affine_psnr(truth, image, span) for image in made]


def _moved(side, by):
    return slice(side.start + by, side.stop + by)


def _affine_psnr(truth, image, span):
    fit = AffineFit()
    fit.add(truth, image)
    gain, offset = fit.solve()
    error = mse(truth, gain * image + offset, span)
    return psnr(max(error, 1e-12 * span**2), span)


def mean_level(store: Store, plane: tuple[int, ...], mask: Mask | None = None) -> float:
    """Mean grey level of what counts of a plane, which is read in bands of its shards."""
    (height, width), band = store.volume.shape[3:], store.volume.shard_shape()[3]
    bands = (slice(top, min(top + band, height)) for top in range(0, height, band))
    read, total, pixels = store.reader(), 0.0, 0
    for rows in bands:
        place = plane, rows, slice(0, width)
        values = read(*place) if mask is None else read(*place)[mask.touched(*place)]
        total, pixels = total + float(values.sum(dtype=np.float64)), pixels + values.size
    return total / max(pixels, 1)


def baselines(
    lr: Store, plane: tuple[int, ...], box: tuple[slice, slice], scale: int, width: float
) -> Iterator[tuple[str, np.ndarray]]:
    """Name and image (float32) of the interpolations of a rectangle of the SR plane."""
    yield plain(scale), interpolate(lr, plane, *box, scale)
    yield SMOOTHED, smoothed(lr, plane, *box, scale, width)

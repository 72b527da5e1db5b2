"""What a network must beat: interpolation, smoothed or denoised before, and a constant.

On a noisy scan plain interpolation is no baseline: a Gaussian before it gains a decibel or two.
How wide it is, and how strong the denoiser, is chosen on rows that are learnt from, never on those
that are judged.
"""

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage
from skimage.restoration import denoise_nl_means

from pssrflow.evaluate.metrics import AffineFit, psnr
from pssrflow.pairs.aligned import aligned, read_shift
from pssrflow.pairs.mask import Mask, known, open_mask
from pssrflow.pairs.registration import middle
from pssrflow.run.files import read_json, write_json
from pssrflow.volumes.blocks import with_halo
from pssrflow.volumes.intensity import finest, noise_of
from pssrflow.volumes.interpolation import interpolate
from pssrflow.volumes.rectangles import Reader
from pssrflow.volumes.store import Store

FORMAT = 2
# Standard deviations that are tried, in HR pixels, and those at which the Gaussian is cut.
WIDTHS = (0.0, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0, 1.2, 1.5, 1.8, 2.2, 2.7, 3.3, 4.0, 5.0, 6.0, 8.0)
TRUNCATE = 4.0
# HR pixels along y and x that are compared of each row, and rows that are.
WINDOW, MOST_ROWS = 1024, 16
LANCZOS, SMOOTHED, DENOISED, CONSTANT = "lanczos", "smoothed", "denoised", "constant"
# Strengths of the denoiser that are tried, in standard deviations of the noise; its patches and
# how far they are looked for, LR pixels (Buades et al. 2011, doi:10.5201/ipol.2011.bcm_nlm).
STRENGTHS = (0.4, 0.6, 0.8, 1.0, 1.3, 1.7)
PATCH, DISTANCE = 5, 6
# LR pixels that reach into a denoised or resampled one.
DENOISING_REACH, LANCZOS_REACH = PATCH // 2 + DISTANCE, 4


@dataclass(frozen=True)
class Baselines:
    """How baselines are made.

    Attributes
    ----------
    width : float
        Standard deviation of the Gaussian of smoothed interpolation, HR pixels.
    strength : float
        Of the denoiser, in standard deviations of the noise.
    """

    width: float = 0.0
    strength: float = 0.8

    @classmethod
    def read(cls, path: Path | str) -> "Baselines":
        """As `choose` wrote them."""
        found = read_json(path, FORMAT)
        return cls(found["width"], found["strength"])


def plain(scale: int) -> str:
    """Name of what interpolation makes: at scale 1 it is the input itself."""
    return "bicubic" if scale > 1 else "input"


@dataclass(frozen=True)
class Filtered:
    """An LR store whose rectangles are read after a filter.

    Attributes
    ----------
    store : Store
    filter : callable (ndarray) -> ndarray
        Of float32 planes.
    reach : int
        LR pixels that reach into one.
    """

    store: Store
    filter: Callable[[np.ndarray], np.ndarray]
    reach: int

    @property
    def volume(self) -> Any:
        """What the metadata of the store say."""
        return self.store.volume

    def reader(self) -> Reader:
        """Function that reads rectangles of planes, float32, however they are cut."""
        return functools.partial(_filtered, self)


def _filtered(one, plane, rows, cols):
    wide = [
        with_halo(s.start, s.stop, n, one.reach, 1)
        for s, n in zip((rows, cols), one.store.volume.shape[3:])
    ]
    made = one.filter(one.store.reader()(plane, *wide).astype(np.float32))
    inside = (slice(s.start - w.start, s.stop - w.start) for s, w in zip((rows, cols), wide))
    return made[tuple(inside)]


def denoised(
    lr: Store, plane: tuple[int, ...], rows: slice, cols: slice, scale: int, strength: float
) -> np.ndarray:
    """Interpolation of a rectangle of the SR plane after non-local means; as `smoothed`.

    The noise is that of the middle of the plane, so that pieces do not show.
    """
    sides = [middle(n, WINDOW // 2) for n in lr.volume.shape[3:]]
    sigma = float(noise_of(finest(lr.reader()(plane, *sides))))
    if not sigma:
        return interpolate(lr, plane, rows, cols, scale)
    nearby = functools.partial(_non_local, sigma=sigma, strength=strength)
    source: Any = Filtered(lr, nearby, DENOISING_REACH)
    return interpolate(source, plane, rows, cols, scale)


def _non_local(values, sigma, strength):
    how = {"patch_size": PATCH, "patch_distance": DISTANCE, "fast_mode": True}
    # Grey levels of about one: its weights are single numbers.
    level = np.float32(values.mean())
    scaled = (values - level) / np.float32(sigma)
    found = denoise_nl_means(scaled, h=strength, sigma=1.0, **how)
    return (found * np.float32(sigma) + level).astype(np.float32)


def lanczos(lr: Store, plane: tuple[int, ...], rows: slice, cols: slice, scale: int) -> np.ndarray:
    """Interpolation of a rectangle of the SR plane by a windowed sinc of three lobes."""
    sizes = lr.volume.shape[3:]
    wide = [
        with_halo(s.start // scale, -(-s.stop // scale), n, LANCZOS_REACH, 1)
        for s, n in zip((rows, cols), sizes)
    ]
    image = Image.fromarray(lr.reader()(plane, *wide).astype(np.float32))
    (top, bottom), (left, right) = (
        (s.start / scale - w.start, s.stop / scale - w.start) for s, w in zip((rows, cols), wide)
    )
    size = cols.stop - cols.start, rows.stop - rows.start
    made = image.resize(size, Image.Resampling.LANCZOS, (left, top, right, bottom))
    return np.asarray(made, np.float32)


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
    if not width:
        return interpolate(lr, plane, rows, cols, scale)
    sigma = width / scale
    blur = functools.partial(
        ndimage.gaussian_filter, sigma=sigma, mode="nearest", truncate=TRUNCATE
    )
    source: Any = Filtered(lr, blur, math.ceil(TRUNCATE * sigma))
    return interpolate(source, plane, rows, cols, scale)


def choose(rows: Sequence[Mapping[str, Any]], scale: int, done: Path | str) -> None:
    """Choose the Gaussian and the denoiser that come closest to the HR images of rows.

    Parameters
    ----------
    rows : sequence of mapping
        Of rows that are learnt from: sample, hr, lr and mask (stores, or None), acquired, and the
        registration of those that were.
    scale : int
    done : path-like
        JSON with `width` (HR pixels; without rows half an LR pixel) and `strength`, and what was
        compared.
    """
    used = rows[:: max(1, -(-len(rows) // MOST_ROWS))]
    found = [_Middle(row, scale) for row in used]
    found = [one for one in found if one.counts]
    widths, strengths = (
        np.mean([of(one) for one in found], axis=0) if found else np.zeros(0)
        for of in (_Middle.by_width, _Middle.by_strength)
    )
    told = {
        "width": WIDTHS[int(np.argmax(widths))] if found else scale / 2,
        "strength": STRENGTHS[int(np.argmax(strengths))] if found else Baselines.strength,
        "samples": [row["sample"] for row in used],
        "widths": list(WIDTHS),
        "psnr_gain": np.round(widths - widths[0], 3).tolist() if found else [],
        "strengths": list(STRENGTHS),
        "psnr_gain_denoised": np.round(strengths - widths[0], 3).tolist() if found else [],
    }
    write_json(done, {"format": FORMAT, **told})


def psnr_by_width(row: Mapping[str, Any], scale: int, window: int = WINDOW) -> list[float]:
    """PSNR of smoothed interpolation after an affine fit, by `WIDTHS`, in the middle of a row.

    NaN where a mask leaves nothing of it.

    Parameters
    ----------
    row : mapping
        As of `choose`.
    scale : int
    window : int
        HR pixels along y and x that are compared at most.
    """
    found = _Middle(row, scale, window)
    return found.by_width() if found.counts else [math.nan] * len(WIDTHS)


class _Middle:
    """The middle of the middle plane of a row: its truth, and its LR image on the same place."""

    def __init__(self, row, scale, window=WINDOW):
        hr, self.lr, self.scale = Store(row["hr"]), Store(row["lr"]), scale
        shift, rest = read_shift(row["registration"] if row["acquired"] else None)
        self.plane = tuple(n // 2 for n in hr.volume.shape[:3])
        sizes = zip(hr.volume.shape[3:], self.lr.volume.shape[3:], shift)
        extents = [min(n * scale, h - max(0, d)) + min(0, d) for h, n, d in sizes]
        self.boxes = [_moved(middle(n, window), max(0, -d)) for n, d in zip(extents, shift)]
        places = (_moved(s, d) for s, d in zip(self.boxes, shift))
        self.truth = aligned(hr, rest)(self.plane, *places).astype(np.float32)
        if row["mask"]:
            mask = open_mask(row["mask"], self.lr.volume.shape, scale, hr.volume.shape, shift)
            self.truth = known(self.truth, mask.valid(self.plane, *self.boxes))
        self.span = hr.volume.intensity.ranges[self.plane[1]].span

    @property
    def counts(self) -> bool:
        """Whether a mask leaves anything of it."""
        return not np.isnan(self.truth).all()

    def by_width(self) -> list[float]:
        """PSNR of smoothed interpolation, by `WIDTHS`."""
        return [self._psnr(smoothed, width) for width in WIDTHS]

    def by_strength(self) -> list[float]:
        """PSNR of denoised interpolation, by `STRENGTHS`."""
        return [self._psnr(denoised, strength) for strength in STRENGTHS]

    def _psnr(self, make, how):
        image = make(self.lr, self.plane, *self.boxes, self.scale, how)
        return _affine_psnr(self.truth, image, self.span)


def _moved(side, by):
    return slice(side.start + by, side.stop + by)


def _affine_psnr(truth, image, span):
    fit = AffineFit()
    fit.add(truth, image)
    gain, offset = fit.solve()
    error = float(np.nanmean((truth - gain * image - offset) ** 2, dtype=np.float64))
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
    lr: Store, plane: tuple[int, ...], box: tuple[slice, slice], scale: int, how: Baselines
) -> Iterator[tuple[str, np.ndarray]]:
    """Name and image (float32) of the interpolations of a rectangle of the SR plane."""
    yield plain(scale), interpolate(lr, plane, *box, scale)
    if scale > 1:
        yield LANCZOS, lanczos(lr, plane, *box, scale)
    yield SMOOTHED, smoothed(lr, plane, *box, scale, how.width)
    yield DENOISED, denoised(lr, plane, *box, scale, how.strength)

"""How an acquired LR image lies beside the HR image of the same field."""

import logging
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy import fft, ndimage
from skimage.registration import phase_cross_correlation

from pssrflow.errors import InputError
from pssrflow.pairs.distortion import distortion, warp_of
from pssrflow.pairs.field import check_pair
from pssrflow.pairs.mask import open_mask
from pssrflow.run.files import write_json
from pssrflow.volumes.interpolation import interpolate
from pssrflow.volumes.store import Store

log = logging.getLogger(__name__)

# HR pixels along y and x that are compared; shifts are far smaller.
WINDOW = 2048
# Images show the same field where the peak of their correlation stands out from all other shifts
# by this many standard deviations. Chance peaks of 100 pairs of other tissue reached 6 to 9.3;
# real pairs, and simulated ones of half a microsecond a pixel, 70 and more.
SAME_FIELD = 12.0
# Weight, of pixels around, below which a place that does not count has the mean of all.
LIGHTEST = 1e-3
# Of the file that is written.
FORMAT = 1
# Sub-pixel shifts are measured to a fiftieth of an HR pixel.
FRACTION = 50


@dataclass(frozen=True)
class Match:
    """How two images of a field lie beside each other.

    Attributes
    ----------
    shift : tuple of int
        (y, x) in HR pixels, such that ``truth[i + y, j + x]`` shows what ``coarse[i, j]`` does.
    subpixel : tuple of float
        The same, to a fraction of a pixel.
    correlation : float
        Pearson's, of the smoothed images after `shift`; chance alone makes 0.3 of some textures.
    significance : float
        Height of the correlation's peak, in standard deviations over all other shifts.
    """

    shift: tuple[int, int]
    subpixel: tuple[float, float]
    correlation: float
    significance: float

    @property
    def same_field(self) -> bool:
        """Whether the images show the same field; False where there is no structure at all."""
        return self.significance >= SAME_FIELD and self.correlation > 0


def register(
    hr: Store,
    lr: Store,
    scale: int,
    sample: str,
    done: Path | str,
    mask: Path | str | None = None,
) -> None:
    """Measure the shift of an acquired pair on its middle plane and write it as JSON.

    Parameters
    ----------
    hr, lr : Store
        Of one field.
    scale : int
    sample : str
    done : path-like
    mask : path-like, optional
        Store; what is 0 in it is left out of both images.

    Raises
    ------
    InputError
        The sizes do not agree with the scale, the images show different fields, or the mask is
        of another size or leaves nothing.
    """
    hr_volume, lr_volume = hr.volume, lr.volume
    check_pair(sample, hr_volume.shape, lr_volume.shape, scale)
    plane = tuple(n // 2 for n in hr_volume.shape[:3])
    rows, cols = (
        middle(min(h, n * scale)) for h, n in zip(hr_volume.shape[3:], lr_volume.shape[3:])
    )
    truth = hr.reader()(plane, rows, cols).astype(np.float32)
    coarse = interpolate(lr, plane, rows, cols, scale)
    if mask is None:
        match = measure_shift(truth, coarse, scale)
    else:
        match = _within(mask, (hr_volume, lr_volume), (plane, rows, cols), (truth, coarse), scale)
    log.info("%s: HR lies %s HR pixels beside LR, %s", sample, match.subpixel, match)
    if not match.same_field:
        raise InputError(
            f"sample {sample!r}",
            "path and lr_path do not show the same field "
            f"(correlation {match.correlation:.2f}, significance {match.significance:.1f})",
            f"an LR image of the field that the HR image shows (significance {SAME_FIELD:g})",
        )
    found = {name: np.round(value, 4).tolist() for name, value in asdict(match).items()}
    warp = None
    if mask is None:
        warp = _distorted(match, (truth, coarse), scale, (rows, cols), hr_volume.shape[3:])
    write_json(done, {"format": FORMAT, **found, "warp": warp})


def _distorted(match, images, scale, window, shape):
    """What a shift leaves, as JSON: nodes of displacements over the HR plane; None if nothing."""
    smooth = _smoothed(*images, scale)
    fraction = tuple(float(s - w) for s, w in zip(match.subpixel, match.shift))
    fitted = distortion(_laid_over(smooth, match.shift), scale, fraction)
    if fitted is None:
        return None
    corner = [side.start + max(0, d) for side, d in zip(window, match.shift)]
    warp = warp_of(fitted, corner, shape)
    log.info("HR lies beside LR by a map that is %s: %s", fitted.name, warp.nodes)
    return {"kind": fitted.name, "nodes": warp.nodes, "shape": list(warp.shape)}


def _within(mask, volumes, place, images, scale):
    """Match of what counts; where that lies in the other image is known after a first look."""
    shapes = [volume.shape for volume in volumes]
    plane, rows, cols = place
    shift = (0, 0)
    for _ in range(2):
        opened = open_mask(mask, shapes[1], scale, shapes[0], shift)
        # On the grid of the LR image, and where that lies in the HR image.
        moved = (slice(s.start - d, s.stop - d) for s, d in zip((rows, cols), shift))
        valid = opened.valid(plane, *moved), opened.valid(plane, rows, cols)
        if not all(v.any() for v in valid):
            raise InputError(
                f"mask_path, {mask}",
                "a mask that is 0 all over the middle plane",
                "a mask that is not 0 where the images count",
            )
        match = measure_shift(*images, scale, valid)
        shift = match.shift
    return match


def measure_shift(
    truth: np.ndarray,
    coarse: np.ndarray,
    scale: int,
    valid: tuple[np.ndarray, np.ndarray] | None = None,
) -> Match:
    """Shift between an HR image and an LR image interpolated to its pixels.

    Correlation with spectra whitened in part, so that many fine structures decide rather than few
    large ones; the sub-pixel part by Guizar-Sicairos et al. 2008, doi:10.1364/OL.33.000156.

    Parameters
    ----------
    truth, coarse : ndarray (y, x) of float32
        Of one shape; any grey scale.
    scale : int
        HR pixels per LR pixel.
    valid : tuple of ndarray (y, x) of bool, optional
        Which pixels of each count.

    Returns
    -------
    Match
    """
    if valid is not None:
        truth, coarse = (_filled(i, v, 8 * scale) for i, v in zip((truth, coarse), valid))
    smooth = _smoothed(truth, coarse, scale)
    if min(np.ptp(i) for i in smooth) == 0:
        return Match((0, 0), (0.0, 0.0), float("nan"), 0.0)
    first, second = smooth
    shift, significance = _highest(correlation_map(first, second, scale), scale)
    fixed, moved = _laid_over(smooth, shift)
    correlation = float(np.corrcoef(fixed.ravel(), moved.ravel())[0, 1])
    fraction = _fraction(fixed, moved, scale)
    return Match(shift, tuple(s + f for s, f in zip(shift, fraction)), correlation, significance)


def _smoothed(truth, coarse, scale):
    """Both images, without finer detail than the LR image has: that is noise."""
    return [ndimage.gaussian_filter(np.asarray(i, np.float32), scale / 2) for i in (truth, coarse)]


def _laid_over(images, shift):
    """What both images show, a whole shift apart."""
    both = zip(images, (shift, [-v for v in shift]))
    return tuple(image[_overlap(image.shape, d)] for image, d in both)


def _filled(image, valid, reach):
    """An image whose pixels that do not count have the mean level of those around."""
    sums = (
        ndimage.gaussian_filter(np.where(valid, i, 0).astype(np.float32), reach)
        for i in (image, np.ones_like(image))
    )
    total, weight = sums
    level = np.where(weight > LIGHTEST, total / np.maximum(weight, LIGHTEST), image[valid].mean())
    return np.where(valid, image, level)


def correlation_map(truth: np.ndarray, coarse: np.ndarray, scale: int) -> np.ndarray:
    """Correlation at every shift, whitened in part; the shift zero comes first, as in an FFT."""
    spectra = [fft.rfft2(_flat(image, scale)) for image in (truth, coarse)]
    cross = spectra[0] * spectra[1].conj()
    return fft.irfft2(cross / np.sqrt(np.abs(cross) + np.finfo(np.float32).tiny), s=truth.shape)


def _flat(image, scale):
    """Without shading, and fading out towards the borders."""
    level = image - ndimage.gaussian_filter(image, 8 * scale)
    return (level - level.mean()) * np.outer(*(np.hanning(n) for n in image.shape))


def _highest(peaks, scale):
    """Shift of the highest peak, and how far it stands out from the rest."""
    shape = peaks.shape
    top = np.unravel_index(peaks.argmax(), shape)
    away = [np.minimum((np.arange(n) - t) % n, (t - np.arange(n)) % n) for n, t in zip(shape, top)]
    rest = peaks[np.hypot(away[0][:, None], away[1]) > 4 * scale]
    shift = tuple(int(t) if t <= n // 2 else int(t) - n for t, n in zip(top, shape))
    return shift, float((peaks[top] - rest.mean()) / rest.std())


def _fraction(fixed, moved, scale):
    """Rest of a shift, less than a pixel or two."""
    found, _, _ = phase_cross_correlation(
        *(_flat(i, scale) for i in (fixed, moved)), normalization=None, upsample_factor=FRACTION
    )
    return [float(f) if abs(f) < scale else 0.0 for f in found]


def _overlap(shape, shift):
    return tuple(slice(max(0, d), n + min(0, d)) for n, d in zip(shape, shift))


def middle(length: int, most: int = WINDOW) -> slice:
    """The middle of an axis: `most` of its pixels, or all."""
    start = max(0, (length - most) // 2)
    return slice(start, min(length, start + most))

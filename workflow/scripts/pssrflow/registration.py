"""How an acquired LR image lies beside the HR image of the same field."""

import logging

import numpy as np
from scipy import ndimage
from skimage.registration import phase_cross_correlation

from pssrflow.errors import InputError
from pssrflow.jobs import write_json
from pssrflow.patches import check_pair
from pssrflow.store import open_level, read_volume
from pssrflow.tiles import interpolate

log = logging.getLogger(__name__)

# HR pixels along y and x that are compared; shifts are far smaller.
WINDOW = 2048
# Below this correlation two images do not show the same field.
SAME_FIELD = 0.3


def register(hr, lr, scale, sample, done):
    """Measure the shift of an acquired pair on its middle plane and write it as JSON.

    Parameters
    ----------
    hr, lr : path-like
        OME-Zarr stores of one field.
    scale : int
    sample : str
    done : path-like

    Raises
    ------
    InputError
        The sizes do not agree with the scale, or the images show different fields.
    """
    hr_volume, lr_volume = read_volume(hr), read_volume(lr)
    check_pair(sample, hr_volume.shape, lr_volume.shape, scale)
    plane = tuple(n // 2 for n in hr_volume.shape[:3])
    rows, cols = (
        _middle(min(h, n * scale)) for h, n in zip(hr_volume.shape[3:], lr_volume.shape[3:])
    )
    truth = open_level(hr)[(*plane, rows, cols)].astype(np.float32)
    coarse = interpolate(open_level(lr), plane, rows, cols, scale, lr_volume.intensity)
    shift, correlation = measure_shift(truth, coarse, scale)
    log.info("%s: HR lies %s HR pixels beside LR, correlation %.3f", sample, shift, correlation)
    if not correlation >= SAME_FIELD:  # a constant plane has no correlation at all
        raise InputError(
            f"sample {sample!r}",
            f"path and lr_path do not show the same field (correlation {correlation:.2f})",
            "an LR image of the field that the HR image shows",
        )
    write_json(done, {"shift": shift, "correlation": round(correlation, 4)})


def measure_shift(truth, coarse, scale):
    """Whole-pixel shift between an HR image and an interpolated LR image, and their correlation.

    Phase correlation, Guizar-Sicairos et al. 2008, doi:10.1364/OL.33.000156.

    Returns
    -------
    shift : list of int
        (y, x), such that ``truth[i + y, j + x]`` shows what ``coarse[i, j]`` does.
    correlation : float
        Pearson's, after the shift.
    """
    # The LR image has no finer detail than this, only noise.
    smooth = [ndimage.gaussian_filter(i, scale / 2) for i in (truth, coarse)]
    taper = np.outer(*(np.hanning(n) for n in truth.shape))
    tapered = [(i - i.mean()) * taper for i in smooth]
    found, _, _ = phase_cross_correlation(*tapered, normalization=None)
    shift = [int(v) for v in found]
    fixed, moved = (
        image[_overlap(truth.shape, d)] for image, d in zip(smooth, (shift, [-v for v in shift]))
    )
    return shift, float(np.corrcoef(fixed.ravel(), moved.ravel())[0, 1])


def _overlap(shape, shift):
    return tuple(slice(max(0, d), n + min(0, d)) for n, d in zip(shape, shift))


def _middle(length):
    start = max(0, (length - WINDOW) // 2)
    return slice(start, min(length, start + WINDOW))

"""Compare a prediction and its bicubic baseline with the truth, plane by plane."""

import functools
import itertools
import logging
import math
from collections import defaultdict

import numpy as np
import pandas as pd

from pssrflow.evaluate.metrics import MEANS, AffineFit, nrmse, psnr
from pssrflow.volumes.interpolation import interpolate
from pssrflow.volumes.store import Store

log = logging.getLogger(__name__)

# Planes above this many pixels along an axis are measured in pieces, which bounds the memory.
LARGEST = 2048


def evaluate(hr, lr, sr, scale, shift, sample, model, table):
    """Write one row of metrics per plane and method.

    Parameters
    ----------
    hr, lr, sr : path-like
        OME-Zarr stores.
    scale : int
    shift : tuple of int
        HR pixels (y, x) by which the truth lies beside the LR image; (0, 0) if it was crappified.
    sample, model : str
    table : path-like
        CSV.
    """
    stores = Store(hr), Store(lr), Store(sr)
    volume = stores[0].volume
    data_range = volume.intensity.white - volume.intensity.black
    rows = []
    for plane in itertools.product(*(range(n) for n in volume.shape[:3])):
        place = {"sample": sample, "model": model} | dict(zip("tcz", plane))
        pieces = functools.partial(_pieces, *stores, plane, scale, shift)
        rows += [place | row for row in measure_plane(pieces, data_range)]
    frame = pd.DataFrame(rows)
    order = ["sample", "model", "method", "t", "c", "z"]
    frame[order + [c for c in frame if c not in order]].to_csv(table, index=False)
    log.info("\n%s", frame.groupby("method")[["psnr", "ssim", "psnr_affine"]].mean().round(3))


def _pieces(truth, coarse, predicted, plane, scale, shift):
    """Truth and images of every piece of a plane, float32, read one piece at a time."""
    for sr_box, hr_box in matched_boxes(truth.shape[3:], predicted.shape[3:], shift):
        images = {
            "sr": predicted[(*plane, *sr_box)].astype(np.float32),
            "bicubic": interpolate(coarse, plane, *sr_box, scale),
        }
        yield truth[(*plane, *hr_box)].astype(np.float32), images


def matched_boxes(hr_shape, sr_shape, shift):
    """Rectangles of the SR plane and of the truth that show the same pixels.

    Returns
    -------
    list of ((slice, slice), (slice, slice))
    """
    axes = []
    for hr, sr, d in zip(hr_shape, sr_shape, shift):
        start, stop = max(0, -d), min(sr, hr - d)
        count = math.ceil((stop - start) / LARGEST)
        edges = np.linspace(start, stop, count + 1).astype(int).tolist()
        axes.append([(slice(a, b), slice(a + d, b + d)) for a, b in itertools.pairwise(edges)])
    return [tuple(zip(rows, cols)) for rows, cols in itertools.product(*axes)]


def measure_plane(pieces, data_range):
    """Every metric of one plane, raw and after one affine fit of the whole plane to the truth.

    Parameters
    ----------
    pieces : callable () -> iterable of (truth, images)
        2-D float32 arrays; `images` per method. Called twice: for the fit, then for the metrics.
    data_range : float
        Range of the detector.

    Returns
    -------
    list of dict
        One per method.
    """
    fits, low, high = defaultdict(AffineFit), math.inf, -math.inf
    for truth, images in pieces():
        low, high = min(low, truth.min()), max(high, truth.max())
        for method, image in images.items():
            fits[method].add(truth, image)
    solved = {method: fit.solve() for method, fit in fits.items()}
    values, weights = defaultdict(list), []
    for truth, images in pieces():
        weights.append(truth.size)
        for method, image in images.items():
            gain, offset = (np.float32(v) for v in solved[method])
            fitted = gain * image + offset
            values[method].append(
                [m(truth, i, data_range) for i in (image, fitted) for m in MEANS.values()]
            )
    return [
        {"method": method}
        | _row(np.average(v, axis=0, weights=weights), data_range, float(high - low))
        | dict(zip(("affine_gain", "affine_offset"), solved[method]))
        for method, v in values.items()
    ]


def _row(means, data_range, extent):
    names = [f"{m}{suffix}" for suffix in ("", "_affine") for m in MEANS]
    row = dict(zip(names, means.tolist()))
    ordered = {}
    for suffix in ("", "_affine"):
        error = row[f"mse{suffix}"]
        ordered[f"psnr{suffix}"] = psnr(error, data_range)
        ordered |= {f"{m}{suffix}": row[f"{m}{suffix}"] for m in ("ssim", "ms_ssim")}
        ordered[f"nrmse{suffix}"] = nrmse(error, extent)
        ordered[f"pixel_error{suffix}"] = row[f"pixel_error{suffix}"]
    return ordered

"""Where no line relates the grey levels of both scans: detectors of another contrast."""

from collections.abc import Sequence

import numpy as np

from pssrflow.calibrate.scanner.estimate import Fit, brightness, kernel_of
from pssrflow.calibrate.scanner.mean import Response
from pssrflow.calibrate.scanner.noise import tally, without_luck

# Pixels that a grey level needs to count, and levels.
ENOUGH, FEWEST = 100, 4
# Departures from a line must stand out by this, on average over grey levels, in squared standard
# deviations; and be as large as half a grey level of the detector somewhere.
SIGNIFICANT, VISIBLE = 4.0, 0.5


def response_of(fit: Fit, lr_step: float) -> Response | None:
    """Mean residual by brightness, where it is beyond doubt none of chance.

    Parameters
    ----------
    fit : Fit
        Of a line.
    lr_step : float
        One grey level of the LR detector.

    Returns
    -------
    Response or None
        None where a line does.
    """
    rows = zip(fit.fields, fit.evidence, fit.keeps, fit.model.fractions)
    blocks = np.concatenate([_tally(fit, *row) for row in rows])
    n, shown, rest = blocks.sum(axis=0).T
    full = n >= ENOUGH
    if full.sum() < FEWEST:
        return None
    n, level, off = n[full], shown[full] / n[full], rest[full] / n[full]
    # Between blocks: residuals that resemble their neighbours are fewer than they seem.
    scatter = blocks[:, full, 2] - off * blocks[:, full, 0]
    variance = (scatter**2).sum(axis=0) / n**2 + 1e-12
    if np.mean(off**2 / variance) < SIGNIFICANT or np.abs(off).max() < VISIBLE * lr_step:
        return None
    order = np.argsort(level)
    # What is uncertain is drawn to the line.
    off = off * off**2 / (off**2 + variance)
    values = np.maximum.accumulate((level + off / fit.model.gain)[order])
    return Response(_plain(level[order]), _plain(values))


def _tally(fit, field, evidence, keep, fraction):
    """Prediction and residual by block and brightness, free of the noise that sorted the pixels."""
    bright, broad = brightness(field, fit.model.optics, fraction)
    sums = tally(field.block, bright, fit.edges, keep, evidence.shown, evidence.rest)
    shared = float(kernel_of(field, fit.model.optics, fraction).ravel() @ broad)
    shown = without_luck(sums, bright[keep], fit.edges, shared, fit.hr_line)[..., 1]
    # Noise of the HR frame is in the residual, too, with opposite sign.
    rest = sums[..., 2] + fit.model.gain * (sums[..., 1] - shown)
    return np.stack([sums[..., 0], shown, rest], axis=-1)


def _plain(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(v) for v in values)


def largest(response: Response, gain: float) -> float:
    """How far a response is from a line at most, LR grey."""
    return gain * float(np.abs(np.subtract(response.values, response.levels)).max())


def as_step(response: Response, dark: float) -> dict[str, Sequence[float]]:
    """Keys of the step `response` of a crappifier."""
    return {
        "levels": [round(level + dark, 4) for level in response.levels],
        "values": [round(value + dark, 4) for value in response.values],
    }

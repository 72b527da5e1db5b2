"""Numbers behind the plots of a calibration."""

from typing import Any

import numpy as np

from pssrflow.calibrate.scanner.checks import HeldOut
from pssrflow.calibrate.scanner.estimate import Fit, Solution
from pssrflow.calibrate.scanner.noise import line

# Bins of the histogram of residuals, in standard deviations; lags of their covariance; and pixels
# of the crops that show the registration.
HISTOGRAM = np.linspace(-5, 5, 51)
LAGS = 6
CROP = 64

# Numbers by what they are.
Curve = dict[str, np.ndarray]


def curves(fit: Fit, found: Solution, held: list[HeldOut]) -> dict[str, Any]:
    """Lists for plots.

    Parameters
    ----------
    fit : Fit
    found : Solution
    held : list of HeldOut

    Returns
    -------
    dict
    """
    return {
        "variance_lr": variance_lr(fit, found),
        "variance_hr": variance_hr(fit, found),
        "residuals": residuals(held),
        "autocorrelation": autocorrelation(fit),
        "spectrum": spectrum(fit),
        "crops": crops(fit),
    }


def _points(tally):
    n, x, y = tally[tally[:, 0] >= 30].T
    return x / n, y / n, y / n * np.sqrt(2 / n)


def variance_lr(fit: Fit, found: Solution) -> Curve:
    """Variance of the LR frame on its mean, HR noise taken off, and the fitted line."""
    tally = sum(e.lr_tally.sum(axis=0) for e in fit.evidence)
    signal, variance, error = _points(tally)
    slope, base = line(tally)
    gain = fit.model.gain
    survives = gain**2 * np.mean([e.survives for e in fit.evidence])
    slope, base = slope - survives * found.hr_slope, base - survives * found.hr_base
    variance = variance - survives * (found.hr_slope * signal + found.hr_base)
    return {
        "mean": gain * signal + fit.model.offset,
        "variance": variance,
        "error": error,
        "line": slope * signal + base,
    }


def variance_hr(fit: Fit, found: Solution) -> Curve:
    """Variance of the HR frame on its mean (grey above dark), and the fitted line."""
    mean, variance, error = _points(sum(t.sum(axis=0) for t in fit.hr_tallies))
    fitted = found.hr_slope * mean + found.hr_base
    return {"mean": mean, "variance": variance, "error": error, "line": fitted}


def residuals(held: list[HeldOut]) -> Curve:
    """Histogram of held-out residuals in standard deviations, and of those of the model."""
    standard = np.concatenate([h.standard[h.keep] for h in held])
    drawn = np.concatenate([(h.drawn / np.sqrt(h.variance))[h.keep] for h in held])
    found, drawn = (
        np.histogram(v, HISTOGRAM)[0] / max(len(v), 1) / np.diff(HISTOGRAM)
        for v in (standard, drawn)
    )
    return {"edges": HISTOGRAM, "found": found, "model": drawn}


def autocorrelation(fit: Fit) -> dict[str, list]:
    """Correlation of residuals with those 0 to 6 LR pixels further along x and along y."""
    parts = [np.where(k, e.rest, 0) for e, k in zip(fit.evidence, fit.keeps)]
    return {
        "lag": list(range(LAGS + 1)),
        "x": [_shifted(parts, (0, k)) for k in range(LAGS + 1)],
        "y": [_shifted(parts, (k, 0)) for k in range(LAGS + 1)],
    }


def _shifted(parts, by):
    product = sum(
        float((p[: len(p) - by[0], : p.shape[1] - by[1]] * p[by[0] :, by[1] :]).sum())
        for p in parts
    )
    return product / max(sum(float((p**2).sum()) for p in parts), 1e-12)


def spectrum(fit: Fit) -> Curve:
    """Radially averaged power of the first pair: LR frame, prediction and residual."""
    field, evidence = fit.fields[0], fit.evidence[0]
    predicted = fit.model.gain * evidence.shown + fit.model.offset
    found = {"lr": field.lr, "predicted": predicted, "residual": evidence.rest}
    frequency, _ = _radial(field.lr)
    return {"frequency": frequency, **{name: _radial(image)[1] for name, image in found.items()}}


def _radial(image):
    """Power by spatial frequency, cycles per LR pixel."""
    tapered = (image - image.mean()) * np.outer(*(np.hanning(n) for n in image.shape))
    power = np.abs(np.fft.fft2(tapered)) ** 2 / image.size
    y, x = (np.fft.fftfreq(n) for n in image.shape)
    ring = np.rint(np.hypot(y[:, None], x) * 64).astype(int).ravel()
    mean = np.bincount(ring, power.ravel()) / np.maximum(np.bincount(ring), 1)
    return np.arange(1, 33) / 64, mean[1:33]


def crops(fit: Fit) -> Curve:
    """Middle of the first pair: LR frame, and the HR frame before and after registration."""
    field, evidence = fit.fields[0], fit.evidence[0]
    middle = tuple(slice(max(0, (n - CROP) // 2), min(n, (n + CROP) // 2)) for n in field.lr.shape)
    after = fit.model.gain * evidence.shown + fit.model.offset
    return {
        "lr": np.rint(field.lr[middle]),
        "before": np.rint(_unmoved(fit, middle)),
        "after": np.rint(after[middle]),
    }


def _unmoved(fit, middle):
    """Prediction of the first pair as if its HR frame were not shifted."""
    field, scale = fit.fields[0], fit.fields[0].scale
    first = [slice(s.start, s.stop) for s in middle]
    corner = [c - m for c, m in zip(field.corner, field.moved)]
    places = [
        np.clip(c + scale * np.arange(s.start, s.stop), 0, n - 1)
        for c, s, n in zip(corner, first, field.hr.shape)
    ]
    blurred = fit.model.gain * field.hr[np.ix_(*places)] + fit.model.offset
    return blurred


def points(tally: np.ndarray, dark: float) -> Curve:
    """Variance of a single frame on its mean, and the fitted line."""
    tally = tally.sum(axis=0)
    signal, variance, error = _points(tally)
    slope, base = line(tally)
    fitted = slope * signal + base
    return {"mean": signal + dark, "variance": variance, "error": error, "line": fitted}

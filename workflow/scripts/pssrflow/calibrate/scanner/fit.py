"""From pairs of images to a calibration."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import ndimage

from pssrflow.calibrate.result import Calibration, Pair
from pssrflow.calibrate.scanner.estimate import (
    Fit,
    beneath,
    brightness,
    estimate,
    gather,
    resample,
)
from pssrflow.calibrate.scanner.local import differing, further, nowhere
from pssrflow.calibrate.scanner.mean import corrected_squares, first_guess, fit_mean
from pssrflow.calibrate.scanner.noise import (
    ENOUGH,
    Levels,
    away,
    clear,
    edges_of,
    frame_tally,
    line,
    no_signal,
    pile_up,
)
from pssrflow.calibrate.scanner.optics import Optics, cut
from pssrflow.calibrate.scanner.response import response_of
from pssrflow.calibrate.scanner.summary import (
    Fitted,
    Registered,
    Saturation,
    no_match,
    summarised,
    too_small,
)
from pssrflow.errors import InputError
from pssrflow.pairs.registration import WINDOW, measure_shift, middle
from pssrflow.seeded import generator

# Kernels that are tried, and the width that each starts from. A point-scanning microscope samples:
# another kernel must be better than the first by `BETTER` standard errors.
FAMILIES = {"probe": 0.4, "area": 1.0, "bilinear": 1.0, "bicubic": 1.0, "linear": 1.0}
BETTER = 3.0
# Noise must be below none at black by this many standard deviations for black to be no dark level.
NO_SIGNAL = 4.0
# A lag must stand out by this many standard deviations.
LAG_SIGNIFICANT = 4.0
# Fits, each with the saturated pixels and the lag that the one before found.
ROUNDS = 3
# Full width (LR pixels) of the Gaussian that says whether a place is near saturation.
BROAD = 2.0


def fit_pairs(
    pairs: Sequence[Pair], scale: int, dark: float | None = None, seed: int = 0
) -> Calibration:
    """Calibrate a fast scan (LR) against a slow scan (HR) of the same fields.

    Parameters
    ----------
    pairs : list of Pair
        Of one detector and one setting; each may lie beside the other by its own shift.
    scale : int
        HR pixels per LR pixel.
    dark : float, optional
        HR grey level without signal, from a scan with the beam blanked. Images with read noise do
        not tell it; those with hardly any show where shot noise vanishes. None: 0, or that level
        where it lies above.
    seed : int
        Of the bootstrap and of the residuals that the model is compared with.

    Returns
    -------
    Calibration

    Raises
    ------
    InputError
        Images are no finite planes, or their sizes do not agree with the scale.
    """
    for pair in pairs:
        _check(pair, scale)
    registered = Registered(pairs, [_match(pair, scale) for pair in pairs])
    used = registered.used
    if not used:
        return no_match(registered)
    if any(cut(pair, scale, match.shift, 0, 0.0) is None for pair, match in used):
        return too_small(registered)
    fitted = _fitted(registered, scale, dark or 0.0, seed)
    # A curve of grey levels follows the level that it counts from, which is then another one.
    for _ in range(ROUNDS if dark is None else 0):
        if not (above := _no_signal(fitted.found, fitted.replicates)):
            break
        fitted = _fitted(registered, scale, fitted.dark + above, seed)
    return summarised(registered, fitted, seed)


def _fitted(registered, scale, dark, seed):
    limits = _saturation([pair for pair, _ in registered.used], dark)
    fit, replicates, found, local = _fit(registered, scale, dark, limits, generator(seed, "blocks"))
    return Fitted(fit, found, replicates, limits, dark, local)


def _no_signal(found, replicates):
    """HR grey at which the noise of the LR frame vanishes; 0 if not beyond doubt above none."""
    doubt = NO_SIGNAL * float(replicates.read_variance.std())
    beyond = found.read_variance < -doubt
    return float(no_signal(found.count_gain * found.vector[0], found.read_variance)) * beyond


def _check(pair, scale):
    for name in ("hr", "lr"):
        image = np.asarray(getattr(pair, name))
        if image.ndim != 2 or not np.isfinite(image).all():
            found = f"{name} of shape {image.shape}, not finite everywhere or not a plane"
            raise InputError(f"pair {pair.name!r}", found, "planes (y, x) of finite numbers")
    sizes = zip(pair.hr.shape, pair.lr.shape)
    if any(abs(math.ceil(h / scale) - n) > 1 for h, n in sizes):
        raise InputError(
            f"pair {pair.name!r}",
            f"HR {pair.hr.shape} and LR {pair.lr.shape} do not agree with scale {scale}",
            "an HR image larger than the LR image by the scale along y and x",
        )


def _match(pair, scale):
    """How a pair lies in its middle; a cubic spline through the LR pixels is the LR image."""
    rows, cols = (middle(n, WINDOW // scale) for n in pair.lr.shape)
    lr = np.asarray(pair.lr[rows, cols], np.float32)
    coarse = ndimage.zoom(lr, scale, order=3, mode="nearest", grid_mode=True)
    start = rows.start * scale, cols.start * scale
    fine = pair.hr[start[0] : start[0] + len(coarse), start[1] : start[1] + coarse.shape[1]]
    return measure_shift(fine, coarse[: fine.shape[0], : fine.shape[1]], scale)


def _saturation(pairs, dark):
    """Levels at which each detector saturates: LR grey, and HR grey above dark."""
    lr = pile_up(np.concatenate([p.lr.ravel() for p in pairs]), max(p.lr_step for p in pairs))
    hr = pile_up(np.concatenate([p.hr.ravel() for p in pairs]), max(p.hr_step for p in pairs))
    return Saturation(lr, Levels(*(None if v is None else v - dark for v in hr)))


def _fit(registered, scale, dark, limits, rng):
    """Fit of the last round, its replicates and its solution, and what differs by place."""
    step = registered.lr_step
    start = [tuple(np.subtract(match.subpixel, match.shift)) for _, match in registered.used]
    optics, fit = Optics(scale, "probe", FAMILIES["probe"] ** 2), None
    for _ in range(ROUNDS):
        fields = [cut(p, scale, m.shift, optics.memory, dark) for p, m in registered.used]
        fit = _round(fields, optics, start, limits, fit)
        found, replicates = _solved(fit, step, rng)
        lag = _significant(found.lag, replicates.lag)
        if abs(lag - optics.lag) < 0.002 and limits.nowhere:
            break
        optics = replace(fit.model.optics, lag=lag)
    fit = _best_kernel(fit)
    if response := response_of(fit, step):
        fit = _refitted(fit, replace(fit.model, response=response))
    fit, local = _evened(fit)
    found, replicates = _solved(fit, step, rng)
    return fit, replicates, found, local


def _evened(fit):
    """Fit of scans that are equally bright and in place everywhere, and what was taken off."""
    fields, local, columns = fit.fields, nowhere(fit.fields), differing(fit)
    # Where slopes are steep, a step of Newton's goes half the way.
    for _ in range(ROUNDS if columns else 0):
        local = further(fit, local, columns)
        # Noise of the slow scan stays as it was measured on the scan itself.
        evened = [local.taken_off(field, number) for number, field in enumerate(fields)]
        fit = _refitted(replace(fit, fields=evened), fit.model)
    return fit, local


def _solved(fit, step, rng):
    """Solution of a fit, and its replicates."""
    found = estimate(fit.evidence, fit.model, fit.shares, step)
    return found, resample(fit.evidence, fit.model, step, rng)


def _significant(lag, replicates):
    return float(np.clip(lag, 0, 0.9)) if lag > LAG_SIGNIFICANT * replicates.std() else 0.0


def _round(fields, optics, start, limits, before):
    """One fit of all fields with a kernel."""
    keeps = _unsaturated(fields, optics, limits, before)
    frames = [beneath(field) for field in fields]
    edges = edges_of(*(frame[:: f.scale, :: f.scale] for (frame, _), f in zip(frames, fields)))
    tallies = [frame_tally(frame, block, edges, away(frame, limits.hr)) for frame, block in frames]
    hr_line = line(sum(tally.sum(axis=0) for tally in tallies))
    shares = [np.ones(len(tally)) for tally in tallies]
    model = first_guess(fields, optics, start, hr_line, keeps, shares)
    model = fit_mean(fields, model, hr_line, keeps, shares)
    return _gathered(fields, keeps, model, hr_line, tallies, edges)


def _gathered(fields, keeps, model, hr_line, tallies, edges):
    evidence = [
        gather(field, model, fraction, keep, edges, tally, hr_line)
        for field, fraction, keep, tally in zip(fields, model.fractions, keeps, tallies)
    ]
    return Fit(fields, keeps, model, hr_line, tallies, evidence, edges)


def _unsaturated(fields, optics, limits, before):
    """LR pixels whose noise stays clear of the levels at which a detector saturates.

    What decides is the HR frame, seen so broadly that its noise does not matter: to choose by a
    noisy value would bias what is left.
    """
    if before is None:
        return [away(field.lr, limits.lr, far=2) for field in fields]
    lr_line = line(sum(e.lr_tally.sum(axis=0) for e in before.evidence))
    keeps = []
    for field, fraction in zip(fields, before.model.fractions):
        signal = np.maximum(brightness(field, optics, fraction, BROAD)[0], 0)
        mean = before.model.gain * signal + before.model.offset
        lr_sd, hr_sd = (np.sqrt(of.at(signal)) for of in (lr_line, before.hr_line))
        keep = clear(mean, lr_sd, limits.lr) & clear(signal, hr_sd, limits.hr)
        keeps.append(keep if keep.mean() > ENOUGH else np.ones_like(keep))
    return keeps


def _best_kernel(fit):
    """The kernel that leaves least, if it is better than the first beyond doubt."""
    first, found, least = _squares(fit), fit, 0.0
    for kernel, width in FAMILIES.items():
        if kernel == fit.model.optics.kernel:
            continue
        other = _with_kernel(fit, kernel, width)
        less = _squares(other) - first
        doubt = less.std() * math.sqrt(len(less))
        if less.sum() < min(least, -BETTER * doubt):
            found, least = other, less.sum()
    return found


def _with_kernel(fit, kernel, width):
    optics = replace(fit.model.optics, kernel=kernel, square=width**2)
    model = first_guess(fit.fields, optics, fit.model.fractions, fit.hr_line, fit.keeps, fit.shares)
    return _refitted(fit, model)


def _refitted(fit, model):
    """Fit of the same fields that begins at another model."""
    model = fit_mean(fit.fields, model, fit.hr_line, fit.keeps, fit.shares)
    return _gathered(fit.fields, fit.keeps, model, fit.hr_line, fit.hr_tallies, fit.edges)


def _squares(fit):
    sums = [e.sums for e in fit.evidence]
    return corrected_squares(sums, fit.model.gain, fit.hr_line)

"""From pairs of images to a calibration."""

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from pssrflow.calibrate.scanner.estimate import (
    Evidence,
    beneath,
    brightness,
    estimate,
    gather,
    resample,
)
from pssrflow.calibrate.scanner.mean import Theta, corrected_squares, first_guess, fit_mean
from pssrflow.calibrate.scanner.noise import (
    ENOUGH,
    away,
    bounds,
    clear,
    edges_of,
    frame_tally,
    line,
    pile_up,
)
from pssrflow.calibrate.scanner.optics import Field, Optics, cut
from pssrflow.calibrate.scanner.summary import no_match, report, too_small
from pssrflow.errors import InputError
from pssrflow.pairs.registration import WINDOW, measure_shift
from pssrflow.seeded import generator

# Kernels that are tried, and the width that each starts from. A point-scanning microscope samples:
# another kernel must be better than the first by `BETTER` standard errors.
FAMILIES = {"probe": 0.4, "area": 1.0, "bilinear": 1.0, "bicubic": 1.0, "linear": 1.0}
BETTER = 3.0
# A lag must stand out by this many standard deviations.
LAG_SIGNIFICANT = 4.0
# Fits, each with the saturated pixels and the lag that the one before found.
ROUNDS = 3
# Full width (LR pixels) of the Gaussian that says whether a place is near saturation.
BROAD = 2.0


@dataclass(frozen=True)
class State:
    """A fit: fields, where they can be trusted, the mean's parameters and the evidence."""

    fields: list[Field]
    keeps: list[np.ndarray]
    theta: Theta
    hr_line: tuple[float, float]
    hr_tallies: list[np.ndarray]
    evidence: list[Evidence]
    edges: np.ndarray

    @property
    def shares(self):
        """Every block once."""
        return [np.ones(len(tally)) for tally in self.hr_tallies]


def fit_pairs(pairs, scale, dark=0.0, seed=0):
    """Calibrate a fast scan (LR) against a slow scan (HR) of the same fields.

    Parameters
    ----------
    pairs : list of Pair
        Of one detector and one setting; each may lie beside the other by its own shift.
    scale : int
        HR pixels per LR pixel.
    dark : float
        HR grey level without signal, from a scan with the beam blanked: images do not tell it.
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
    matches = [_match(pair, scale) for pair in pairs]
    same = [match.same_field for match in matches]
    if not any(same):
        return no_match(pairs, matches)
    used = [pair for pair, good in zip(pairs, same) if good]
    shifts = [match for match, good in zip(matches, same) if good]
    prepared = [cut(p, scale, m.shift, 0, dark) for p, m in zip(used, shifts)]
    if any(field is None for field in prepared):
        return too_small(pairs, matches)
    limits = _saturation(used, dark)
    state, replicates, found = _fit(used, shifts, scale, dark, limits, generator(seed, "blocks"))
    return report(pairs, matches, used, state, found, replicates, limits, seed)


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
    rows, cols = (_middle(n, WINDOW // scale) for n in pair.lr.shape)
    lr = np.asarray(pair.lr[rows, cols], np.float32)
    coarse = ndimage.zoom(lr, scale, order=3, mode="nearest", grid_mode=True)
    start = rows.start * scale, cols.start * scale
    fine = pair.hr[start[0] : start[0] + len(coarse), start[1] : start[1] + coarse.shape[1]]
    return measure_shift(fine, coarse[: fine.shape[0], : fine.shape[1]], scale)


def _middle(length, most):
    start = max(0, (length - most) // 2)
    return slice(start, min(length, start + most))


def _saturation(pairs, dark):
    """Levels (low, high) at which each detector saturates: LR grey, and HR grey above dark."""
    lr = pile_up(np.concatenate([p.lr.ravel() for p in pairs]), max(p.lr_step for p in pairs))
    hr = pile_up(np.concatenate([p.hr.ravel() for p in pairs]), max(p.hr_step for p in pairs))
    return lr, tuple(None if v is None else v - dark for v in hr)


def _fit(pairs, matches, scale, dark, limits, rng):
    """State of the last round, its replicates and its estimate."""
    step = max(p.lr_step for p in pairs)
    start = [tuple(np.subtract(m.subpixel, m.shift)) for m in matches]
    optics, state = Optics(scale, "probe", FAMILIES["probe"] ** 2), None
    for _ in range(ROUNDS):
        fields = [cut(p, scale, m.shift, optics.memory, dark) for p, m in zip(pairs, matches)]
        state = _round(fields, optics, start, limits, state)
        found = estimate(state.evidence, state.theta, state.shares, step)
        replicates = resample(state.evidence, state.theta, step, rng)
        lag = _significant(found["lag"], replicates["lag"])
        settled = abs(lag - optics.lag) < 0.002 and limits == ((None, None),) * 2
        if settled:
            break
        optics = replace(state.theta.optics, lag=lag)
    state = _best_kernel(state)
    found = estimate(state.evidence, state.theta, state.shares, step)
    return state, resample(state.evidence, state.theta, step, rng), found


def _significant(lag, replicates):
    return float(np.clip(lag, 0, 0.9)) if lag > LAG_SIGNIFICANT * replicates.std() else 0.0


def _round(fields, optics, start, limits, before):
    """One fit of all fields with a kernel."""
    keeps = _unsaturated(fields, optics, start, limits, before)
    frames = [beneath(field) for field in fields]
    edges = edges_of(*(frame[:: f.scale, :: f.scale] for (frame, _), f in zip(frames, fields)))
    low, high = bounds(limits[1])
    tallies = [frame_tally(frame, block, edges, away(frame, low, high)) for frame, block in frames]
    hr_line = line(sum(tally.sum(axis=0) for tally in tallies))
    shares = [np.ones(len(tally)) for tally in tallies]
    theta = first_guess(fields, optics, start, hr_line, keeps, shares)
    theta = fit_mean(fields, theta, hr_line, keeps, shares)
    return _state(fields, keeps, theta, hr_line, tallies, edges)


def _state(fields, keeps, theta, hr_line, tallies, edges):
    evidence = [
        gather(field, theta, fraction, keep, edges, tally, hr_line)
        for field, fraction, keep, tally in zip(fields, theta.fractions, keeps, tallies)
    ]
    return State(fields, keeps, theta, hr_line, tallies, evidence, edges)


def _unsaturated(fields, optics, start, limits, before):
    """LR pixels whose noise stays clear of the levels at which a detector saturates.

    What decides is the HR frame, seen so broadly that its noise does not matter: to choose by a
    noisy value would bias what is left.
    """
    if before is None:
        return [away(field.lr, *bounds(limits[0]), far=2) for field in fields]
    slope, base = line(sum(e.lr_tally.sum(axis=0) for e in before.evidence))
    keeps = []
    for field, fraction in zip(fields, before.theta.fractions):
        signal = np.maximum(brightness(field, optics, fraction, BROAD)[0], 0)
        mean = before.theta.gain * signal + before.theta.offset
        lr_sd = np.sqrt(np.maximum(slope * signal + base, 0))
        hr_sd = np.sqrt(np.maximum(before.hr_line[0] * signal + before.hr_line[1], 0))
        keep = clear(mean, lr_sd, limits[0]) & clear(signal, hr_sd, limits[1])
        keeps.append(keep if keep.mean() > ENOUGH else np.ones_like(keep))
    return keeps


def _best_kernel(state):
    """The kernel that leaves least, if it is better than the first beyond doubt."""
    first, found, least = _squares(state), state, 0.0
    for kernel, width in FAMILIES.items():
        if kernel == state.theta.optics.kernel:
            continue
        other = _with_kernel(state, kernel, width)
        less = _squares(other) - first
        doubt = less.std() * math.sqrt(len(less))
        if less.sum() < min(least, -BETTER * doubt):
            found, least = other, less.sum()
    return found


def _with_kernel(state, kernel, width):
    optics = replace(state.theta.optics, kernel=kernel, square=width**2)
    theta = first_guess(
        state.fields, optics, state.theta.fractions, state.hr_line, state.keeps, state.shares
    )
    theta = fit_mean(state.fields, theta, state.hr_line, state.keeps, state.shares)
    return _state(state.fields, state.keeps, theta, state.hr_line, state.hr_tallies, state.edges)


def _squares(state):
    sums = [e.sums for e in state.evidence]
    return corrected_squares(sums, state.theta.gain, state.hr_line)

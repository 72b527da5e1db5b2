"""From pairs of images to a calibration."""

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from pssrflow.calibration import curves, verdict
from pssrflow.calibration.estimate import (
    REPLICATES,
    Evidence,
    beneath,
    brightness,
    estimate,
    gather,
    interval,
    resample,
)
from pssrflow.calibration.fit import Theta, corrected_squares, first_guess, fit_mean, sums_of
from pssrflow.calibration.forward import Field, Optics, blocks, cut
from pssrflow.calibration.noise import clear, edges_of, frame_tally, line, pile_up
from pssrflow.calibration.result import Calibration, Check, Estimate
from pssrflow.errors import InputError
from pssrflow.keyed import generator
from pssrflow.registration import SAME_FIELD, measure_shift

# Kernels that are tried, and the width that each starts from. A point-scanning microscope samples:
# another kernel must be better than the first by `BETTER` standard errors.
FAMILIES = {"probe": 0.4, "area": 1.0, "bilinear": 1.0, "bicubic": 1.0, "linear": 1.0}
BETTER = 3.0
# A lag must stand out by this many standard deviations.
LAG_SIGNIFICANT = 4.0
# Fits, each with the saturated pixels and the lag that the one before found.
ROUNDS = 3
# Least share of LR pixels that must not be saturated.
ENOUGH = 0.2


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
        return _no_match(pairs, matches)
    used = [pair for pair, good in zip(pairs, same) if good]
    shifts = [match for match, good in zip(matches, same) if good]
    prepared = [cut(p, scale, m.shift, 0, dark) for p, m in zip(used, shifts)]
    if any(field is None for field in prepared):
        return _too_small(pairs, matches)
    limits = _saturation(used, dark)
    state, replicates, found = _fit(used, shifts, scale, dark, limits, generator(seed, "blocks"))
    return _report(pairs, matches, used, state, found, replicates, limits, seed)


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
    """How a pair lies; a cubic spline through the LR pixels stands for the LR image."""
    coarse = ndimage.zoom(
        np.asarray(pair.lr, np.float32), scale, order=3, mode="nearest", grid_mode=True
    )
    shape = tuple(map(min, coarse.shape, pair.hr.shape))
    window = tuple(slice(0, n) for n in shape)
    return measure_shift(np.asarray(pair.hr, np.float32)[window], coarse[window], scale)


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
    low, high = _bounds(limits[1])
    tallies = [frame_tally(frame, block, edges, _away(frame, low, high)) for frame, block in frames]
    hr_line = line(sum(tally.sum(axis=0) for tally in tallies))
    shares = [np.ones(len(tally)) for tally in tallies]
    theta = first_guess(fields, optics, start, hr_line, keeps, shares)
    theta = fit_mean(fields, theta, hr_line, keeps, shares)
    return _state(fields, keeps, theta, hr_line, tallies, edges)


def _bounds(limits):
    low, high = limits
    return -np.inf if low is None else low, np.inf if high is None else high


def _away(image, low, high, far=8):
    """Pixels far from saturated ones; all where few are."""
    saturated = (image <= low) | (image >= high)
    keep = ~ndimage.binary_dilation(saturated, iterations=far) if saturated.any() else ~saturated
    return keep if keep.mean() > ENOUGH else np.ones_like(keep)


def _state(fields, keeps, theta, hr_line, tallies, edges):
    evidence = [
        gather(field, theta, fraction, keep, edges, tally, hr_line)
        for field, fraction, keep, tally in zip(fields, theta.fractions, keeps, tallies)
    ]
    return State(fields, keeps, theta, hr_line, tallies, evidence, edges)


def _unsaturated(fields, optics, start, limits, before):
    """LR pixels whose noise stays clear of the levels at which a detector saturates.

    What decides is the prediction: to choose by the pixel's own value would bias what is left.
    """
    if before is None:
        return [_away(field.lr, *_bounds(limits[0]), far=2) for field in fields]
    slope, base = line(sum(e.lr_tally.sum(axis=0) for e in before.evidence))
    keeps = []
    for field, fraction in zip(fields, before.theta.fractions):
        signal = np.maximum(brightness(field, optics, fraction)[0], 0)
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


def _report(pairs, matches, used, state, found, replicates, limits, seed):
    """Calibration of a fit."""
    step = max(p.lr_step for p in used)
    tests = _tests(state, step, matches, seed)
    notes = _notes(tests[0], found, replicates, limits)
    return Calibration(
        pairs=_pairs(pairs, matches, found, replicates),
        parameters=_parameters(state, found, replicates, limits),
        hr_noise={"count_gain": found["hr_slope"], "read_variance": found["hr_base"]},
        effective=_effective(found),
        verdict=verdict.verdict(tests[0]),
        checks=tests[0],
        notes=tuple(notes),
        curves=curves.curves(state, found, tests[1]),
    )


def _parameters(state, found, replicates, limits):
    vector, drawn = found["vector"], replicates["vector"]
    lag = _estimate(found["lag"], replicates["lag"])
    if state.theta.optics.lag == 0:
        lag = Estimate(0.0, 0.0, max(0.0, lag.high))
    fixed = state.theta.optics.kernel == "linear"
    return {
        "kernel": Estimate(state.theta.optics.kernel),
        "width": Estimate() if fixed else _root(vector[2], drawn[:, 2]),
        "gain": _estimate(vector[0], drawn[:, 0]),
        "offset": _estimate(vector[1], drawn[:, 1]),
        "count_gain": _estimate(found["count_gain"], replicates["count_gain"]),
        "read_noise": _root(found["read_variance"], replicates["read_variance"]),
        "lag": lag,
        "saturation": Estimate(limits[0][1]),
    }


def _estimate(value, drawn):
    return Estimate(float(value), *interval(value, drawn))


def _root(square, drawn):
    """Estimate of a positive value from that of its square."""
    return Estimate(*(math.sqrt(max(v, 0.0)) for v in (square, *interval(square, drawn))))


def _effective(found):
    """Noise to add to a noisy HR frame once it is downsampled."""
    variance = found["read_variance"] - found["survives_base"]
    return {
        "count_gain": float(max(found["count_gain"] - found["survives_slope"], 0.0)),
        "read_noise": math.sqrt(max(variance, 0.0)),
    }


def _notes(tests, found, replicates, limits):
    """What a user should know about the figures."""
    if found["count_gain"] < found["survives_slope"]:
        yield "The HR frame's shot noise alone exceeds that of the LR frame; none is to be added."
    if found["read_variance"] < found["survives_base"]:
        yield "The HR frame's read noise alone exceeds that of the LR frame; none is to be added."
    if len(tests) == 1:
        yield "Too few pixels were left to check the model with."
    if interval(found["read_variance"], replicates["read_variance"])[0] < 0:
        yield "Read noise is not told from none: the image has too little that is dark."
    if limits[0][1] is not None:
        yield f"The LR detector saturates at {limits[0][1]:g}; bright pixels were left out."
    if limits[0][0] is not None:
        yield f"LR pixels pile up at {limits[0][0]:g}; dark pixels were left out."
    if any(limit is not None for limit in limits[1]):
        yield "The HR detector saturates; what it cannot show was left out."


def _pairs(pairs, matches, found, replicates):
    """Record of every pair; those used come in the order of the fitted displacements."""
    records, place = [], 3
    for pair, match in zip(pairs, matches):
        shift = [{"value": float(v), "low": None, "high": None} for v in match.subpixel]
        if match.same_field and found is not None:
            shift = []
            for axis, whole in enumerate(match.shift):
                value = float(found["vector"][place + axis])
                low, high = interval(value, replicates["vector"][:, place + axis])
                shift.append({"value": whole + value, "low": whole + low, "high": whole + high})
            place += 2
        records.append(_record(pair, match, shift))
    return tuple(records)


def _record(pair, match, shift):
    reason = "" if match.same_field else _reason(match)
    return {
        "name": pair.name,
        "shift": shift if match.same_field else None,
        "correlation": match.correlation,
        "significance": match.significance,
        "used": match.same_field,
        "reason": reason,
    }


def _reason(match):
    return (
        f"not the same field: the best match stands out by {match.significance:.1f} standard "
        f"deviations, {SAME_FIELD:g} are needed"
    )


def _matched(matches):
    """The weakest match of those that were used, or the best if none was."""
    good = [m.significance for m in matches if m.same_field]
    value = min(good) if good else max(m.significance for m in matches)
    return Check("significance of the match", value, (SAME_FIELD, None))


def _no_match(pairs, matches):
    return Calibration(
        pairs=_pairs(pairs, matches, None, None),
        verdict="does not fit",
        checks=(_matched(matches),),
        notes=("No pair shows the same field in both images: nothing was fitted.",),
    )


def _too_small(pairs, matches):
    return Calibration(
        pairs=_pairs(pairs, matches, None, None),
        checks=(_matched(matches),),
        notes=("Less than 32 LR pixels along an axis overlap: too few to fit and to check.",),
    )


def _tests(state, step, matches, seed):
    """Checks on blocks that were left out of the fit, and those pixels."""
    held = [_quarter(field.block) for field in state.fields]
    trained = estimate(state.evidence, state.theta, [~h * 1.0 for h in held], step)
    theta = state.theta.moved(trained["vector"] - state.theta.vector())
    rng = generator(seed, "residuals")
    pixels = [
        _held_out(field, evidence, theta, place, keep & quarter[field.block], trained, step, rng)
        for place, (field, evidence, keep, quarter) in enumerate(
            zip(state.fields, state.evidence, state.keeps, held)
        )
    ]
    return verdict.checks(pixels, _matched(matches)), pixels


def _quarter(block):
    """Blocks in every other row and every other column of blocks."""
    wide = int(block[0, -1]) + 1
    place = np.arange(int(block.max()) + 1)
    return (place // wide % 2 == 1) & (place % wide % 2 == 1)


def _held_out(field, evidence, theta, place, keep, trained, step, rng):
    _, rest, shown = sums_of(field, theta, theta.fractions[place], keep)
    lag, gain = theta.optics.lag, theta.gain
    signal = np.maximum(shown, 0)
    hr = gain**2 * np.maximum(trained["hr_slope"] * signal + trained["hr_base"], 0)
    counts = trained["count_gain"] * gain * signal * (1 - lag) / (1 + lag)
    read = max(trained["read_variance"], 0.0)
    variance = counts + read + step**2 / 12 + hr * evidence.survives
    count_gain = max(trained["count_gain"], 0.0)
    hr_sd = np.sqrt(hr * evidence.survives)
    drawn = verdict.draw(signal, count_gain, gain, math.sqrt(read), lag, hr_sd, step, rng)
    variance = np.maximum(variance, 1e-3 * variance.mean() + 1e-9)
    x, y = evidence.overlap
    mean = float(hr[keep].mean()) if keep.any() else 0.0
    expected = {
        "along x": float(np.mean((lag * counts + x * hr) / variance)),
        "along y": float(np.mean(y * hr / variance)),
        "brightness": -mean * evidence.survives,
        "laplacian": -mean * (2 * x + 2 * y - 4 * evidence.survives),
    }
    shown = gain * shown + theta.offset
    return verdict.HeldOut(rest, signal, variance, shown, keep, expected, drawn)


def fit_single(image, step, dark=0.0, seed=0):
    """Noise of one image without a pair, from its finest details.

    Parameters
    ----------
    image : ndarray (y, x) of float32
        On a grey scale from 0 to 255.
    step : float
        One grey level of the detector on that scale.
    dark : float
        Grey level without signal.
    seed : int
        Of the bootstrap.

    Returns
    -------
    Calibration
        All that needs a pair is None, and the verdict "cannot be checked".

    Raises
    ------
    InputError
        The image is no finite plane of at least 32 pixels along y and x.
    """
    image = np.asarray(image, np.float32)
    if image.ndim != 2 or min(image.shape) < 32 or not np.isfinite(image).all():
        raise InputError("image", f"shape {image.shape}", "a finite plane, 32 pixels or more")
    low, high = pile_up(image, step)
    keep = _away(image, *_bounds((low, high)))
    tally = frame_tally(image - np.float32(dark), blocks(image.shape), keep=keep)
    return _single(tally, step, dark, high, generator(seed, "blocks"))


def _single(tally, step, dark, high, rng):
    n = len(tally)
    shares = rng.multinomial(n, np.full(n, 1 / n), REPLICATES)
    slopes, bases = np.array([line(np.tensordot(share, tally, 1)) for share in shares]).T
    slope, base = line(tally.sum(axis=0))
    quantised = step**2 / 12
    parameters = Calibration().parameters | {
        "count_gain": _estimate(slope, slopes),
        "read_noise": _root(base - quantised, bases - quantised),
        "saturation": Estimate(high),
    }
    return Calibration(
        parameters=parameters, notes=SINGLE, curves={"variance_lr": curves.points(tally, dark)}
    )


SINGLE = (
    "Without a pair the kernel, the gain and offset relative to a slow scan, and the lag cannot be "
    "known.",
    "The noise is an upper bound where the image is undersampled: fine structure counts as noise.",
)

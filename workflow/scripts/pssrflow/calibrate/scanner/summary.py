"""What a fit is reported as."""

import math

from pssrflow.calibrate.result import Calibration, Check, Estimate
from pssrflow.calibrate.scanner import checks as verdict
from pssrflow.calibrate.scanner import curves
from pssrflow.calibrate.scanner.checks import held_out
from pssrflow.calibrate.scanner.estimate import interval
from pssrflow.pairs.registration import SAME_FIELD


def report(pairs, matches, used, state, found, replicates, limits, seed):
    """Calibration of a fit."""
    step = max(p.lr_step for p in used)
    held = held_out(state, step, seed)
    tests = verdict.checks(held, _matched(matches))
    notes = _notes(tests, found, replicates, limits)
    return Calibration(
        pairs=_pairs(pairs, matches, found, replicates),
        parameters=_parameters(state, found, replicates, limits),
        hr_noise={"count_gain": found["hr_slope"], "read_variance": found["hr_base"]},
        effective=_effective(found),
        verdict=verdict.verdict(tests),
        checks=tests,
        notes=tuple(notes),
        curves=curves.curves(state, found, held),
    )


def _parameters(state, found, replicates, limits):
    vector, drawn = found["vector"], replicates["vector"]
    lag = with_interval(found["lag"], replicates["lag"])
    if state.theta.optics.lag == 0:
        lag = Estimate(0.0, 0.0, max(0.0, lag.high))
    fixed = state.theta.optics.kernel == "linear"
    return {
        "kernel": Estimate(state.theta.optics.kernel),
        "width": Estimate() if fixed else root_of(vector[2], drawn[:, 2]),
        "gain": with_interval(vector[0], drawn[:, 0]),
        "offset": with_interval(vector[1], drawn[:, 1]),
        "count_gain": with_interval(found["count_gain"], replicates["count_gain"]),
        "read_noise": root_of(found["read_variance"], replicates["read_variance"]),
        "lag": lag,
        "saturation": Estimate(limits[0][1]),
    }


def with_interval(value, drawn):
    return Estimate(float(value), *interval(value, drawn))


def root_of(square, drawn):
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


def no_match(pairs, matches):
    return Calibration(
        pairs=_pairs(pairs, matches, None, None),
        verdict="does not fit",
        checks=(_matched(matches),),
        notes=("No pair shows the same field in both images: nothing was fitted.",),
    )


def too_small(pairs, matches):
    return Calibration(
        pairs=_pairs(pairs, matches, None, None),
        checks=(_matched(matches),),
        notes=("Less than 32 LR pixels along an axis overlap: too few to fit and to check.",),
    )

"""What a fit is reported as."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pssrflow.calibrate.result import (
    UNCHECKED,
    UNFIT,
    Calibration,
    Check,
    Estimate,
    Pair,
    verdict_of,
)
from pssrflow.calibrate.scanner.checks import checks_of, held_out
from pssrflow.calibrate.scanner.curves import curves
from pssrflow.calibrate.scanner.estimate import Fit, Solution, interval
from pssrflow.calibrate.scanner.grain import filter_of
from pssrflow.calibrate.scanner.local import Local
from pssrflow.calibrate.scanner.noise import Levels
from pssrflow.calibrate.scanner.response import as_step, largest
from pssrflow.pairs.registration import SAME_FIELD, Match


@dataclass(frozen=True)
class Registered:
    """Pairs, and how they lie beside each other.

    Attributes
    ----------
    pairs : list of Pair
    matches : list of Match
        Of each.
    """

    pairs: Sequence[Pair]
    matches: Sequence[Match]

    @property
    def used(self) -> list[tuple[Pair, Match]]:
        """Those that show the same field."""
        return [(p, m) for p, m in zip(self.pairs, self.matches) if m.same_field]

    @property
    def lr_step(self) -> float:
        """One grey level of the LR detector, of those that are used."""
        return max(pair.lr_step for pair, _ in self.used)


class Saturation(NamedTuple):
    """Levels of both detectors: LR grey, and HR grey above dark."""

    lr: Levels
    hr: Levels

    @property
    def nowhere(self) -> bool:
        """Whether neither detector saturates."""
        return all(level is None for level in (*self.lr, *self.hr))


class Fitted(NamedTuple):
    """A fit, its solution and replicates of it, where detectors saturate, dark, and by place."""

    fit: Fit
    found: Solution
    replicates: Solution
    limits: Saturation
    dark: float
    local: Local


def summarised(registered: Registered, fitted: Fitted, seed: int) -> Calibration:
    """What a fit says, with intervals, checks and a verdict."""
    fit, found, replicates, limits, dark, local = fitted
    held, correlation = held_out(fit, registered.lr_step, seed)
    tests = checks_of(held, _matched(registered.matches))
    return Calibration(
        pairs=_records(registered, found, replicates),
        parameters=_parameters(fit, found, replicates, limits) | {"dark": Estimate(dark)},
        hr_noise={"count_gain": found.hr_slope, "read_variance": found.hr_base},
        effective=_effective(found),
        grain=None if correlation is None else filter_of(correlation),
        response=as_step(fit.model.response, dark) if fit.model.response else None,
        verdict=verdict_of([t.to_json() for t in tests]) if len(tests) > 1 else UNCHECKED,
        checks=tests,
        notes=(
            *_curved(fit.model),
            *_by_place(local),
            *_grained(correlation),
            *_notes(tests, found, replicates, limits),
        ),
        curves=curves(fit, found, held),
    )


def _parameters(fit, found, replicates, limits):
    vector, drawn = found.vector, replicates.vector
    lag = with_interval(found.lag, replicates.lag)
    if fit.model.optics.lag == 0:
        lag = Estimate(0.0, 0.0, max(0.0, lag.high))
    fixed = fit.model.optics.kernel == "linear"
    return {
        "kernel": Estimate(fit.model.optics.kernel),
        "width": Estimate() if fixed else root_of(vector[2], drawn[:, 2]),
        "gain": with_interval(vector[0], drawn[:, 0]),
        "offset": with_interval(vector[1], drawn[:, 1]),
        "count_gain": with_interval(found.count_gain, replicates.count_gain),
        "read_noise": root_of(found.read_variance, replicates.read_variance),
        "lag": lag,
        "saturation": Estimate(limits.lr.high),
    }


def with_interval(value: float, drawn: np.ndarray) -> Estimate:
    """A value with the interval that its replicates give."""
    return Estimate(float(value), *interval(value, drawn))


def root_of(square: float, drawn: np.ndarray) -> Estimate:
    """Estimate of a positive value from that of its square."""
    return Estimate(*(math.sqrt(max(v, 0.0)) for v in (square, *interval(square, drawn))))


def _effective(found):
    """Noise to add to a noisy HR frame once it is downsampled."""
    variance = found.read_variance - found.survives_base
    return {
        "count_gain": float(max(found.count_gain - found.survives_slope, 0.0)),
        "read_noise": math.sqrt(max(variance, 0.0)),
    }


def _curved(model):
    if model.response:
        beside = largest(model.response, model.gain)
        yield f"Grey levels of both scans follow a curve, up to {beside:.2g} LR grey beside a line."


def _by_place(local):
    gain, y, x = local.spread
    if gain:
        yield (
            f"Brightness of the scans differs from place to place by {100 * gain:.2g} % "
            "(standard deviation), as after bleaching; it was taken off."
        )
    if y or x:
        yield (
            f"The scans lie beside one displacement by {y:.2g} and {x:.2g} HR pixels (standard "
            "deviation along y and x), as when a stage drifts; it was taken off."
        )


def _grained(correlation):
    if correlation is not None:
        middle = len(correlation) // 2
        y, x = correlation[middle + 1, middle], correlation[middle, middle + 1]
        yield (
            f"Neighbours share their noise (correlation {x:.2g} along x, {y:.2g} along y), as "
            "after resampling or averaging of lines; the step `grain` imitates it."
        )


def _notes(tests, found, replicates, limits):
    """What a user should know about the figures."""
    if found.count_gain < found.survives_slope:
        yield "The HR frame's shot noise alone exceeds that of the LR frame; none is to be added."
    if found.read_variance < found.survives_base:
        yield "The HR frame's read noise alone exceeds that of the LR frame; none is to be added."
    if len(tests) == 1:
        yield "Too few pixels were left to check the model with."
    if interval(found.read_variance, replicates.read_variance)[0] < 0:
        yield "Read noise is not told from none: the image has too little that is dark."
    if limits.lr.high is not None:
        yield f"The LR detector saturates at {limits.lr.high:g}; bright pixels were left out."
    if limits.lr.low is not None:
        yield f"LR pixels pile up at {limits.lr.low:g}; dark pixels were left out."
    if any(limit is not None for limit in limits.hr):
        yield "The HR detector saturates; what it cannot show was left out."


def _records(registered, found=None, replicates=None):
    """Record of every pair; those used come in the order of the fitted displacements."""
    records, place = [], 3
    for pair, match in zip(registered.pairs, registered.matches):
        shift = [{"value": float(v), "low": None, "high": None} for v in match.subpixel]
        if match.same_field and found is not None:
            shift = _fitted_shift(match, found, replicates, place)
            place += 2
        records.append(_record(pair, match, shift))
    return tuple(records)


def _fitted_shift(match, found, replicates, place):
    """Shift (y, x) of a pair with its interval; the vector holds its fraction from `place`."""
    shift = []
    for axis, whole in enumerate(match.shift):
        value = float(found.vector[place + axis])
        low, high = interval(value, replicates.vector[:, place + axis])
        shift.append({"value": whole + value, "low": whole + low, "high": whole + high})
    return shift


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


def no_match(registered: Registered) -> Calibration:
    """Where no pair shows one field."""
    return Calibration(
        pairs=_records(registered),
        verdict=UNFIT,
        checks=(_matched(registered.matches),),
        notes=("No pair shows the same field in both images: nothing was fitted.",),
    )


def too_small(registered: Registered) -> Calibration:
    """Where the images of a pair hardly overlap."""
    return Calibration(
        pairs=_records(registered),
        checks=(_matched(registered.matches),),
        notes=("Less than 16 LR pixels along an axis overlap: too few to fit and to check.",),
    )

"""Intervals on rows that nothing was learnt or calibrated on, and on clean images."""

import argparse
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks.tables import print_table
from benchmarks.trust.sets import EM, MODELS, SIMULATED
from benchmarks.trust.tested import Tested, by_stratum, ratios
from pssrflow.models.input import Input
from pssrflow.run.files import read_json
from pssrflow.simulate.microscope import Place, expected
from pssrflow.simulate.settings import Microscope
from pssrflow.trust.conformal import multipliers
from pssrflow.trust.promise import STRATA

LEVELS = np.arange(0.1, 0.95, 0.1)


def coverage(options: argparse.Namespace) -> None:
    """How the intervals hold on rows that nothing was learnt or calibrated on."""
    names = ["set", "network", "blocks", "coverage %", "5th percentile of planes"]
    names += [" / ".join(STRATA), "with one width everywhere", "spread to that", "width to that"]
    rows = (
        [name, model, *_covered(Tested(options.out / name / "results", model))]
        for name, model in itertools.product(options.only, MODELS)
    )
    print_table([*names, "calibration error"], rows)


def _covered(tested: Tested) -> Iterator[Any]:
    promise = tested.promise
    planes = [ratios(promise, *images) for images in tested.planes()]
    error, strata, scale, *_ = (np.concatenate(found) for found in zip(*planes))
    factors = np.array(promise.multipliers)
    inside = error <= scale * factors[strata]
    flat = tested.constant()
    sizes = [len(e) for e, *_ in planes]
    by_plane = [100 * part.mean() for part in np.split(inside, np.cumsum(sizes)[:-1])]
    own, other = by_stratum(inside, strata), by_stratum(error <= flat, strata)
    yield from (len(promise.blocks), f"{100 * inside.mean():.1f}")
    yield f"{np.percentile(by_plane, 5):.1f}"
    yield from (" / ".join(f"{v:.1f}" for v in found) for found in (own, other))
    yield f"{np.ptp(own) / max(np.ptp(other), 1e-9):.2f}"
    # One width that covers as much.
    yield f"{(scale * factors[strata]).mean() / np.quantile(error, inside.mean()):.2f}"
    at = [
        (error <= scale * np.array(multipliers(promise.blocks, q))[strata]).mean() for q in LEVELS
    ]
    yield f"{np.abs(np.array(at) - LEVELS).mean():.3f}"


def specimen(options: argparse.Namespace) -> None:
    """How the intervals for the specimen hold it, which the simulator shows without noise."""
    names = ["network", "coverage %", "5th percentile of planes", " / ".join(STRATA)]
    names += ["mean half-width", "to that of a second scan", "to one width everywhere"]
    rows = (
        [model, *_held(Tested(options.out / "simulated" / "results", model))] for model in MODELS
    )
    print_table(names, rows)


def _held(tested: Tested) -> Iterator[Any]:
    promise = tested.promise
    given = Input.of(tested.field("tested").lr.volume.intensity, promise.intensity)
    slow, place = Microscope(**EM), Place(SIMULATED["tested"]["tissue"])
    planes = []
    for z, (lr, sr, hr) in enumerate(tested.planes()):
        clean = expected(slow, place, z, *(slice(0, n) for n in hr.shape))
        planes.append(ratios(promise, lr, sr, given.scaled(clean, 0)))
    error, strata, scale, deviation = (np.concatenate(found) for found in zip(*planes))
    wide = deviation * np.array(promise.deviations)[strata]
    inside = error <= wide
    each = [100 * part.mean() for part in np.split(inside, len(planes))]
    yield from (f"{100 * inside.mean():.1f}", f"{np.percentile(each, 5):.1f}")
    yield " / ".join(f"{v:.1f}" for v in by_stratum(inside, strata))
    yield f"{wide.mean():.4f}"
    yield f"{wide.mean() / (scale * np.array(promise.multipliers)[strata]).mean():.2f}"
    yield f"{wide.mean() / np.quantile(error, inside.mean()):.3f}"


def errors(options: argparse.Namespace) -> None:
    """PSNR and gain of each network on its tested row, as the report says them."""
    names = ["set", "network", "PSNR (dB)", "strongest baseline", "gain over it (dB)"]
    rows = (
        [name, one["model"], *_told(one)]
        for name in options.only
        for one in read_json(options.out / name / "results/report.json")["measured"]["errors"]
    )
    print_table([*names, "uPSNR (dB)", "noise of the truth"], rows)


def _told(one: dict[str, Any]) -> Iterator[str]:
    psnr, gain = (_interval(one[key], form) for key, form in (("psnr", ".2f"), ("gain", "+.2f")))
    yield from (psnr, one["baseline"], gain)
    yield _interval(one["upsnr"], ".2f") if one["upsnr"] else "-"
    yield one["floor"]


def _interval(found: Sequence[float], form: str) -> str:
    value, low, high = (format(number, form) for number in found)
    return f"{value} ({low} to {high})"

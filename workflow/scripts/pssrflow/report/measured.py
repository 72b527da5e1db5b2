"""Errors with their intervals, networks beside each other, and resolution; of all test rows."""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import pyplot as plt

from pssrflow.evaluate.intervals import from_json, gained
from pssrflow.evaluate.resolution import SEVENTH, TRUTH
from pssrflow.report.pictures import Picture, data_uri
from pssrflow.run.files import read_json
from pssrflow.run.layout import Layout, Sample

# Test rows whose curves are drawn; what interpolation alone is called.
MOST, PLAIN = 6, ("bicubic", "input")
CURVES = (
    "Fourier ring correlation with a scan that shares no noise with the image: 1 where all detail "
    "is real, 0 where none is. Resolution is read where a curve crosses 1/7 (dashed)."
)
# What lengths are shown in, and how many there are in one of those that were measured in.
UNITS = {"um": ("nm", 1000.0)}
# Value, low and high.
Interval = list[float | None]


@dataclass(frozen=True)
class Errors:
    """Errors of one network on one channel of a test row, with 95 % intervals.

    Attributes
    ----------
    sample, model, channel : str
    affine : bool
        Whether they are those after an affine fit, as where the LR image was acquired.
    floor : str
        How the noise of the truth was told from the error.
    psnr : list of float
        Value, low and high; against the HR image.
    upsnr : list of float or None
        Against the specimen.
    baseline : str
        The strongest one.
    gain : list of float
        Over it, in the same blocks; against the specimen where that is known.
    """

    sample: str
    model: str
    channel: str
    affine: bool
    floor: str
    psnr: Interval
    upsnr: Interval | None
    baseline: str
    gain: Interval


@dataclass(frozen=True)
class Rivals:
    """Two networks on one channel of a test row, in the same blocks.

    Attributes
    ----------
    sample, channel, first, second : str
    gain : list of float
        PSNR (dB) of the first over the second: value, low and high.
    """

    sample: str
    channel: str
    first: str
    second: str
    gain: Interval

    @property
    def text(self) -> str:
        """Which is closer to the truth."""
        _, low, high = self.gain
        if low is None or high is None:
            return "too few blocks to tell"
        if low <= 0 <= high:
            return "cannot be told apart"
        return f"{self.first if low > 0 else self.second} is closer to the truth"


@dataclass(frozen=True)
class Resolution:
    """Resolution of one image of a channel of a test row.

    Attributes
    ----------
    sample, model, channel, image : str
    unit : str
        Of lengths.
    frc : list of float
        By Fourier ring correlation at 1/7: value, low and high.
    frc_three_sigma, decorrelation, rse, rsp : float or None
    """

    sample: str
    model: str
    channel: str
    image: str
    unit: str
    frc: Interval
    frc_three_sigma: float | None
    decorrelation: float | None
    rse: float | None
    rsp: float | None


@dataclass(frozen=True)
class Agreement:
    """What a task finds in one image of a channel of a test row, beside what it finds in the truth.

    Attributes
    ----------
    sample, model, channel, task, image : str
    objects : list of float
        In the truth, and in the image.
    dice, f1, ratio : list of float
        Value, low and high; see `pssrflow.evaluate.agreement.told`.
    """

    sample: str
    model: str
    channel: str
    task: str
    image: str
    objects: list[float]
    dice: Interval
    f1: Interval
    ratio: Interval


@dataclass(frozen=True)
class Measured:
    """What the page shows of all test rows.

    Attributes
    ----------
    errors : list of Errors
    rivals : list of Rivals
    resolution : list of Resolution
    tasks : list of Agreement
    curves : list of Picture
    """

    errors: list[Errors]
    rivals: list[Rivals]
    resolution: list[Resolution]
    tasks: list[Agreement]
    curves: list[Picture]


# What was measured of a channel, by model.
ByModel = Mapping[str, Mapping[str, Any]]


def measured(layout: Layout, samples: Iterable[Sample], models: list[str]) -> Measured:
    """Read what was measured of all test rows."""
    made = Measured([], [], [], [], [])
    for sample in (s for s in samples if s.tested):
        found = {m: read_json(layout.map_done("metrics", sample.name, m))["errors"] for m in models}
        for channel in next(iter(found.values()), {}):
            of = {model: told[channel] for model, told in found.items()}
            names = sample.name, channel
            made.errors.extend(_errors(names, of, sample.paired))
            made.rivals.extend(_rivals(names, of, sample.paired))
            made.resolution.extend(_resolution(names, of))
            made.tasks.extend(_tasks(names, of))
            if len(made.curves) < MOST and (picture := _curves(names, of)):
                made.curves.append(picture)
    return made


def _errors(names: tuple[str, str], of: ByModel, affine: bool) -> Iterator[Errors]:
    sample, channel = names
    for model, told in of.items():
        figures = told["figures"]
        found = figures[_figure("psnr", affine)]
        free = figures.get(_figure("upsnr", affine), {})
        others = {name: one for name, one in found.items() if name != "sr"}
        baseline = max(others, key=lambda name: _order(others[name]["psnr"][0]))
        about = sample, model, channel, affine, told["floor"], found["sr"]["psnr"]
        gain = free.get(baseline, others[baseline])["gain"]
        yield Errors(*about, free.get("sr", {}).get("psnr"), baseline, gain)


def _figure(name: str, affine: bool) -> str:
    return f"{name}_affine" if affine else name


def _order(value: float | None) -> float:
    return -math.inf if value is None else value


def _rivals(names: tuple[str, str], of: ByModel, affine: bool) -> Iterator[Rivals]:
    figures = {m: told["figures"][_figure("psnr", affine)]["sr"] for m, told in of.items()}
    for first, second in itertools.combinations(figures, 2):
        a, b = figures[first], figures[second]
        if None in (a["psnr"][0], b["psnr"][0]):
            continue
        value = a["psnr"][0] - b["psnr"][0]
        drawn = np.array(a["draws"], float), np.array(b["draws"], float)
        residuals = from_json(a["residuals"]), from_json(b["residuals"])
        yield Rivals(*names, first, second, gained(value, drawn, residuals).to_json())


def _resolution(names: tuple[str, str], of: ByModel) -> Iterator[Resolution]:
    """Of every network, then of what is the same beside all of them."""
    sample, channel = names
    images = [(model, "sr", told["resolution"]) for model, told in of.items()]
    same = next(iter(of.values()))["resolution"]
    images += [("", name, same) for name in same["methods"] if name != "sr"]
    for model, name, told in images:
        if one := told["methods"].get(name):
            unit, factor = UNITS.get(told["unit"], (told["unit"], 1.0))
            frc = [_times(v, factor) for v in one.get("frc", (None, None, None))]
            three_sigma, alone = (
                _times(one.get(key), factor) for key in ("frc_three_sigma", "decorrelation")
            )
            about = sample, model, channel, name, unit
            yield Resolution(*about, frc, three_sigma, alone, one["rse"], one["rsp"])


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _tasks(names: tuple[str, str], of: ByModel) -> Iterator[Agreement]:
    """Of every network, then of plain interpolation, which is the same beside all of them."""
    sample, channel = names
    same = next(iter(of.values()))["tasks"]
    for task, images in same.items():
        found = [(model, "sr", told["tasks"][task]["sr"]) for model, told in of.items()]
        found += [("", name, one) for name, one in images.items() if name != "sr"]
        for model, name, one in found:
            yield Agreement(sample, model, channel, task, name, **one)


def _curves(names: tuple[str, str], of: ByModel) -> Picture | None:
    """Fourier ring correlation of all networks, of plain interpolation and of the truth."""
    told = next(iter(of.values()))["resolution"]
    shown = {m: t["resolution"]["methods"].get("sr", {}).get("curve") for m, t in of.items()}
    shown |= {n: told["methods"].get(n, {}).get("curve") for n in (*PLAIN, TRUTH)}
    shown = {name: curve for name, curve in shown.items() if curve}
    if not shown:
        return None
    figure, axis = plt.subplots(figsize=(11, 3.6))
    for name, curve in shown.items():
        frequency = np.linspace(0, 0.5 / told["pixel"], len(curve))
        axis.plot(frequency[1:], np.array(curve, float)[1:], label=name)
    axis.plot(
        frequency[1:], np.array(told["three_sigma"], float)[1:], ":", color="gray", label="3 σ"
    )
    axis.axhline(SEVENTH, linestyle="--", color="gray", linewidth=1)
    unit = {"um": "µm"}.get(told["unit"], told["unit"])
    axis.set(ylim=(-0.1, 1.05), xlabel=f"frequency (1/{unit})", ylabel="correlation")
    axis.set_title(f"{names[0]}, channel {names[1]}: with {told['with']}", size=11)
    axis.legend()
    return Picture(data_uri(figure), f"Fourier ring correlation of {names[0]}", CURVES)

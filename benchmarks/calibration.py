"""Calibration on simulated pairs whose every parameter is known: coverage, bias, and PSSR2's own.

HR frames of 1024x1024 pixels at 4 nm through a spot of 5 nm, 4 us a pixel; LR frames of 256x256 at
16 nm through a spot of 8 nm, of the same tissue. The probe is rendered at 2 nm, for at the 4 nm
that the simulator takes for itself its width is off by some percent. Each pair is of another
tissue or of another draw of the noise. A parameter is covered if the planted value lies inside the
95 % interval. Pairs of two fields must come back as "does not fit".
"""

import argparse
import itertools
import math
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile
from scipy import signal as filters

from benchmarks.machine import heading, parser
from benchmarks.processes import answer, benchmark
from benchmarks.tables import print_table
from pssrflow.calibrate.result import Calibration, Pair
from pssrflow.calibrate.scanner.fit import fit_pairs
from pssrflow.seeded import generator
from pssrflow.simulate.microscope import sample
from pssrflow.simulate.settings import Microscope

SCALE, SIZE, PITCH = 4, 256, 2
HR = Microscope(step_nm=4, spot_nm=5)
SPOT_NM = 8
WIDTH = math.sqrt(SPOT_NM**2 - HR.spot_nm**2) / (SCALE * HR.step_nm)
# Three dwell times, each with the grey scale that an operator would choose for it.
LEVELS = {
    "4 us": {"dwell_us": 4, "gain": 1.6, "offset": 20, "read_noise": 4},
    "1 us": {"dwell_us": 1, "gain": 6, "offset": 25, "read_noise": 8},
    "0.5 us": {"dwell_us": 0.5, "gain": 9, "offset": 36, "read_noise": 12},
}
# LR pixels, along y and x.
SHIFTS = (0.0, 0.5, 1.0)
LAG = 0.3
MISMATCHED = 20
# What PSSR2 looks for.
FOUND = ("gaussian", "poisson and gaussian")
PLANTED = "LR dwell", "shift (LR px)", "lag", "parameter", "planted", "mean found", "bias (%)"
TOTAL = "parameter", "bias (%)", "largest bias of a condition (%)", "covered"


@dataclass(frozen=True)
class Condition:
    """What is planted in a pair."""

    level: str
    shift: float
    lag: float = 0.0

    @property
    def microscope(self) -> Microscope:
        """Of the LR frame."""
        return Microscope(step_nm=SCALE * HR.step_nm, spot_nm=SPOT_NM, **LEVELS[self.level])

    def planted(self, clean: np.ndarray) -> dict[str, float]:
        """Name and true value of every parameter, given the LR frame's signal."""
        lr = self.microscope
        variance = lr.gain**2 * lr.counts_per_us * lr.dwell_us * clean.mean()
        kept = (1 - self.lag) / (1 + self.lag)
        return {
            "shift y": SCALE * self.shift,
            "shift x": SCALE * self.shift,
            "width": WIDTH,
            "gain": lr.dwell_us * lr.gain / (HR.dwell_us * HR.gain),
            "offset": lr.offset,
            "count_gain": lr.gain,
            "read_noise": lr.read_noise,
            "lag": self.lag,
            "noise sd": math.sqrt(variance * kept + lr.read_noise**2 + 1 / 12),
        }


def render(seed: int, cache: Path) -> Mapping[str, np.ndarray]:
    """Noise-free frames of a tissue: HR, and LR at every shift."""
    path = cache / f"{seed}.npz"
    if not path.exists():
        reach = round(max(SHIFTS) * SCALE * HR.step_nm)
        points = SIZE * SCALE * HR.step_nm // PITCH + reach // PITCH + 8
        shape = (int(points), int(points))
        # Points at 2, 4, 6, ... nm: HR pixels are centred on 2 + 4 i nm, LR pixels on 8 + 16 i.
        fine = [
            sample(seed, Microscope(step_nm=PITCH, spot_nm=spot), 0, (1.0, 1.0), shape)
            for spot in (HR.spot_nm, SPOT_NM)
        ]
        frames = {"hr": _every(fine[0], 2, 4, SIZE * SCALE)}
        for shift in SHIFTS:
            frames[f"{shift}"] = _every(fine[1], 8 + 16 * shift, 16, SIZE)
        np.savez(path, **frames)
    return np.load(path)


def _every(fine, first, step, length):
    start, step = round(first / PITCH) - 1, step // PITCH
    return fine[start : start + step * length : step, start : start + step * length : step]


def record(
    clean: np.ndarray, microscope: Microscope, lag: float, rng: np.random.Generator
) -> np.ndarray:
    """What the detector records: counts, lag along x, read noise, rounded and saturated."""
    counts = rng.poisson(clean * (microscope.counts_per_us * microscope.dwell_us)).astype(float)
    state = lag * counts[:, :1]
    late = filters.lfilter([1 - lag], [1, -lag], counts, axis=1, zi=state)[0]
    grey = microscope.gain * late + microscope.offset
    grey = grey + microscope.read_noise * rng.standard_normal(grey.shape)
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)


def simulate(
    condition: Condition, number: int, cache: Path, other: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """HR and LR frames of a pair, and the LR frame without noise; `other` is another tissue."""
    frames = render(number, cache)
    clean = (frames if other is None else render(other, cache))[f"{condition.shift}"]
    rng = generator("calibration", *map(str, (condition, number)))
    hr = record(frames["hr"], HR, 0.0, rng)
    return hr, record(clean, condition.microscope, condition.lag, rng), clean


def calibrate(hr: np.ndarray, lr: np.ndarray) -> Calibration:
    """Calibration of one 8-bit pair."""
    pair = Pair("pair", hr.astype(np.float32), lr.astype(np.float32), 1.0, 1.0)
    return fit_pairs([pair], SCALE, dark=HR.offset)


def estimates(found: Calibration, lr: np.ndarray) -> dict[str, dict[str, float]]:
    """Value, low and high of every parameter."""
    result = found.to_json()
    values = {k: result["parameters"][k] for k in ("width", "gain", "offset", "count_gain")}
    values |= {k: result["parameters"][k] for k in ("read_noise", "lag")}
    for axis, shift in zip("yx", result["pairs"][0]["shift"]):
        values[f"shift {axis}"] = shift
    p = {name: v["value"] for name, v in values.items()}
    kept = (1 - p["lag"]) / (1 + p["lag"])
    shot = p["count_gain"] * kept * (lr.mean() - p["offset"])
    values["noise sd"] = {"value": math.sqrt(shot + p["read_noise"] ** 2 + 1 / 12)}
    return values


def rows_of(condition: Condition, number: int, cache: Path) -> Iterator[dict]:
    """One row per parameter of one pair."""
    hr, lr, clean = simulate(condition, number, cache)
    found = calibrate(hr, lr)
    values = estimates(found, lr)
    for name, true in condition.planted(clean).items():
        value, low, high = (values[name].get(k) for k in ("value", "low", "high"))
        yield {
            "condition": condition,
            "parameter": name,
            "planted": true,
            "found": value,
            "covered": np.nan if low is None else low <= true <= high,
            "fits": found.verdict == "fits",
            "kernel": found.parameters["kernel"].value == "probe",
        }


def pssr2(
    python: str, condition: Condition, numbers: Iterable[int], cache: Path
) -> list[dict[str, float]]:
    """Noise that PSSR2's own calibration finds for the same pairs, in its own environment."""
    with tempfile.TemporaryDirectory() as folder:
        for number in numbers:
            hr, lr, _ = simulate(condition, number, cache)
            for name, image in (("hr", hr), ("lr", lr)):
                (Path(folder) / name / str(number)).mkdir(parents=True)
                tifffile.imwrite(Path(folder) / name / str(number) / "1.tif", image)
        return answer(benchmark("pssr2.calibration", folder, python=python))


def summary(table: pd.DataFrame, theirs: Mapping[Condition, list]) -> Iterator[list[str]]:
    """Cells of every condition and parameter."""
    for condition, group in table.groupby("condition", sort=False):
        about = [condition.level, f"{condition.shift:g}", f"{condition.lag:g}"]
        for name, part in group.groupby("parameter", sort=False):
            other = theirs.get(condition) if name == "noise sd" else None
            yield [*about, name, *_cells(part, other)]


def _cells(part, other):
    true, found = part["planted"].mean(), part["found"].mean()
    bias = f"{100 * (found - true) / true:+.1f}" if true else "–"
    covered = f"{part['covered'].sum():.0f}/{len(part)}"
    covered = "–" if part["covered"].isna().all() else covered
    pssr2_found = [_pssr2_cell(other, key, true) for key in FOUND]
    return [f"{true:.3g}", f"{found:.4g}", bias, covered, *pssr2_found]


def _pssr2_cell(found, key, true):
    if not found:
        return "–"
    mean = float(np.mean([f[key] for f in found]))
    return f"{mean:.3g} ({100 * (mean - true) / true:+.0f} %)"


def total(table: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    """Coverage and bias of every parameter over the main conditions."""
    prompt = table[[c.lag == 0 for c in table["condition"]]]
    for name, part in prompt.groupby("parameter", sort=False):
        if name == "lag" or part["covered"].isna().all():
            continue
        relative = (part["found"] - part["planted"]) / part["planted"].replace(0, np.nan)
        by_condition = relative.groupby([str(c) for c in part["condition"]]).mean()
        bias, largest = 100 * relative.mean(), 100 * by_condition.abs().max()
        covered, share = part["covered"].sum(), part["covered"].mean()
        inside = f"{covered:.0f} of {len(part)} ({100 * share:.0f} %)"
        yield name, f"{bias:+.2f}", f"{largest:.2f}", inside


def mismatched(count: int, cache: Path, fields: int) -> tuple[int, int]:
    """How many pairs of two fields are told as such, and how many with any parameter."""
    refused = confident = 0
    for number in range(count):
        condition = Condition(list(LEVELS)[number % 3], SHIFTS[number // 3 % 3])
        pair = number % fields, (number + 1 + number // fields) % fields
        found = calibrate(*simulate(condition, pair[0], cache, other=pair[1])[:2])
        refused += found.verdict == "does not fit"
        confident += any(p.value is not None for p in found.parameters.values())
    return refused, confident


def measured(options: argparse.Namespace) -> tuple[pd.DataFrame, dict[Condition, list]]:
    """One row per parameter of every pair, and what PSSR2 finds for every condition."""
    main = [Condition(*c) for c in itertools.product(LEVELS, SHIFTS)]
    conditions = [*main, Condition("4 us", 0.5, LAG), Condition("1 us", 0.5, LAG)]
    pairs = itertools.product(conditions, range(options.pairs))
    table = pd.DataFrame([row for c, n in pairs for row in rows_of(c, n, options.cache)])
    if not options.pssr2:
        return table, {}
    numbers = range(min(options.pssr2_pairs, options.pairs))
    return table, {c: pssr2(options.pssr2, c, numbers, options.cache) for c in main}


def print_verdicts(table: pd.DataFrame, cache: Path, fields: int) -> None:
    """What is said of pairs that match, and of pairs that do not."""
    fits = table.groupby(["condition", table.index // 9], sort=False)[["fits", "kernel"]].first()
    print(f"\nVerdict 'fits': {fits['fits'].sum()} of {len(fits)} pairs.")
    print(f"Kernel named 'probe': {fits['kernel'].sum()} of {len(fits)} pairs.")
    refused, confident = mismatched(MISMATCHED, cache, fields)
    print(
        f"Mismatched pairs: 'does not fit' for {refused} of {MISMATCHED}; "
        f"{confident} with any parameter."
    )


def main() -> None:
    """Measure, and print."""
    arguments = parser(__doc__)
    arguments.add_argument("--pairs", type=int, default=12, help="of each condition")
    arguments.add_argument("--cache", type=Path, default=Path("/tmp/pssrflow_calibration"))
    arguments.add_argument("--pssr2", help="Python with the package pssr 2.4; left out without")
    arguments.add_argument("--pssr2-pairs", type=int, default=3, help="of each condition; slow")
    options = arguments.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    table, theirs = measured(options)
    print(heading())
    names = [*PLANTED, "covered", *(f"PSSR2, {name}" for name in FOUND)]
    print_table(names, summary(table, theirs))
    print()
    print_table(TOTAL, total(table))
    print_verdicts(table, options.cache, max(options.pairs, 4))


if __name__ == "__main__":
    main()

"""The stage calibrate: from stores to a fitted crappifier, its intervals, verdict and plots."""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pssrflow.calibrate.learned import learn
from pssrflow.calibrate.plots import plot_calibration, plot_twins
from pssrflow.calibrate.result import (
    FITS,
    UNFIT,
    Calibration,
    Pair,
    accepted_in_words,
    verdict_of,
)
from pssrflow.calibrate.scanner.fit import fit_pairs
from pssrflow.calibrate.scanner.single import fit_single
from pssrflow.calibrate.scanner.unpaired import Image, fit_unpaired
from pssrflow.calibrate.search import search
from pssrflow.calibrate.settings import Settings
from pssrflow.crappify.chain import Crappifier, crappify_plane
from pssrflow.crappify.kernels import Downsampling
from pssrflow.crappify.settings import AUTO, FIT_FORMAT, REPLACED
from pssrflow.crappify.squares import NoiseKey
from pssrflow.crappify.steps import GREY
from pssrflow.errors import InputError
from pssrflow.pairs.field import check_pair
from pssrflow.pairs.grey import Grey, Matched, move
from pssrflow.run.files import file_hash, write_json

log = logging.getLogger(__name__)

# LR pixels along y and x that are read of a plane: enough for any parameter, and little memory.
WINDOW = 1024
# Images without a partner that are measured at most, and pixels along y and x that they need.
MOST_IMAGES, SMALLEST = 8, 32
# Of the file that names LR images without a partner that were measured.
MEASURED_FORMAT = 1
# Of a learnt crappifier.
WEIGHTS = "crappifier.safetensors"


@dataclass(frozen=True)
class Scans:
    """What there is of one row.

    Attributes
    ----------
    sample : str
    hr, lr : str or None
        Stores; one of them None where there is no pair.
    """

    sample: str
    hr: str | None
    lr: str | None


@dataclass(frozen=True)
class Chosen:
    """A crappifier, and whether it does what the real scans do.

    Attributes
    ----------
    crappifier : dict
        Its keys, as in the configuration, without the scale.
    verdict : str
    checks : list of dict
    parameters : dict
        What was fitted, with intervals.
    """

    crappifier: dict[str, Any]
    verdict: str
    checks: list[dict[str, Any]]
    parameters: dict[str, dict[str, Any]]

    @property
    def reasons(self) -> list[str]:
        """Why it does not fit."""
        return [
            f"{c['name']} is {c['value']:.3g}, accepted {accepted_in_words(c['accepted'])}"
            for c in self.checks
            if not c["passed"]
        ]


def calibrate(
    rows: Sequence[Scans],
    crappify: Mapping[str, Any],
    settings: Settings,
    seed: int,
    folder: Path | str,
) -> None:
    """Fit the crappifier and write `crappifier.json`, `calibration.json` and plots.

    Parameters
    ----------
    rows : list of Scans
    crappify : mapping
        The section of the configuration.
    settings : Settings
    seed : int
    folder : path-like

    Raises
    ------
    InputError
        Images that do not agree with the scale, or a search or learning without pairs.
    """
    _check_rows(rows)
    folder, scale, notes = Path(folder), crappify["scale"], list[str]()
    folder.mkdir(parents=True, exist_ok=True)
    for drawing in folder.glob("*.png"):
        drawing.unlink()
    pairs = _pairs(rows, scale, settings.planes, notes)
    used = {key: crappify[key] for key in REPLACED}
    told = {**used, "scale": scale, "fit": crappify.get("fit")}
    source, found = _regressed(pairs, rows, told, settings, seed, notes)
    regression = found.to_json()
    regression["notes"] += notes
    if settings.kind == "scanner":
        chosen = _scanner(regression, used)
    else:
        chosen = _by_trial(pairs, regression, {**used, "scale": scale}, settings, seed, folder)
    plot_calibration(folder, regression)
    lr = [row.sample for row in rows if row.lr and not row.hr]
    write_json(folder / "measured.json", {"format": MEASURED_FORMAT, "samples": lr})
    about = {
        "kind": settings.kind,
        "source": source,
        "scale": scale,
        "samples": [row.sample for row in rows],
        "reasons": chosen.reasons or regression["notes"],
    }
    _write(folder, regression, chosen, about)


def _write(folder, regression, chosen, about):
    """The fitted crappifier last: it says that all is done, and vouches for what lies beside."""
    shown = {name: getattr(chosen, name) for name in ("parameters", "checks", "verdict")}
    figures = folder / "calibration.json"
    write_json(figures, regression | shown)
    level = logging.INFO if chosen.verdict == FITS else logging.WARNING
    log.log(level, "verdict: %s", "; ".join([chosen.verdict, *about["reasons"]]))
    weights = [folder / WEIGHTS] if about["kind"] == "learned" else []
    left = figures, *weights, *sorted(folder.glob("*.png"))
    beside = {path.name: file_hash(path) for path in left}
    written = {"format": FIT_FORMAT, **about, **vars(chosen), "beside": beside}
    write_json(folder / "crappifier.json", written)


def _check_rows(rows):
    if not rows:
        raise InputError(
            "calibrate.samples",
            "no row to fit on: no train row has an lr_path, and there is no predict row",
            "an lr_path in a train row, or names of rows",
        )


# -- pixels ---------------------------------------------------------------------------------------


def _pairs(rows, scale, planes, notes):
    paired = [row for row in rows if row.hr and row.lr]
    return [pair for row in paired for pair in read_pairs(row, scale, planes, notes)]


def read_pairs(row: Scans, scale: int, planes: int, notes: list[str]) -> Iterator[Pair]:
    """Some planes of a row, on the grey scale of their detectors, as far as both images go.

    Parameters
    ----------
    row : Scans
        Of a pair.
    scale : int
    planes : int
        How many at most.
    notes : list of str
        What a user should know is added to it.

    Raises
    ------
    InputError
        The sizes do not agree with the scale.
    """
    hr, lr = (Grey(path, planes) for path in (row.hr, row.lr) if path)
    check_pair(row.sample, hr.array.shape, lr.array.shape, scale)
    if hr.array.shape[1] > 1:
        notes.append(f"{row.sample}: only the first channel was used; detectors differ.")
    shape = [min(n, h // scale) for n, h in zip(lr.array.shape[3:], hr.array.shape[3:])]
    for plane in hr.planes:
        coarse = lr.read(plane, WINDOW)[: shape[0], : shape[1]]
        fine = hr.read(plane, scale * WINDOW)
        fine = fine[: scale * coarse.shape[0], : scale * coarse.shape[1]]
        yield Pair(f"{row.sample} t={plane[0]} z={plane[2]}", fine, coarse, hr.step, lr.step)


def _regressed(pairs, rows, used, settings, seed, notes) -> tuple[str, Calibration]:
    """What is told by pairs, else LR images, else HR images; and by which of them."""
    auto = used["fit"] == AUTO
    if pairs:
        found = fit_pairs(pairs, used["scale"], settings.dark, seed)
        if found.parameters["gain"].value is not None or not auto:
            return "pairs", found
        notes.extend(found.notes)
        notes.append("The pairs tell nothing; LR and HR images were measured one by one.")
    lr, hr = (_images(rows, kind, notes) for kind in ("lr", "hr"))
    if auto and hr:
        downsampling = Downsampling(used["scale"], used["downsample"], used["width"])
        return "lr" if lr else "hr", fit_unpaired(lr, hr, downsampling, settings.dark, seed)
    return _alone([*lr, *hr], bool(lr), settings, seed, notes)


def _alone(images, lr, settings, seed, notes):
    """The noise of one image, and nothing else."""
    if not images:
        found = f"no image of {SMALLEST} pixels or more along y and x"
        raise InputError("calibrate.samples", found, "rows with larger images")
    first = images[0]
    if len(images) > 1:
        notes.append(f"There is no pair; the noise is that of {first.name} alone.")
    return "lr" if lr else "hr", fit_single(first.grey, first.step, settings.dark, seed)


def _images(rows, kind, notes) -> list[Image]:
    """The middle plane of some rows, as far as it is large enough to measure noise in."""
    found: list[Image] = []
    for row in rows:
        path = getattr(row, kind)
        if path is None or len(found) == MOST_IMAGES:
            continue
        grey = Grey(path, 1)
        image = grey.read(grey.planes[0], 2 * WINDOW)
        if min(image.shape) < SMALLEST:
            notes.append(f"{row.sample}: {kind.upper()} planes below {SMALLEST} pixels tell none.")
            continue
        found.append(Image(row.sample, image, grey.step))
    return found


# -- from figures to a crappifier -----------------------------------------------------------------


def _scanner(regression, used):
    """Chain of the fitted point scanner; what the images could not tell stays as configured."""
    crappifier = _fitted(regression, used)
    verdict, checks = regression["verdict"], regression["checks"]
    return Chosen(crappifier, verdict, checks, regression["parameters"])


def _fitted(regression, used):
    value, effective = _values(regression), regression["effective"]
    if effective["read_noise"] is None:
        # A single image: what it shows is what there is, for no HR frame is beside it.
        effective = {name: value[name] for name in ("count_gain", "read_noise")}
    if effective["read_noise"] is None:
        return used
    fitted = {**used, "before": [], "noise": scanner_chain(value, effective)}
    if value["kernel"] is not None:
        fitted |= {"downsample": value["kernel"], "width": value["width"]}
    return fitted


def _values(regression):
    return {name: parameter["value"] for name, parameter in regression["parameters"].items()}


def scanner_chain(value: Mapping[str, Any], effective: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Steps of the detector that was fitted.

    Parameters
    ----------
    value : mapping
        Dark level, gain, offset, lag and saturation, as `Calibration.parameters`; None where not
        known.
    effective : mapping
        Noise to add to the noisy HR frame.
    """
    dark = value["dark"] or 0.0
    gain = 1.0 if value["gain"] is None else value["gain"]
    offset = dark if value["offset"] is None else value["offset"]
    steps: list[dict[str, Any]] = []
    if effective["count_gain"] and effective["count_gain"] > 0:
        full = gain * (GREY - dark) / effective["count_gain"]
        steps.append({"name": "counts", "dwell_us": 1.0, "counts_per_us": full, "dark": dark})
    else:
        offset -= gain * dark
    if value["lag"]:
        steps.append({"name": "lag", "pixels": -1 / math.log(value["lag"])})
    readout = {"name": "readout", "gain": gain, "offset": offset}
    readout |= {"read_noise": effective["read_noise"]}
    if value["saturation"] is not None:
        readout["saturation"] = min(max(value["saturation"], 1.0), GREY)
    return [*steps, readout]


def _by_trial(pairs, regression, used, settings, seed, folder):
    """A searched or learnt crappifier, on the pairs that the regression could register."""
    if not pairs:
        found = f"{settings.kind} without any acquired pair"
        raise InputError("calibrate.kind", found, "rows with an lr_path")
    parameters = regression["parameters"]
    if parameters["gain"]["value"] is None:
        return Chosen(_unscaled(used), UNFIT, regression["checks"], parameters)
    matched = _all_matched(pairs, regression, used)
    if settings.kind == "search":
        best, parameters, twins = search(matched, used, settings, seed)
    else:
        (best, twins), parameters = learn(matched, used, settings.steps, seed, folder / WEIGHTS), {}
    plot_twins(folder, twins)
    checks = [check.to_json() for twin in twins for check in twin.checks()]
    return Chosen(_unscaled(best), verdict_of(checks), checks, parameters)


def _unscaled(crappifier):
    return {key: value for key, value in crappifier.items() if key != "scale"}


def _all_matched(pairs, regression, used):
    """Pairs on one grid, with what the regression says that their LR images are without noise."""
    value = _values(regression)
    readout = scanner_chain(value, {"count_gain": 0.0, "read_noise": 0.0})
    clean = Crappifier.from_config(used["scale"], value["kernel"], readout, value["width"])
    return [
        _matched(pair, [shift["value"] for shift in record["shift"]], clean)
        for pair, record in zip(pairs, regression["pairs"])
        if record["used"]
    ]


def _matched(pair, shift, clean):
    hr, lr = move(pair.hr, pair.lr, shift, clean.scale)
    return Matched(hr, lr, crappify_plane(hr, clean, NoiseKey(0, "", 0, 0, 0, 0), 0.0, GREY))

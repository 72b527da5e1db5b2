"""The stage calibrate: from stores to a fitted crappifier, its intervals, verdict and plots."""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pssrflow.calibrate.detectors import SMALLEST, Detector, Scans, by_detector
from pssrflow.calibrate.learned import learn
from pssrflow.calibrate.plots import plot_calibration, plot_twins
from pssrflow.calibrate.result import (
    FITS,
    UNFIT,
    VERDICTS,
    Calibration,
    accepted_in_words,
    verdict_of,
)
from pssrflow.calibrate.scanner.fit import fit_pairs
from pssrflow.calibrate.scanner.single import fit_single
from pssrflow.calibrate.scanner.unpaired import fit_unpaired
from pssrflow.calibrate.search import search
from pssrflow.calibrate.settings import Settings
from pssrflow.crappify.chain import Crappifier, crappify_plane
from pssrflow.crappify.kernels import Downsampling
from pssrflow.crappify.settings import AUTO, FIT_FORMAT, REPLACED
from pssrflow.crappify.squares import NoiseKey
from pssrflow.crappify.steps import GREY
from pssrflow.errors import InputError
from pssrflow.pairs.grey import Matched, move
from pssrflow.run.files import file_hash, write_json

log = logging.getLogger(__name__)

# Of the file that names LR images without a partner that were measured.
MEASURED_FORMAT = 1
# Of a learnt crappifier.
WEIGHTS = "crappifier.safetensors"


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
    detectors = by_detector(rows, scale, settings.planes, notes)
    if settings.kind != "scanner" and len(detectors) > 1:
        notes.append(f"{settings.kind} knows one detector: {detectors[0].title}.")
        detectors = detectors[:1]
    used = {key: crappify[key] for key in REPLACED}
    work = Work({**used, "scale": scale}, crappify.get("fit") == AUTO, settings, seed, folder)
    found = [_measured(detector, work) for detector in detectors]
    plot_calibration(folder, found[0].regression)
    lr = [row.sample for row in rows if row.lr and not row.hr]
    write_json(folder / "measured.json", {"format": MEASURED_FORMAT, "samples": lr})
    _write(found, [row.sample for row in rows], notes, work)


def _check_rows(rows):
    if not rows:
        raise InputError(
            "calibrate.samples",
            "no row to fit on: no train row has an lr_path, and there is no predict row",
            "an lr_path in a train row, or names of rows",
        )


def _write(found, samples, notes, work):
    """The fitted crappifier last: it says that all is done, and vouches for what lies beside."""
    folder, (first, *others) = work.folder, found
    figures = folder / "calibration.json"
    write_json(figures, first.figures() | {"detectors": {o.name: o.figures() for o in others}})
    told = [*_reasons(found), *notes]
    verdict = max((one.chosen.verdict for one in found), key=VERDICTS.index)
    level = logging.INFO if verdict == FITS else logging.WARNING
    log.log(level, "verdict: %s", "; ".join([verdict, *told]))
    weights = [folder / WEIGHTS] if work.settings.kind == "learned" else []
    left = figures, *weights, *sorted(folder.glob("*.png"))
    written = {
        "format": FIT_FORMAT,
        "kind": work.settings.kind,
        "source": first.source,
        "scale": work.scale,
        "samples": samples,
        "reasons": told,
        **vars(first.chosen),
        "verdict": verdict,
        "detectors": {one.name: one.chosen.crappifier for one in found} if others else {},
        "beside": {path.name: file_hash(path) for path in left},
    }
    write_json(folder / "crappifier.json", written)


# -- one detector ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Work:
    """What is asked for.

    Attributes
    ----------
    used : dict
        Keys of the crappifier as configured, with the scale.
    auto : bool
        What there is is measured, else the crappifier stays as configured.
    settings : Settings
    seed : int
    folder : Path
    """

    used: dict[str, Any]
    auto: bool
    settings: Settings
    seed: int
    folder: Path

    @property
    def scale(self) -> int:
        """HR pixels per LR pixel."""
        return int(self.used["scale"])


@dataclass(frozen=True)
class Measured:
    """What was found of one detector.

    Attributes
    ----------
    name : str
    samples : list of str
    source : str
        "pairs", "lr", "hr", or "stated" where nothing could be measured.
    regression : dict
        As `Calibration.to_json`.
    chosen : Chosen
    """

    name: str
    samples: list[str]
    source: str
    regression: dict[str, Any]
    chosen: Chosen

    def figures(self) -> dict[str, Any]:
        """For `calibration.json`."""
        shown = {name: getattr(self.chosen, name) for name in ("parameters", "checks", "verdict")}
        return self.regression | shown | {"source": self.source, "samples": self.samples}

    @property
    def reasons(self) -> list[str]:
        """What is off and by how much, or what should be known."""
        return self.chosen.reasons or self.regression["notes"]


def _reasons(found: Sequence[Measured]) -> Iterator[str]:
    """Of all detectors: what holds for each once, the rest with its name."""
    for reason in dict.fromkeys(reason for one in found for reason in one.reasons):
        of = [one.name for one in found if reason in one.reasons]
        yield reason if len(of) == len(found) else f"{', '.join(of)}: {reason}"


def _measured(detector: Detector, work: Work) -> Measured:
    notes: list[str] = []
    source, found = _regressed(detector, work, notes)
    regression = found.to_json()
    regression["notes"] += notes
    if work.settings.kind == "scanner":
        chosen = _scanner(regression, _unscaled(work.used))
    else:
        chosen = _by_trial(detector.pairs, regression, work)
    return Measured(detector.name, detector.samples, source, regression, chosen)


def _regressed(detector: Detector, work: Work, notes: list[str]) -> tuple[str, Calibration]:
    """What is told by pairs, else LR images, else HR images; and by which of them."""
    dark, seed = work.settings.dark, work.seed
    if detector.pairs:
        found = fit_pairs(detector.pairs, work.scale, dark, seed)
        if found.parameters["gain"].value is not None or not work.auto:
            return "pairs", found
        notes.extend(found.notes)
        notes.append("The pairs tell nothing; LR and HR images were measured one by one.")
    lr, hr = detector.apart(notes)
    if not work.auto:
        return _one_image([*lr, *hr], "lr" if lr else "hr", work, notes)
    # At scale 1 a scan has the noise of a scan: only LR images tell what is to be restored.
    if not hr or not (lr or work.scale > 1):
        notes.append("No image tells the noise of fast scans: it is as configured.")
        return "stated", Calibration()
    downsampling = Downsampling(work.scale, work.used["downsample"], work.used["width"])
    return "lr" if lr else "hr", fit_unpaired(lr, hr, downsampling, dark, seed)


def _one_image(images, source, work, notes):
    """The noise of one image, and nothing else."""
    if not images:
        found = f"no image of {SMALLEST} pixels or more along y and x"
        raise InputError("calibrate.samples", found, "rows with larger images")
    first = images[0]
    if len(images) > 1:
        notes.append(f"There is no pair; the noise is that of {first.name} alone.")
    return source, fit_single(first.grey, first.step, work.settings.dark, work.seed)


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
    fitted = {
        **used,
        "before": [],
        "noise": scanner_chain(value, effective, regression["response"], regression["grain"]),
    }
    if value["kernel"] is not None:
        fitted |= {"downsample": value["kernel"], "width": value["width"]}
    return fitted


def _values(regression):
    return {name: parameter["value"] for name, parameter in regression["parameters"].items()}


def scanner_chain(
    value: Mapping[str, Any],
    effective: Mapping[str, Any],
    response: Mapping[str, Any] | None,
    grain: Sequence[Sequence[float]] | None = None,
) -> list[dict[str, Any]]:
    """Steps of the detector that was fitted.

    Parameters
    ----------
    value : mapping
        Dark level, gain, offset, lag and saturation, as `Calibration.parameters`; None where not
        known.
    effective : mapping
        Noise to add to the noisy HR frame.
    response : mapping, optional
        Keys of the step of that name.
    grain : sequence of sequence of float, optional
        Filter of the step of that name, which then draws all noise.
    """
    dark = value["dark"] or 0.0
    gain = 1.0 if value["gain"] is None else value["gain"]
    offset = dark if value["offset"] is None else value["offset"]
    steps: list[dict[str, Any]] = [{"name": "response", **response}] if response else []
    lag = [{"name": "lag", "pixels": -1 / math.log(value["lag"])}] if value["lag"] else []
    if grain:
        return [*steps, *lag, *_grained(value, effective, (gain, offset - gain * dark), grain)]
    if effective["count_gain"] and effective["count_gain"] > 0:
        full = gain * (GREY - dark) / effective["count_gain"]
        steps.append({"name": "counts", "dwell_us": 1.0, "counts_per_us": full, "dark": dark})
    else:
        offset -= gain * dark
    readout = {"name": "readout", "gain": gain, "offset": offset}
    readout |= {"read_noise": effective["read_noise"]} | _saturation(value)
    return [*steps, *lag, readout]


def _grained(value, effective, line, grain):
    """Gain and offset without noise, then all noise, through a filter, and what saturates."""
    gain, offset = line
    dark = offset + gain * (value["dark"] or 0.0)
    yield {"name": "readout", "gain": gain, "offset": offset}
    lag = value["lag"] or 0.0
    yield {
        "name": "grain",
        # Of counts, as far as the lag leaves them.
        "count_gain": max(effective["count_gain"] or 0.0, 0.0) * (1 - lag) / (1 + lag),
        "read_noise": effective["read_noise"],
        "dark": dark,
        "filter": grain,
    }
    if saturation := _saturation(value):
        yield {"name": "readout", **saturation}


def _saturation(value):
    if value["saturation"] is None:
        return {}
    return {"saturation": min(max(value["saturation"], 1.0), GREY)}


def _by_trial(pairs, regression, work):
    """A searched or learnt crappifier, on the pairs that the regression could register."""
    settings, used = work.settings, work.used
    if not pairs:
        found = f"{settings.kind} without any acquired pair"
        raise InputError("calibrate.kind", found, "rows with an lr_path")
    parameters = regression["parameters"]
    if parameters["gain"]["value"] is None:
        return Chosen(_unscaled(used), UNFIT, regression["checks"], parameters)
    matched = _all_matched(pairs, regression, used)
    if settings.kind == "search":
        best, parameters, twins = search(matched, used, settings, work.seed)
    else:
        weights = work.folder / WEIGHTS
        (best, twins), parameters = learn(matched, used, settings.steps, work.seed, weights), {}
    plot_twins(work.folder, twins)
    checks = [check.to_json() for twin in twins for check in twin.checks()]
    return Chosen(_unscaled(best), verdict_of(checks), checks, parameters)


def _unscaled(crappifier):
    return {key: value for key, value in crappifier.items() if key != "scale"}


def _all_matched(pairs, regression, used):
    """Pairs on one grid, with what the regression says that their LR images are without noise."""
    value = _values(regression)
    quiet = {"count_gain": 0.0, "read_noise": 0.0}
    readout = scanner_chain(value, quiet, regression["response"])
    clean = Crappifier.from_config(used["scale"], value["kernel"], readout, value["width"])
    return [
        _matched(pair, [shift["value"] for shift in record["shift"]], clean)
        for pair, record in zip(pairs, regression["pairs"])
        if record["used"]
    ]


def _matched(pair, shift, clean):
    hr, lr = move(pair.hr, pair.lr, shift, clean.scale)
    return Matched(hr, lr, crappify_plane(hr, clean, NoiseKey(0, "", 0, 0, 0, 0), 0.0, GREY))

"""The stage calibrate: from stores to a fitted crappifier, its intervals, verdict and plots."""

import logging
import math
from pathlib import Path

from pssrflow.calibrate.learned import learn
from pssrflow.calibrate.plots import plot_calibration, plot_twins
from pssrflow.calibrate.result import Pair, accepted_in_words
from pssrflow.calibrate.scanner.fit import fit_pairs
from pssrflow.calibrate.scanner.single import fit_single
from pssrflow.calibrate.search import search
from pssrflow.crappify.chain import Crappifier, NoiseKey, crappify_plane
from pssrflow.crappify.steps import GREY
from pssrflow.errors import InputError
from pssrflow.pairs.field import check_pair
from pssrflow.pairs.grey import Grey, Matched, move
from pssrflow.run.files import write_json

log = logging.getLogger(__name__)

# LR pixels along y and x that are read of a plane: enough for any parameter, and little memory.
WINDOW = 1024


def calibrate(rows, crappify, settings, seed, folder):
    """Fit the crappifier and write `crappifier.json`, `calibration.json` and plots.

    Parameters
    ----------
    rows : list of dict
        `sample`, and the stores `hr` and `lr`; one of them None where there is no pair.
    crappify, settings : dict
        The sections `crappify` and `calibrate` of the configuration.
    seed : int
    folder : path-like

    Raises
    ------
    InputError
        Images that do not agree with the scale, or a search or learning without pairs.
    """
    if not rows:
        raise InputError(
            "calibrate.samples",
            "no row to fit on: no train row has an lr_path, and there is no predict row",
            "an lr_path in a train row, or names of rows",
        )
    folder, scale = Path(folder), crappify["scale"]
    folder.mkdir(parents=True, exist_ok=True)
    notes = []
    paired = [row for row in rows if row["hr"] and row["lr"]]
    pairs = [pair for row in paired for pair in read_pairs(row, scale, settings["planes"], notes)]
    if pairs:
        found = fit_pairs(pairs, scale, settings["dark"], seed)
    else:
        found = _single(rows, settings, seed, notes)
    result = found.to_json()
    result["notes"] = [*result["notes"], *notes]
    used = {k: crappify[k] for k in ("before", "downsample", "width", "scan", "noise")}
    chosen, verdict, checks = _scanner(result, used, settings["dark"])
    if settings["kind"] != "scanner":
        chosen, verdict, checks, extra = _by_trial(
            pairs, result, {**used, "scale": scale}, settings, seed, folder
        )
        result |= extra
    plot_calibration(folder, result)
    write_json(folder / "calibration.json", result)
    reasons = [
        f"{c['name']} is {c['value']:.3g}, accepted {accepted_in_words(c['accepted'])}"
        for c in checks
        if not c["passed"]
    ]
    log.info("verdict: %s%s", verdict, "".join(f"; {reason}" for reason in reasons))
    write_json(
        folder / "crappifier.json",
        {
            "kind": settings["kind"],
            "scale": scale,
            "verdict": verdict,
            "reasons": reasons or result["notes"],
            "samples": [row["sample"] for row in rows],
            "parameters": result["parameters"],
            "checks": checks,
            "crappifier": chosen,
        },
    )


# -- pixels ---------------------------------------------------------------------------------------


def read_pairs(row, scale, planes, notes):
    """Some planes of a row, on the grey scale of their detectors, as far as both images go."""
    hr, lr = (Grey(row[name], planes) for name in ("hr", "lr"))
    check_pair(row["sample"], hr.array.shape, lr.array.shape, scale)
    if hr.array.shape[1] > 1:
        notes.append(f"{row['sample']}: only the first channel was used; detectors differ.")
    shape = [min(n, h // scale) for n, h in zip(lr.array.shape[3:], hr.array.shape[3:])]
    for plane in hr.planes:
        coarse = lr.read(plane, WINDOW)[: shape[0], : shape[1]]
        fine = hr.read(plane, scale * WINDOW)
        fine = fine[: scale * coarse.shape[0], : scale * coarse.shape[1]]
        yield Pair(f"{row['sample']} t={plane[0]} z={plane[2]}", fine, coarse, hr.step, lr.step)


def _single(rows, settings, seed, notes):
    """What one noisy image tells, where nothing was acquired twice."""
    row = rows[0]
    grey = Grey(row["lr"] or row["hr"], 1)
    if len(rows) > 1:
        notes.append(f"There is no pair; the noise is that of {row['sample']} alone.")
    image = grey.read(grey.planes[0], 2 * WINDOW)
    return fit_single(image, grey.step, settings["dark"], seed)


# -- from figures to a crappifier ------------------------------------------------------------------


def _scanner(result, used, dark):
    """Chain of the fitted point scanner; what the images could not tell stays as configured."""
    value = {name: p["value"] for name, p in result["parameters"].items()}
    effective = result["effective"]
    if effective["read_noise"] is None:
        # A single image: what it shows is what there is, for no HR frame is beside it.
        effective = {name: value[name] for name in ("count_gain", "read_noise")}
    if effective["read_noise"] is None:
        return used, result["verdict"], result["checks"]
    chain = scanner_chain(value, effective, dark)
    chosen = {**used, "before": [], "noise": chain}
    if value["kernel"] is not None:
        chosen |= {"downsample": value["kernel"], "width": value["width"]}
    return chosen, result["verdict"], result["checks"]


def scanner_chain(value, effective, dark):
    """Steps of the detector that was fitted.

    Parameters
    ----------
    value : dict
        Gain, offset, lag and saturation, as `Calibration.parameters`; None where not known.
    effective : dict
        Noise to add to the noisy HR frame.
    dark : float
    """
    gain = 1.0 if value["gain"] is None else value["gain"]
    offset = dark if value["offset"] is None else value["offset"]
    steps = []
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


def _by_trial(pairs, result, used, settings, seed, folder):
    """A searched or learnt crappifier, on the pairs that the regression could register."""
    if not pairs:
        raise InputError(
            "calibrate.kind",
            f"{settings['kind']} without any acquired pair",
            "rows with an lr_path",
        )
    if result["parameters"]["gain"]["value"] is None:
        return used, "does not fit", result["checks"], {}
    matched = [
        _matched(pair, found, result, used, settings["dark"])
        for pair, found in zip(pairs, result["pairs"])
        if found["used"]
    ]
    if settings["kind"] == "search":
        best, parameters, twins = search(matched, used, settings["space"], settings["trials"], seed)
    else:
        weights = folder / "crappifier.safetensors"
        best, twins = learn(matched, used, settings["steps"], seed, weights)
        parameters = {}
    plot_twins(folder, twins)
    checks = [check for twin in twins for check in twin.checks()]
    verdict = "fits" if all(c["passed"] for c in checks) else "does not fit"
    chosen = {k: v for k, v in best.items() if k != "scale"}
    return chosen, verdict, checks, {"parameters": parameters, "checks": checks, "verdict": verdict}


def _matched(pair, found, result, used, dark):
    """A pair on one grid, and what the regression says that its LR image is without noise."""
    value = {name: p["value"] for name, p in result["parameters"].items()}
    hr, lr = move(pair.hr, pair.lr, [s["value"] for s in found["shift"]], used["scale"])
    readout = scanner_chain(value, {"count_gain": 0.0, "read_noise": 0.0}, dark)
    clean = Crappifier.from_config(used["scale"], value["kernel"], readout, value["width"])
    return Matched(hr, lr, crappify_plane(hr, clean, NoiseKey(0, "", 0, 0, 0, 0), 0.0, GREY))

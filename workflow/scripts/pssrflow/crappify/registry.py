"""Steps by name, and the crappifier that a configuration asks for."""

import json
from pathlib import Path

from pssrflow.crappify.custom import Custom
from pssrflow.crappify.network import Network
from pssrflow.crappify.noise import Blur, Gaussian, LocalGaussian, Poisson, SaltPepper
from pssrflow.crappify.presets import PRESETS
from pssrflow.crappify.scanner import Counts, Lag, Readout
from pssrflow.errors import InputError
from pssrflow.keys import listed
from pssrflow.plugins import source_file

STEPS = {
    step.name: step
    for step in (
        *(Gaussian, Poisson, SaltPepper, Blur, LocalGaussian),
        *(Counts, Lag, Readout),
        *(Custom, Network),
    )
}

# What a preset and a fit replace, and what it is where they do not name it.
REPLACED = {"before": (), "downsample": "bilinear", "width": None, "scan": None, "noise": ()}


def make_step(settings):
    """Step of ``{"name": ..., ...}``.

    Raises
    ------
    InputError
        No such step or key, or a number outside its meaning.
    """
    options = dict(settings)
    name = options.pop("name", None)
    if name not in STEPS:
        raise InputError("crappify step", f"{name!r}", listed(STEPS, name))
    keys = STEPS[name].keys()
    if unknown := [key for key in options if key not in keys]:
        raise InputError(f"crappify step {name}", f"key {unknown[0]!r}", listed(keys, unknown[0]))
    try:
        return STEPS[name](**options)
    except TypeError as error:
        raise InputError(f"crappify step {name}", f"{settings}", ", ".join(keys)) from error


def settings_of(crappify, calibration=None, require_fit=True):
    """Keys that make the crappifier, after its preset or fit.

    Parameters
    ----------
    crappify : dict
        The section of the configuration.
    calibration : path-like, optional
        The `crappifier.json` that this run's calibration wrote, where `fit` is "calibration".
    require_fit : bool
        Refuse a fit that does not fit.

    Raises
    ------
    InputError
        No such preset, no fitted crappifier in that file, or one that does not fit.
    """
    used = {k: crappify[k] for k in ("scale", "clip", *REPLACED) if k in crappify}
    if crappify.get("preset") is not None:
        if crappify["preset"] not in PRESETS:
            raise InputError(
                "crappify.preset", f"{crappify['preset']!r}", listed(PRESETS, crappify["preset"])
            )
        used |= REPLACED | PRESETS[crappify["preset"]]
    if crappify.get("fit") is not None:
        path = calibration if crappify["fit"] == "calibration" else crappify["fit"]
        used |= REPLACED | read_fit(path, crappify["scale"], require_fit)
    return used


def read_fit(path, scale, require_fit):
    """Keys of a fitted crappifier."""
    accepted = "the crappifier.json that a calibration wrote"
    try:
        content = json.loads(Path(path).read_text())
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(path, f"cannot be read ({error})", accepted) from error
    if not isinstance(content, dict) or not isinstance(content.get("crappifier"), dict):
        raise InputError(path, "holds no fitted crappifier", accepted)
    if content.get("scale") != scale:
        raise InputError(path, f"fitted at scale {content.get('scale')}", f"crappify.scale {scale}")
    if require_fit and content.get("verdict") != "fits":
        raise InputError(
            path,
            f"the verdict is {content.get('verdict')!r}: " + "; ".join(content.get("reasons", [])),
            "a fit whose verdict is 'fits', other pairs, crappify.fit: null, or "
            "calibrate.require_fit: false at your own risk",
        )
    if unknown := [key for key in content["crappifier"] if key not in REPLACED]:
        raise InputError(path, f"unknown key {unknown[0]!r}", ", ".join(REPLACED))
    return content["crappifier"]


def foreign_files(crappify):
    """Files of a user's own that the steps run: classes and weights, to notice when they change.

    Raises
    ------
    InputError
        One of them is not there.
    """
    files = []
    for step in (*crappify["before"], *crappify["noise"]):
        if step["name"] == "custom":
            files.append(str(source_file(step["path"])))
        elif step["name"] == "network":
            if not Path(step["weights"]).is_file():
                raise InputError(step["weights"], "no such file", "weights (.safetensors)")
            files.append(step["weights"])
    return files

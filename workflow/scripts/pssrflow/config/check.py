"""The configuration, checked before anything runs."""

import math
import re
import sys
from pathlib import Path

import numpy as np

from pssrflow.config.schema import explain, with_defaults
from pssrflow.errors import InputError
from pssrflow.models.facts import saved_facts
from pssrflow.networks.options import NO_OPTIONS, check_options
from pssrflow.run.remote import check_protocol, is_remote
from pssrflow.volumes.regions import parse_roi

SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def check_config(config, schema, where):
    """Fill in the defaults of a configuration and check it.

    Parameters
    ----------
    config : dict
        As the user wrote it.
    schema : dict
    where : str
        The files it came from, for messages.

    Returns
    -------
    dict
        With every key of the schema.

    Raises
    ------
    InputError
        Names the key, what was found and what is accepted; all errors at once.
    """
    if "models" in config:
        config = config | {"models": _as_saved(config["models"])}
    config = with_defaults(config, schema)
    problems = explain(schema, config) or list(_impossible(config))
    if problems:
        raise InputError(where, "\n  ".join(["configuration refused", *problems]))
    for key in ("max_time", "checkpoint_every"):
        config["train"][key] = seconds(config["train"][key])
    return config


def seconds(text):
    """Seconds of a duration such as ``90``, ``"90s"``, ``"10m"`` or ``"2h"``; None stays None."""
    if text is None or isinstance(text, int | float):
        return text
    number, unit = re.fullmatch(r"([0-9.]+) *([smhd]?)", text).groups()
    return float(number) * SECONDS[unit]


def _as_saved(models):
    """Networks of the configuration; where one names only weights, it is what these say."""
    if not isinstance(models, dict):
        return models
    return {
        name: _saved_with(model) | model if _unnamed(model) else model
        for name, model in models.items()
    }


def _unnamed(model):
    return isinstance(model, dict) and "arch" not in model and isinstance(model.get("weights"), str)


def _saved_with(model):
    facts = saved_facts(model["weights"])
    # Python that runs is named by the configuration alone, never by a file of weights.
    if facts is None or facts["arch"] == "custom":
        return {}
    return {"arch": facts["arch"], "intensity": facts["intensity"], **facts["options"]}


def _not_finite(content, key=""):
    if isinstance(content, float) and not math.isfinite(content):
        yield key, content
    for name, part in content.items() if isinstance(content, dict) else []:
        yield from _not_finite(part, f"{key}.{name}" if key else str(name))
    for index, part in enumerate(content if isinstance(content, list) else []):
        yield from _not_finite(part, f"{key}[{index}]")


def _impossible(config):
    """Combinations that no single key shows to be wrong, and numbers that are none."""
    yield from (f"{key}: found {v}. Accepted: a finite number" for key, v in _not_finite(config))
    yield from _impossible_ingest(config["ingest"])
    crappify = config["crappify"]
    if crappify["preset"] and crappify["fit"]:
        yield "crappify: both preset and fit are given. Accepted: one of them, the other null"
    elif crappify["scale"] == 1 and not any(
        crappify[k] for k in ("before", "noise", "preset", "fit")
    ):
        yield "crappify: scale 1 and no noise leave nothing to restore. Accepted: either of them"
    if is_remote(config["stores"]):
        yield from _impossible_uri(config["stores"])
    yield from _impossible_roi(config["predict"]["roi"])
    if config["calibrate"]["kind"] == "search":
        yield from _impossible_search(config["calibrate"], crappify)
    yield from _impossible_models(config["models"], crappify["scale"])
    yield from _refused_by_a_trial(crappify, config["calibrate"]["require_fit"])


def _impossible_ingest(ingest):
    pairs = list(zip("zyx", ingest["chunk"], ingest["shard"]))
    for axis, chunk, shard in pairs:
        if shard % chunk:
            yield (
                f"ingest.shard: {shard} pixels along {axis} are no multiple of the chunk, {chunk}. "
                f"Accepted: {chunk}, {2 * chunk}, {3 * chunk} ..."
            )
        if chunk % 2 and axis != "z":
            yield f"ingest.chunk: found {chunk} pixels along {axis}. Accepted: an even number"
    low, high = ingest["percentiles"]
    if low >= high:
        yield f"ingest.percentiles: found {low} and {high}. Accepted: a low, then a higher one"


def _impossible_uri(uri):
    try:
        check_protocol(uri)
    except InputError as error:
        yield f"stores: {error}"


def _impossible_roi(roi):
    """Regions that no volume has, whatever its size and its pixels."""
    for text in roi.values() if isinstance(roi, dict) else [roi] if roi else []:
        try:
            parse_roi(text, (sys.maxsize,) * 3, (1e-9,) * 3)
        except InputError as error:
            yield str(error)


def _impossible_models(models, scale):
    for name, model in models.items():
        if model["arch"] == "package":
            yield from _impossible_package(f"models.{name}", model.get("package"))
            continue
        if model["arch"] == "ensemble":
            yield from _impossible_ensemble(f"models.{name}.members", model["members"], models)
            continue
        options = {k: v for k, v in model.items() if k not in NO_OPTIONS}
        yield from _impossible_weights(f"models.{name}", model, scale)
        if options.get("channels", 1) not in (1, [1], [1, 1]):
            yield (
                f"models.{name}.channels: found {options['channels']}. Accepted: 1 (channels of an "
                "acquisition are super-resolved one by one)"
            )
        try:
            check_options(model["arch"], scale, options)
        except InputError as error:
            yield f"models.{name}: {error}"


def _impossible_ensemble(key, members, models):
    named = [name for name, model in models.items() if model["arch"] != "ensemble"]
    for member in members:
        if member not in named and not Path(member).is_file():
            yield (
                f"{key}: found {member}, which is neither another model nor a file of weights. "
                f"Accepted: {', '.join(named) or 'files of weights'}"
            )


def _impossible_weights(key, model, scale):
    weights = model["weights"]
    if weights and not Path(weights).is_file():
        yield f"{key}.weights: found {weights}, which is no file. Accepted: a file of weights"
    facts = (weights and saved_facts(weights)) or {}
    for name, wanted in (("arch", model["arch"]), ("scale", scale)):
        if facts.get(name, wanted) != wanted:
            yield (
                f"{key}.weights: found {name} {facts[name]} in {weights}. "
                f"Accepted: weights of {name} {wanted}"
            )
    if not model["train"] and not weights and model["arch"] != "bicubic":
        yield f"{key}.train: found false, but no weights. Accepted: weights to use, or true"


def _impossible_package(key, path):
    if not Path(path).is_file():
        yield f"{key}.package: found {path}, which is no file. Accepted: a package of bioimage.io"


def _impossible_search(calibrate, crappify):
    # Only now: what searches takes a second to load.
    from pssrflow.crappify.settings import placed

    if not calibrate["space"]:
        yield (
            "calibrate.space: found nothing to search. Accepted: keys of crappify with their "
            "lowest and highest values, such as {noise.0.intensity: [0, 40]}"
        )
    for name, (low, high) in calibrate["space"].items():
        if low >= high:
            yield (
                f"calibrate.space.{name}: found {low} and {high}. "
                "Accepted: a low, then a higher one"
            )
        try:
            placed(crappify, {name: low})
        except InputError as error:
            yield str(error)


def _refused_by_a_trial(crappify, require_fit):
    """What is wrong with a user's own steps or fit, seen on a small image before any work."""
    steps = (*crappify["before"], *crappify["noise"])
    own = not crappify["preset"] and any(s["name"] in ("custom", "network") for s in steps)
    if crappify["fit"] == "calibration" or not (own or crappify["fit"]):
        return
    # Only now: compilers and networks take seconds to load.
    from pssrflow.crappify.chain import Crappifier, NoiseKey, crappify_plane
    from pssrflow.crappify.settings import settings_of

    try:
        crappifier = Crappifier.from_config(**settings_of(crappify, None, require_fit))
        grey = np.tile(np.linspace(0, 255, 64 * crappify["scale"], dtype=np.float32), (99, 1))
        crappify_plane(grey, crappifier, NoiseKey(0, "trial", 0, 0, 0, 0), 0, 255)
    except InputError as error:
        yield f"crappify: {error}"

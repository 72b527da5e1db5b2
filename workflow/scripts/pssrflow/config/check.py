"""The configuration, checked before anything runs."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pssrflow.config.settings import Settings
from pssrflow.crappify.settings import OF_THIS_RUN, own_steps, settings_of
from pssrflow.errors import InputError
from pssrflow.plugins import in_time, load

REFUSED = "configuration refused"


def check_config(config: dict[str, Any], where: str, trial: bool = True) -> Settings:
    """Fill in the defaults of a configuration and check it.

    Parameters
    ----------
    config : dict
        As the user wrote it.
    where : str
        The files it came from, for messages.
    trial : bool
        Whether to try what only a run shows to be wrong. Jobs need not: their run has.

    Returns
    -------
    Settings
        Every key.

    Raises
    ------
    InputError
        Names the key, what was found and what is accepted; all errors at once.
    """
    settings = Settings.parse(config, where, REFUSED)
    if problems := list(_refused_by_a_trial(settings) if trial else ()):
        raise InputError(where, "\n  ".join([REFUSED, *problems]))
    return settings


def _refused_by_a_trial(settings: Settings) -> Iterator[str]:
    """What is wrong with what only a run of it shows: compilers and networks take seconds."""
    trials: dict[str, Callable[[], None]] = {
        "crappify": functools.partial(_crappify_a_plane, settings),
    }
    for name, model in settings.models.items():
        trials[f"models.{name}"] = functools.partial(_build, model, settings.crappify.scale)
    for task in settings.evaluate.tasks:
        if task.name == "custom":
            trials[f"evaluate.tasks, {task.title}"] = functools.partial(_look, task)
    for key, trial in trials.items():
        try:
            with in_time(key):
                trial()
        except InputError as error:
            yield f"{key}: {error}"


def _crappify_a_plane(settings: Settings) -> None:
    """Run a user's own steps or fit on a small image."""
    crappify = settings.crappify.plain()
    own = not crappify["preset"] and own_steps([*crappify["before"], *crappify["noise"]])
    fitted = crappify["fit"] not in (None, *OF_THIS_RUN)
    if settings.crappify.measured or not (own or fitted):
        return
    used = settings_of(crappify, None, settings.calibrate.require_fit)
    crappifier = load("pssrflow.crappify.chain:Crappifier").from_config(**used)
    key = load("pssrflow.crappify.squares:NoiseKey")(0, "trial", 0, 0, 0, 0)
    grey = np.tile(np.linspace(0, 255, 64 * crappify["scale"], dtype=np.float32), (99, 1))
    load("pssrflow.crappify.chain:crappify_plane")(grey, crappifier, key, 0, 255)


def _build(model: Any, scale: int) -> None:
    """Make a user's own network, which tries it on a small image."""
    if model.arch == "custom":
        load("pssrflow.networks.registry:build")(model.arch, scale, model.options)


def _look(task: Any) -> None:
    """Run a user's own task on a small image."""
    task(np.tile(np.linspace(0, 255, 96, dtype=np.float32), (80, 1)), 0.01)

"""Hashes of the code of rules: what their scripts reach, and what the configuration names."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from pssrflow.config.settings import Settings
from pssrflow.crappify.registry import step_symbol
from pssrflow.crappify.settings import steps_named
from pssrflow.models.model import network_symbols
from pssrflow.run.rerun import code_hash

SCRIPTS = Path(__file__).resolve().parents[2]
# Steps of a fitted crappifier, by the kind of calibration that fits it.
FITTED = {"scanner": ("counts", "lag", "readout"), "learned": ("network",), "search": ()}


class Code:
    """Hashes of the code of the rules of one run.

    Parameters
    ----------
    settings : Settings
        The configuration.
    """

    def __init__(self, settings: Settings):
        self.settings = settings

    def of(self, script: str, *named: str) -> str:
        """Hash of a script, and of more that is loaded by name ("module:Name")."""
        return code_hash(str(SCRIPTS / f"{script}.py"), *named)

    def crappifier(self, script: str) -> str:
        """Hash of a script that runs the crappifier."""
        return self.of(script, *self.steps)

    def network(self, script: str) -> Callable[[Any], str]:
        """Function of the wildcards: hash of a script that runs the network of a model."""
        return lambda wildcards: self.of(script, *self.networks(wildcards.model))

    def training(self, script: str) -> Callable[[Any], str]:
        """Function of the wildcards: hash of a script that trains the network of a model."""
        more = (*self.steps, *self.recipe)
        return lambda wildcards: self.of(script, *self.networks(wildcards.model), *more)

    @cached_property
    def steps(self) -> tuple[str, ...]:
        """Where the steps of the crappifier are written."""
        names = set(steps_named(self.settings.crappify.plain()))
        if self.settings.crappify.fit == "calibration":
            names |= set(FITTED[self.settings.calibrate.kind])
        return tuple(sorted(map(step_symbol, names)))

    @cached_property
    def recipe(self) -> tuple[str, ...]:
        """Where loss, optimiser and schedule of the training are written."""
        train = self.settings.train
        losses = [train.loss] if isinstance(train.loss, str) else train.loss
        return (
            *(f"pssrflow.train.losses:{name}" for name in sorted(losses)),
            f"pssrflow.train.optimisers:{train.optimizer}",
            f"pssrflow.train.schedules:{train.schedule}",
        )

    def networks(self, model: str) -> tuple[str, ...]:
        """Where the network of a model, or those of its members, are written."""
        return network_symbols(self.settings.models[model], self.settings.models)

    @property
    def named(self) -> set[str]:
        """Steps, recipe and the networks of all models."""
        networks = (name for model in self.settings.models for name in self.networks(model))
        return {*self.steps, *self.recipe, *networks}

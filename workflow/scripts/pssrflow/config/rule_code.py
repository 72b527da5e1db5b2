"""Hashes of the code of rules: what their scripts reach, and what the configuration names."""

import itertools
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from pssrflow.config.settings import Settings
from pssrflow.crappify.registry import step_symbol
from pssrflow.crappify.settings import steps_named
from pssrflow.evaluate.tasks import task_symbol
from pssrflow.models.model import network_symbols
from pssrflow.plugins import source_file
from pssrflow.run.rerun import code_hash, fingerprint

SCRIPTS = Path(__file__).resolve().parents[2]
# Steps of a fitted crappifier, by the kind of calibration that fits it.
FITTED = {
    "scanner": ("response", "counts", "lag", "readout"),
    "learned": ("network",),
    "search": (),
}


# Asked for with a job's wildcards: all other jobs parse the rules too, and need not wait for it.
Hash = Callable[[Any], str]


class Code:
    """Hashes of the code of the rules of one run.

    Parameters
    ----------
    settings : Settings
        The configuration.
    """

    def __init__(self, settings: Settings):
        self.settings = settings

    def hash(self, script: str, *named: str) -> str:
        """Hash of a script, and of more that is loaded by name ("module:Name")."""
        return code_hash(str(SCRIPTS / f"{script}.py"), *named)

    def of(self, script: str) -> Hash:
        """Hash of a script."""
        return lambda wildcards: self.hash(script)

    def crappifier(self, script: str) -> Hash:
        """Hash of a script that runs the crappifier."""
        return lambda wildcards: self.hash(script, *self.steps)

    def network(self, script: str) -> Hash:
        """Hash of a script that runs the network of a model."""
        return lambda wildcards: self.hash(script, *self.networks[wildcards.model])

    def judging(self, script: str) -> Hash:
        """Hash of a script that runs the network of a model and the crappifier."""
        return lambda wildcards: self.hash(script, *self.networks[wildcards.model], *self.steps)

    def looking(self, script: str) -> Hash:
        """Hash of a script that looks for what the configuration names in predictions."""
        return lambda wildcards: self.hash(script, *self.looked_for)

    def training(self, script: str) -> Hash:
        """Hash of a script that trains the network of a model."""
        more = (*self.steps, *self.recipe)
        return lambda wildcards: self.hash(script, *self.networks[wildcards.model], *more)

    @cached_property
    def steps(self) -> tuple[str, ...]:
        """Where the steps of the crappifier are written."""
        names = set(steps_named(self.settings.crappify.plain()))
        if self.settings.crappify.measured:
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

    @cached_property
    def networks(self) -> dict[str, tuple[str, ...]]:
        """Where the network of every model, or those of its members, are written."""
        models = self.settings.models
        return {name: network_symbols(model, models) for name, model in models.items()}

    @cached_property
    def looked_for(self) -> tuple[str, ...]:
        """Where the tasks are written."""
        return tuple(sorted({task_symbol(task.name) for task in self.settings.evaluate.tasks}))

    @cached_property
    def tasks(self) -> dict[str, Any]:
        """What is looked for in predictions, with a hash of every file of the user's own."""
        asked = [task.plain() for task in self.settings.evaluate.tasks]
        files = [str(source_file(task["path"])) for task in asked if "path" in task]
        return {"asked": asked, "files": {f: fingerprint((f,)) for f in files}}

    @property
    def named(self) -> set[str]:
        """Steps, recipe, tasks and the networks of all models."""
        return {
            *self.steps,
            *self.recipe,
            *self.looked_for,
            *itertools.chain(*self.networks.values()),
        }

"""What the rules need of each network: where it comes from, and what makes it."""

from collections.abc import Mapping
from typing import Any

from pssrflow.config.raw import Wildcards
from pssrflow.models.facts import PYTHON
from pssrflow.models.model import Model
from pssrflow.plugins import source_file
from pssrflow.run.layout import Layout
from pssrflow.run.rerun import fingerprint


class Networks:
    """Parameters of the networks of a run.

    Parameters
    ----------
    layout : Layout
    models : mapping of str to Model
        Of the configuration, by name.
    """

    def __init__(self, layout: Layout, models: Mapping[str, Model]) -> None:
        self.layout, self.models = layout, models

    def models_of(self, *archs: str) -> list[str]:
        """Models of some architectures."""
        return [name for name, model in self.models.items() if model.arch in archs]

    def options(self, wildcards: Wildcards) -> Any:
        """Options of a model, of whatever architecture."""
        return self.models[wildcards.model].options

    def model(self, wildcards: Wildcards) -> dict[str, Any]:
        """What makes a network, with a hash of every file of the user's own that goes into it."""
        model = self.models[wildcards.model]
        files = [f for f in model.files() if f not in self.models]
        if model.arch == PYTHON:
            files.append(str(source_file(self.options(wildcards).path)))
        return {**model.plain(), "files": {f: fingerprint((f,)) for f in files}}

    def members(self, wildcards: Wildcards) -> dict[str, str]:
        """Weights of the members of an ensemble, by the name that the configuration gives them."""
        named = self.options(wildcards).members
        return {m: self.layout.weights(m) if m in self.models else m for m in named}

    def members_done(self, wildcards: Wildcards) -> list[str]:
        """Done files of the members that are models of this run."""
        named = self.options(wildcards).members
        return [self.layout.trained(m) for m in named if m in self.models]

    def python(self, wildcards: Wildcards) -> list[str]:
        """Classes of the user's own that a model names, or members of it."""
        model = self.models[wildcards.model]
        members = getattr(model.options, "members", ())
        parts = [model, *(self.models[m] for m in members if m in self.models)]
        return [str(vars(part.options)["path"]) for part in parts if part.arch == PYTHON]

    def packaged(self, wildcards: Wildcards) -> str | None:
        """Path of the package that a model comes in, if it does."""
        return getattr(self.options(wildcards), "package", None)

    def package(self, wildcards: Wildcards) -> str:
        """Path of the package that a model comes in."""
        return self.options(wildcards).package

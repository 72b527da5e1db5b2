"""One training: how, from which seed, where it is kept and what it is made of."""

import importlib.metadata
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pssrflow.models.facts import Facts
from pssrflow.models.folder import ModelFolder
from pssrflow.run.version import __version__
from pssrflow.train.settings import Settings


@dataclass(frozen=True)
class Training:
    """What is the same for all processes and steps of one training.

    Attributes
    ----------
    recipe : Settings
        How it learns.
    seed : int
    folder : ModelFolder
        Weights, history and done file, and beside them `last.pt` and `previews/`.
    made_of : dict
        JSON that names the data and the code: `Facts` that are kept with the weights, and decide
        whether a checkpoint belongs to this training.
    licence : str or None
        Of the weights, an SPDX identifier; kept with them.
    """

    recipe: Settings
    seed: int
    folder: ModelFolder
    made_of: dict[str, Any]
    licence: str | None = None

    @property
    def state(self) -> Path:
        """What a training goes on from."""
        return Path(self.folder.path, "last.pt")

    @property
    def previews(self) -> Path:
        """Folder of the pictures."""
        return Path(self.folder.path, "previews")

    @property
    def curves(self) -> Path:
        """Folder of TensorBoard's files."""
        return Path(self.folder.path, "tensorboard")

    def labelled(self, facts: Facts, step: int, validation_psnr: float | None) -> Facts:
        """Facts with what goes with weights but decides nothing."""
        versions = {name: importlib.metadata.version(name) for name in ("torch", "numpy")}
        return replace(
            facts,
            licence=self.licence,
            versions={"pssrflow": __version__} | versions,
            step=step,
            validation_psnr=validation_psnr,
        )

"""One training: how, from which seed, where it is kept and what it is made of."""

import importlib.metadata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pssrflow.models.folder import BEST, HISTORY
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
    folder : Path
        `best.safetensors`, `last.pt`, `history.csv` and `previews/` go here.
    made_of : dict
        JSON that names the data and the code; kept with the weights, and decides whether a
        checkpoint belongs to this training.
    licence : str or None
        Of the weights, an SPDX identifier; kept with them.
    """

    recipe: Settings
    seed: int
    folder: Path
    made_of: dict[str, Any]
    licence: str | None = None

    @property
    def weights(self) -> Path:
        """The best weights."""
        return self.folder / BEST

    @property
    def state(self) -> Path:
        """What a training goes on from."""
        return self.folder / "last.pt"

    @property
    def history(self) -> Path:
        """A row per validation."""
        return self.folder / HISTORY

    @property
    def previews(self) -> Path:
        """Folder of the pictures."""
        return self.folder / "previews"

    @property
    def label(self) -> dict[str, Any]:
        """What goes with weights but does not decide whether a checkpoint belongs to them."""
        versions = {name: importlib.metadata.version(name) for name in ("torch", "numpy")}
        return {"licence": self.licence, "versions": {"pssrflow": __version__} | versions}

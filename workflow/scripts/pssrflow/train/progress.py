"""What one training is, and where it stands."""

import importlib.metadata
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pssrflow.run.layout import BEST, HISTORY
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
        `best.safetensors`, `last.pt`, `history.csv`, `previews/` and `earlier/` go here.
    made_of : dict
        JSON that names the data and the code; kept with the weights, and decides whether a
        checkpoint belongs to this training.
    licence : str or None
        Of the weights, an SPDX identifier; kept with them.
    zoom : tuple of float
        Lowest and highest magnification at which crappified patches are drawn.
    kept : float
        Share of every field that trust is calibrated on, and that is not learnt from.
    """

    recipe: Settings
    seed: int
    folder: Path
    made_of: dict[str, Any]
    licence: str | None = None
    zoom: tuple[float, float] = (1.0, 1.0)
    kept: float = 0.0

    @property
    def weights(self) -> Path:
        """The best weights."""
        return self.folder / BEST

    @property
    def state(self) -> Path:
        """What a training goes on from."""
        return self.folder / "last.pt"

    @property
    def earlier(self) -> Path:
        """The state of a training that another one replaced; its weights lie beside it."""
        return self.folder / "earlier" / self.state.name

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


@dataclass
class Progress:
    """Where a training stands: what its checkpoint holds beside weights and optimiser.

    No random state: patches, noise, orientations and dropout are drawn from the number of the
    step.

    Attributes
    ----------
    step : int
        Steps done.
    seconds : float
        Time spent on them.
    best : float
        Highest validation PSNR.
    stale : int
        Validations since then.
    waited, drops : int
        Validations since the last drop of the schedule `plateau` or improvement; drops so far.
    losses : list of float
        Of the steps since the last validation.
    history : list of dict
        A row per validation.
    """

    step: int = 0
    seconds: float = 0.0
    best: float = -math.inf
    stale: int = 0
    waited: int = 0
    drops: int = 0
    losses: list[float] = field(default_factory=list)
    history: list[dict] = field(default_factory=list)

    def note(self, psnr: float, patience: int) -> bool:
        """Take in a validation; True if it is the best so far.

        NaN, where nothing is held out, leaves the latest weights the best.
        """
        improved = math.isnan(psnr) or psnr > self.best
        if improved:
            self.best = self.best if math.isnan(psnr) else psnr
            self.stale = self.waited = 0
            return True
        self.stale, self.waited = self.stale + 1, self.waited + 1
        if self.waited > patience:
            self.drops, self.waited = self.drops + 1, 0
        return False

"""The folder of a model that is used without being trained here."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from torch import nn

from pssrflow.models.facts import Facts
from pssrflow.models.weights import save_weights
from pssrflow.run.files import file_hash, replacing, write_json
from pssrflow.run.layout import BEST, HISTORY

# Of train.done.json, which other programs read.
FORMAT = 1


@dataclass(frozen=True)
class ModelFolder:
    """Weights, history and done file of a model, as a training leaves them.

    Attributes
    ----------
    path : path-like
    done : path-like
        Says that the model is finished.
    """

    path: Path | str
    done: Path | str

    @property
    def best(self) -> Path:
        """The weights that are used."""
        return Path(self.path, BEST)

    def keep(self, network: nn.Module, facts: Facts) -> None:
        """Write a network that is not trained here: weights, a history of one line, done file."""
        with replacing(self.best) as scratch:
            save_weights(scratch, network, facts)
        write_history(Path(self.path, HISTORY), [_one_row(facts)])
        self.finish(facts.step or 0, facts.validation_psnr)

    def finish(self, step: int, validation_psnr: float | None, **about: Any) -> None:
        """Say that the model is finished, and what more is known of its training (JSON)."""
        content = {
            "format": FORMAT,
            "weights": BEST,
            "sha256": file_hash(self.best),
            "bytes": self.best.stat().st_size,
            "history": file_hash(Path(self.path, HISTORY)),
            "step": step,
            "validation_psnr": validation_psnr,
            **about,
        }
        write_json(self.done, content)


def write_history(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write a row per validation."""
    with replacing(path) as scratch:
        pd.DataFrame(rows).to_csv(scratch, index=False)


def _one_row(facts: Facts) -> dict[str, Any]:
    """A line as the report reads of every model."""
    row = {"step": facts.step or 0, "epoch": 0.0, "seconds": 0.0, "learning_rate": math.nan}
    return row | {"loss": math.nan, "psnr": facts.validation_psnr, "psnr_bicubic": math.nan}

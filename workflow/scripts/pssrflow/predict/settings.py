"""Section `predict`: how volumes are super-resolved."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Settings:
    """How volumes are super-resolved."""

    tile: int | Literal["auto"] = "auto"
    halo: int | Literal["auto"] = "auto"
    memory: int = 4000
    blend: Literal["none", "linear", "gaussian"] = "none"
    overlap: int = 32
    self_ensemble: bool = False
    empty: float | Literal["constant"] | None = None

"""Section `calibrate`: how the crappifier is fitted to acquired pairs."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, Strict

from pssrflow.keys import Fault, Keys, key

# Lowest and highest value of what is searched; lists of the configuration are no tuples here.
Range = Annotated[tuple[float, ...], Strict(False), Field(min_length=2, max_length=2)]


class Settings(Keys):
    """How the crappifier is fitted to acquired pairs; used where crappify.fit is calibration."""

    kind: Literal["scanner", "search", "learned"] = key(
        "scanner",
        "scanner: a physical point scanner, by regression; search: parameters of the steps above, "
        "by trial (optuna); learned: a network of scale 1.",
    )
    samples: tuple[str, ...] | None = key(
        None,
        "Rows to fit on; null takes train rows with an lr_path, or else train and predict rows, "
        "one by one, for their noise alone.",
        min_length=1,
    )
    dark: float | None = key(
        None,
        "Grey level (of 255) of the HR detector without signal, as from a blanked beam; null is 0, "
        "or the level above it at which the noise of the images vanishes.",
        ge=-255,
        le=254,
    )
    planes: int = key(3, "Planes of each row that are used, evenly spaced.", ge=1, le=1000)
    space: dict[str, Range] = key(
        {},
        "What `search` varies: keys of crappify with their lowest and highest value, such as "
        "{noise.0.intensity: [0, 40]}.",
    )
    trials: int = key(100, "Trials of `search`.", ge=1, le=100_000)
    steps: int = key(2000, "Optimiser steps of `learned`.", ge=1, le=1_000_000)
    require_fit: bool = key(
        False,
        "Refuse to crappify and train with a fit whose verdict is not `fits`; else it is a warning "
        "in log and report, with what is off and by how much.",
    )

    def faults(self) -> Iterator[Fault]:
        if self.kind != "search":
            return
        if not self.space:
            yield Fault(
                "space",
                "found nothing to search. Accepted: keys of crappify with their lowest and highest "
                "values, such as {noise.0.intensity: [0, 40]}",
            )
        for name, (low, high) in self.space.items():
            if low >= high:
                yield Fault(
                    f"space.{name}",
                    f"found {low:g} and {high:g}. Accepted: a low, then a higher one",
                )

"""Section `train`: how networks learn."""

import hashlib
import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, Strict, WithJsonSchema

from pssrflow.keys import Fault, Keys, OneOf, key, not_accepted
from pssrflow.networks.options import Precision
from pssrflow.plugins import choices

# Keys that may change between the runs of one training: they change neither what is drawn nor what
# a step computes.
FREE_TO_CHANGE = {
    *("preview_every", "checkpoint_every", "tensorboard", "resume"),
    *("accelerator", "devices", "nodes", "find_copies"),
}
# How long a training goes on; with other ones it can be extended.
LENGTHS = ("max_time", "epochs", "max_steps", "stop_after")
SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
DURATION = r"([0-9]+(?:\.[0-9]+)?) *([smhd]?)"


def seconds(given: Any) -> Any:
    """Seconds of a duration such as ``"90s"``, ``"10m"`` or ``"2h"``; what is no text stays."""
    if not isinstance(given, str):
        return given
    found = re.fullmatch(DURATION, given)
    if not found:
        raise not_accepted("seconds, or a text such as 90s, 10m, 2h or 1d")
    return float(found[1]) * SECONDS[found[2]]


Duration = Annotated[
    Annotated[float, Field(gt=0)] | None,
    BeforeValidator(seconds),
    WithJsonSchema({"type": ["string", "number", "null"], "pattern": f"^{DURATION}$"}),
]
Zoom = Annotated[float, Field(ge=0.25, le=4)]
ZoomRange = Annotated[tuple[Zoom, ...], Strict(False), Field(min_length=2, max_length=2)]
LossName = Annotated[str, OneOf(lambda: choices("pssrflow.train.losses"))]
Weight = Annotated[float, Field(gt=0)]


class Settings(Keys):
    """How networks learn; the recipe of a training."""

    max_time: Duration = key(
        "10m",
        "Longest training: seconds, or a text such as 90s, 10m, 2h; null for no limit. It ends "
        "with the time, the epochs or the steps, whichever is first. Real data deserve more than "
        "ten minutes; stopping by steps (max_time: null) is repeatable to the bit.",
    )
    epochs: int = key(100, "Passes over the training pixels.", ge=1)
    max_steps: int | None = key(
        None, "Most optimiser steps, whatever the epochs; null for no limit.", ge=1
    )
    validate_every: int = key(
        100, "Steps between validations, checkpoints and lines of history.csv.", ge=1
    )
    preview_every: int = key(5, "Validations between preview pictures.", ge=1)
    batch: int = key(8, "Patches per step, on each device.", ge=1)
    patch: int = key(48, "LR pixels of a patch along y and x.", ge=8, le=512)
    zoom: Literal["auto"] | Zoom | ZoomRange = key(
        "auto",
        "Magnification at which patches of crappified rows are drawn, resampled before they are "
        "degraded: a number, or a lowest and a highest one; auto takes those at which structure "
        "is as large, in pixels, as in the test and predict rows, by their pixel sizes.",
    )
    focus: float = key(
        0.0,
        "How much more often patches with structure are drawn than even ones, so that resin and "
        "background are not what is learnt: the power of their local variance; 0 draws all alike.",
        ge=0,
        le=4,
    )
    accumulate: int = key(
        1,
        "Batches whose gradients are summed before a step; more pixels per step in the same "
        "memory.",
        ge=1,
    )
    loss: LossName | dict[LossName, Weight] = key(
        "mse",
        "What is minimised between prediction and truth: a name, or several with their weights, "
        "such as {mse: 1, fourier: 0.1}.",
    )
    optimizer: Annotated[str, OneOf(lambda: choices("pssrflow.train.optimisers"))] = key(
        "adamw", "What turns gradients into steps."
    )
    learning_rate: float = key(
        0.002, "Largest step size; it warms up and then follows the schedule.", gt=0, le=1
    )
    weight_decay: float = key(0.0001, "Weight decay of the optimiser.", ge=0)
    momentum: float = key(0.9, "Of the optimiser sgd.", ge=0, lt=1)
    nesterov: bool = key(False, "Nesterov's momentum of the optimiser sgd.")
    warmup: int = key(50, "Steps until the learning rate is reached.", ge=0)
    schedule: Annotated[str, OneOf(lambda: choices("pssrflow.train.schedules"))] = key(
        "cosine",
        "How the learning rate falls, to a hundredth at most: cosine over the training, "
        "exponential by gamma every epoch, plateau by gamma when validation stands still, "
        "constant.",
    )
    gamma: float = key(0.8, "Factor of the schedules exponential and plateau.", gt=0, le=1)
    patience: int = key(
        5,
        "Validations without improvement before the schedule plateau lowers the learning rate.",
        ge=0,
    )
    clip: Annotated[float, Field(gt=0)] | Literal["auto"] | None = key(
        "auto", "Longest gradient: auto for three times the usual one, a number, or null for any."
    )
    ema: float | None = key(
        0.995,
        "Decay of the moving average of the weights, which is validated and kept; null keeps the "
        "weights themselves.",
        ge=0,
        lt=1,
    )
    stop_after: int | None = key(
        None, "Validations without improvement that end the training; null for never.", ge=1
    )
    checkpoint_every: Duration = key(
        "5m",
        "Longest time between checkpoints, besides those at validations: seconds, or a text such "
        "as 5m; null for none.",
    )
    validation: float = key(
        0.1,
        "Share of every training field that is held out, behind a guard band; 0 for none.",
        ge=0,
        le=0.5,
    )
    precision: Precision = key(
        "auto", "auto takes 16 bit where the device computes it in hardware."
    )
    compile: bool = key(
        False,
        "Compile the network with torch.compile; needs a C++ compiler, and minutes before the "
        "first step.",
    )
    accelerator: Literal["auto", "cpu", "cuda", "mps"] = key(
        "auto", "Kind of device; auto takes a GPU where there is one."
    )
    devices: Annotated[int, Field(ge=1)] | Literal["auto"] = key(
        1, "Devices of that kind on this machine, a process each; auto takes all."
    )
    nodes: int = key(
        1,
        "Machines that learn together, as one job of SLURM; `devices` is then those of each.",
        ge=1,
    )
    find_copies: bool = key(
        True,
        "Look for pixels of training rows in test rows, before anything is learnt: copied, "
        "cropped, turned or encoded anew; false where a set is too large for it.",
    )
    tensorboard: bool = key(
        False,
        "Write curves and previews to models/{model}/tensorboard as well, for `tensorboard "
        "--logdir`.",
    )
    resume: bool | Literal["extend"] = key(
        True,
        "true goes on from an interrupted training of the same configuration, data and code; "
        "extend goes on from one that max_time, epochs, max_steps or stop_after ended too, with "
        "the schedule stretched anew, so that its weights are no longer those of the configuration "
        "alone; false starts anew.",
    )

    def steps(self, per_epoch: float) -> int:
        """Steps of the whole training."""
        steps = math.ceil(self.epochs * per_epoch)
        return steps if self.max_steps is None else min(steps, self.max_steps)

    def numbers(self, step: int, rank: int, world: int) -> list[range]:
        """Numbers of the patches of one step on one device: a range for each of its batches.

        The devices share what one process with the batches of all of them would draw, so the
        number of devices changes how fast a step is, not what it learns from.
        """
        size = self.batch
        first = (step * self.accumulate * world + rank) * size
        starts = (first + i * world * size for i in range(self.accumulate))
        return [range(start, start + size) for start in starts]

    def faults(self) -> Iterator[Fault]:
        if isinstance(self.zoom, tuple) and self.zoom[0] > self.zoom[1]:
            low, high = self.zoom
            yield Fault("zoom", f"found {low:g} and {high:g}. Accepted: a low, then a higher one")
        if self.nodes > 1 and self.devices == "auto":
            found = f"auto with {self.nodes} nodes"
            yield Fault("devices", f"found {found}. Accepted: the number on each of them")

    def magnifications(self, chosen: Sequence[float] | None) -> tuple[float, float]:
        """Lowest and highest, as `zoom` says or as they were chosen by pixel sizes."""
        if self.zoom == "auto":
            low, high = chosen or (1.0, 1.0)
            return low, high
        low, *rest = self.zoom if isinstance(self.zoom, tuple) else (self.zoom,)
        return low, rest[0] if rest else low

    @property
    def deciding(self) -> dict[str, Any]:
        """Keys that decide the result, as JSON; `zoom` where it is not chosen by pixel sizes."""
        free = FREE_TO_CHANGE | ({"zoom"} if self.zoom == "auto" else set())
        return {k: v for k, v in self.plain().items() if k not in free}

    @property
    def lengths(self) -> dict[str, Any]:
        """How long the training goes on, as JSON."""
        return {name: getattr(self, name) for name in LENGTHS}

    def identity(self, *others: Any) -> str:
        """Hash of the keys that decide what a step does, and of what else decides it (JSON)."""
        fixed = {k: v for k, v in self.deciding.items() if k not in LENGTHS}
        text = json.dumps([fixed, *others], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

"""How to train, and where a training stands."""

import hashlib
import json
import math
from dataclasses import asdict, dataclass

# Settings of a recipe that may change between the runs of one training: they change neither what
# is drawn nor what a step computes, or they are the reason why a run is continued elsewhere.
FREE_TO_CHANGE = {
    *("max_time", "preview_every", "checkpoint_every", "stop_after", "tensorboard"),
    *("accelerator", "devices", "nodes"),
}


@dataclass(frozen=True)
class Recipe:
    """How to train; the section `train` of the configuration.

    Attributes
    ----------
    max_time : float or None
        Seconds; the schedule ends with whichever of time, epochs and steps ends first.
    epochs : int
        Passes over the pixels of the training regions.
    max_steps : int or None
    validate_every : int
        Steps.
    preview_every : int
        Validations.
    batch : int
        Patches on each device between two sums of gradients.
    patch : int
        LR pixels along y and x.
    loss : str or dict of str to float
        A key of `LOSSES`, or several with their weights.
    learning_rate, weight_decay : float
    warmup : int
        Steps.
    validation : float
        Share of every training field that is held out.
    precision : str
        "auto", "bf16", "16" or "32".
    optimizer, schedule : str
        Keys of `OPTIMISERS` and `SCHEDULES`.
    momentum : float
    nesterov : bool
        For sgd.
    gamma : float
        For exponential (every epoch) and plateau (every drop).
    patience : int
        Validations without improvement before plateau drops.
    clip : "auto", float or None
        Longest gradient.
    accumulate : int
        Batches per step.
    ema : float or None
        Decay of the average of the weights that is validated and kept; None keeps the weights.
    stop_after : int or None
        Validations without improvement that end the training.
    checkpoint_every : float or None
        Seconds between checkpoints, besides those at validations.
    accelerator : str
        "auto", "cpu", "cuda" or "mps".
    devices : int or "auto"
    nodes : int
    compile : bool
    tensorboard : bool
    """

    max_time: float | None
    epochs: int
    max_steps: int | None
    validate_every: int
    preview_every: int
    batch: int
    patch: int
    loss: str | dict[str, float]
    learning_rate: float
    weight_decay: float
    warmup: int
    validation: float
    precision: str
    optimizer: str = "adamw"
    momentum: float = 0.9
    nesterov: bool = False
    schedule: str = "cosine"
    gamma: float = 0.8
    patience: int = 5
    clip: str | float | None = "auto"
    accumulate: int = 1
    ema: float | None = 0.995
    stop_after: int | None = None
    checkpoint_every: float | None = 300
    accelerator: str = "auto"
    devices: int | str = 1
    nodes: int = 1
    compile: bool = False
    tensorboard: bool = False

    def steps(self, per_epoch):
        """Steps of the whole training."""
        steps = math.ceil(self.epochs * per_epoch)
        return steps if self.max_steps is None else min(steps, self.max_steps)

    def numbers(self, step, rank, world):
        """Numbers of the patches of one step on one device: a range for each of its batches.

        The devices share what one process with the batches of all of them would draw, so the
        number of devices changes how fast a step is, not what it learns from.
        """
        size = self.batch
        first = (step * self.accumulate * world + rank) * size
        starts = (first + i * world * size for i in range(self.accumulate))
        return [range(start, start + size) for start in starts]

    def identity(self, *others):
        """Hash of the settings that decide the result, and of what else decides it (JSON)."""
        fixed = {k: v for k, v in asdict(self).items() if k not in FREE_TO_CHANGE}
        text = json.dumps([fixed, *others], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

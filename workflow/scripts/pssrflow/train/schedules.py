"""Schedules by name: the share of the learning rate at a moment of the training.

Every public function here is a schedule that the configuration may name.
"""

import math
from dataclasses import dataclass

from pssrflow.train.settings import Settings

# Share of the learning rate that every schedule that falls keeps.
FLOOR = 0.01


@dataclass(frozen=True)
class Moment:
    """What the schedules know.

    Attributes
    ----------
    spent : float
        Share of the training's steps or time that is over.
    epoch : float
        Passes over the training pixels.
    drops : int
        Times that the validation did not improve for the recipe's patience.
    """

    spent: float
    epoch: float
    drops: int


def cosine(recipe: Settings, moment: Moment) -> float:
    """Half a cosine, down to a hundredth; Loshchilov & Hutter 2017, arXiv:1608.03983."""
    half = 0.5 * (1 + math.cos(math.pi * min(moment.spent, 1.0)))
    return FLOOR + (1 - FLOOR) * half


def exponential(recipe: Settings, moment: Moment) -> float:
    """`gamma` for every epoch, step by step, down to a hundredth."""
    return max(recipe.gamma**moment.epoch, FLOOR)


def plateau(recipe: Settings, moment: Moment) -> float:
    """`gamma` whenever the validation has not improved, down to a hundredth."""
    return max(recipe.gamma**moment.drops, FLOOR)


def constant(recipe: Settings, moment: Moment) -> float:
    """The learning rate as it is."""
    return 1.0


class LearningRate:
    """Step size: a linear warm-up times the schedule."""

    def __init__(self, recipe: Settings):
        self.recipe, self.schedule = recipe, globals()[recipe.schedule]

    def __call__(self, step: int, moment: Moment) -> float:
        """Step size of a step, counted from 0, at its moment."""
        warm = min(1.0, (step + 1) / max(1, self.recipe.warmup))
        return self.recipe.learning_rate * warm * self.schedule(self.recipe, moment)

"""Train one network on the pairs of all training rows, out of core, and go on after a kill."""

from pssrflow.train.loop import Trainer
from pssrflow.train.losses import LOSSES, Loss
from pssrflow.train.optimisers import OPTIMISERS, SCHEDULES
from pssrflow.train.recipe import Progress, Recipe
from pssrflow.train.stage import train

__all__ = [
    "LOSSES",
    "OPTIMISERS",
    "SCHEDULES",
    "Loss",
    "Progress",
    "Recipe",
    "Trainer",
    "train",
]

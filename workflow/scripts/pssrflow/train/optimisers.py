"""Optimisers and schedules by name, the clipping of gradients, and the average of the weights."""

import copy
import math
from dataclasses import dataclass

import torch

# Share of the learning rate that every schedule that falls keeps.
FLOOR = 0.01
# A gradient this many times the usual one is shortened; a single odd batch else undoes minutes.
ODD = 3.0


def adamw(parameters, recipe):
    return torch.optim.AdamW(
        parameters, recipe.learning_rate, betas=(0.9, 0.99), weight_decay=recipe.weight_decay
    )


def adam(parameters, recipe):
    return torch.optim.Adam(
        parameters, recipe.learning_rate, betas=(0.9, 0.99), weight_decay=recipe.weight_decay
    )


def sgd(parameters, recipe):
    return torch.optim.SGD(
        parameters,
        recipe.learning_rate,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
    )


# Adding an optimiser: one function, one line here, its name in the schema.
OPTIMISERS = {"adamw": adamw, "adam": adam, "sgd": sgd}


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


def cosine(recipe, moment):
    """Half a cosine, down to a hundredth; Loshchilov & Hutter 2017, arXiv:1608.03983."""
    half = 0.5 * (1 + math.cos(math.pi * min(moment.spent, 1.0)))
    return FLOOR + (1 - FLOOR) * half


def exponential(recipe, moment):
    """`gamma` for every epoch, step by step, down to a hundredth."""
    return max(recipe.gamma**moment.epoch, FLOOR)


def plateau(recipe, moment):
    """`gamma` whenever the validation has not improved, down to a hundredth."""
    return max(recipe.gamma**moment.drops, FLOOR)


def constant(recipe, moment):
    return 1.0


# Adding a schedule: one function, one line here, its name in the schema.
SCHEDULES = {
    "cosine": cosine,
    "exponential": exponential,
    "plateau": plateau,
    "constant": constant,
}


def learning_rate(recipe, step, moment):
    """Step size: a linear warm-up times the schedule."""
    warm = min(1.0, (step + 1) / max(1, recipe.warmup))
    return recipe.learning_rate * warm * SCHEDULES[recipe.schedule](recipe, moment)


class Clip:
    """Shortens long gradients; the usual length stays on the device, so nothing waits for it.

    Parameters
    ----------
    limit : "auto", float or None
        Longest gradient; "auto" is three times the usual one, None any.
    device : torch.device
    """

    def __init__(self, limit, device):
        self.limit = limit
        self.usual = torch.tensor(math.inf, device=device)

    def __call__(self, parameters):
        """Clip the gradients of `parameters`; gives their length before."""
        gradients = [p.grad for p in parameters if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        if self.limit is None:
            return norm
        limit = ODD * self.usual if self.limit == "auto" else self.limit
        torch._foreach_mul_(gradients, (limit / (norm + 1e-6)).clamp(max=1.0))
        self._learn(torch.minimum(norm, ODD * self.usual))
        return norm

    def _learn(self, norm):
        known = torch.isfinite(self.usual)
        usual = torch.where(known, 0.98 * self.usual + 0.02 * norm, norm)
        # A blank batch has no gradient, and must not become the measure of the next ones.
        self.usual = torch.where((norm > 0) & torch.isfinite(norm), usual, self.usual)


class Average:
    """Exponential moving average of the weights of a network, which is validated and kept.

    Statistics that the network itself gathers, as of batch normalisation, are the latest ones.

    Parameters
    ----------
    network : torch.nn.Module
    decay : float or None
        None to follow the network without a copy.
    """

    def __init__(self, network, decay):
        self.network, self.decay = network, decay
        self.module = network if decay is None else copy.deepcopy(network).requires_grad_(False)

    @torch.no_grad()
    def update(self, step):
        """Take in the weights after `step`, counted from 0."""
        if self.decay is None:
            return
        # Early averages forget fast, or the untrained weights would linger for hundreds of steps.
        kept = min(step / (10 + step), self.decay)
        torch._foreach_lerp_(
            list(self.module.parameters()), list(self.network.parameters()), 1 - kept
        )
        for own, latest in zip(self.module.buffers(), self.network.buffers()):
            own.copy_(latest)

"""Optimisers by name, the clipping of gradients, and the average of the weights.

Every public function here is an optimiser that the configuration may name: it takes parameters and
the section `train`.
"""

import copy
import math
from collections.abc import Iterable

import torch
from torch import nn

from pssrflow.train.settings import Settings

# A gradient this many times the usual one is shortened; a single odd batch else undoes minutes.
ODD = 3.0


def adamw(parameters: Iterable[nn.Parameter], recipe: Settings) -> torch.optim.Optimizer:
    """Adam with decoupled weight decay; Loshchilov & Hutter 2019, arXiv:1711.05101."""
    return torch.optim.AdamW(
        parameters, recipe.learning_rate, betas=(0.9, 0.99), weight_decay=recipe.weight_decay
    )


def adam(parameters: Iterable[nn.Parameter], recipe: Settings) -> torch.optim.Optimizer:
    """Kingma & Ba 2015, arXiv:1412.6980."""
    return torch.optim.Adam(
        parameters, recipe.learning_rate, betas=(0.9, 0.99), weight_decay=recipe.weight_decay
    )


def sgd(parameters: Iterable[nn.Parameter], recipe: Settings) -> torch.optim.Optimizer:
    """Steps along the gradient, with momentum."""
    return torch.optim.SGD(
        parameters,
        recipe.learning_rate,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
    )


class Clip:
    """Shortens long gradients; the usual length stays on the device, so nothing waits for it.

    Parameters
    ----------
    limit : "auto", float or None
        Longest gradient; "auto" is three times the usual one, None any.
    device : torch.device
    """

    def __init__(self, limit: str | float | None, device: torch.device):
        self.limit = limit
        self.usual = torch.tensor(math.inf, device=device)

    def __call__(self, parameters: Iterable[nn.Parameter]) -> None:
        """Clip the gradients of `parameters`."""
        if self.limit is None:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        limit = ODD * self.usual if isinstance(self.limit, str) else self.limit
        torch._foreach_mul_(gradients, (limit / (norm + 1e-6)).clamp(max=1.0))
        self._learn(torch.minimum(norm, ODD * self.usual))

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

    def __init__(self, network: nn.Module, decay: float | None):
        self.network, self.decay = network, decay
        self.module = network if decay is None else copy.deepcopy(network).requires_grad_(False)

    @torch.no_grad()
    def update(self, step: int) -> None:
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

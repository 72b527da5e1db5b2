"""The width network: how far a prediction may be from the truth, for every LR pixel.

It sees the LR image and the finished prediction and works at LR resolution, so it costs little
beside any network and changes none of its pixels.
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pssrflow.networks.contract import middle

Floats = npt.NDArray[np.float32]

# Channels of its layers, and LR pixels that it looks around one.
WIDTH, REACH = 16, 4
# Steps of its training, patches of each, and their learning rate at first.
STEPS, BATCH, RATE = 400, 8, 3e-3
# A scale is neither below nor above these, in parts of the grey levels that a network sees.
LEAST, MOST = 1e-4, 10.0


class Head(nn.Module):
    """Four layers of convolutions at LR resolution.

    Parameters
    ----------
    scale : int
        SR pixels per LR pixel.
    """

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        sizes = [1 + scale**2, WIDTH, WIDTH, WIDTH]
        self.layers = nn.ModuleList(
            nn.Conv2d(n, m, 3, padding=1) for n, m in itertools.pairwise(sizes)
        )
        self.last: Any = nn.Conv2d(WIDTH, 1, 3, padding=1)
        # Twice as fast on processors.
        placed: Any = self
        placed.to(memory_format=torch.channels_last)

    def forward(self, lr: Tensor, sr: Tensor) -> Tensor:
        """Logarithm of the scale (n, 1, y, x) of LR planes (n, 1, y, x) and predictions."""
        x = torch.cat([lr, F.pixel_unshuffle(sr, self.scale)], 1).clamp(-1, 2) - 0.5
        for layer in self.layers:
            x = F.relu(layer(x), inplace=True)
        found: Tensor = self.last(x)
        return found

    def scales(self, lr: Floats, sr: Floats) -> Floats:
        """Scale s > 0 of every LR pixel, of arrays (y, x) from 0 to 1."""
        with torch.inference_mode():
            given = (torch.from_numpy(np.ascontiguousarray(i))[None, None] for i in (lr, sr))
            found = self(*given)[0, 0].exp().clamp(LEAST, MOST)
        made: Floats = found.numpy()
        return made


# LR frames (frames, y, x), predictions (1, y, x), truths, and weights of their pixels.
Example = tuple[Floats, Floats, Floats, Floats]


def learn(scale: int, examples: Sequence[Example], seed: int) -> Head:
    """A head that has learnt how large errors are: it minimises ``|y - f| / s + log s``.

    Parameters
    ----------
    scale : int
    examples : sequence of Example
        Of one size.
    seed : int
    """
    torch.manual_seed(seed)
    head = Head(scale)
    seen, made, errors, weights = _tensors(scale, examples)
    # It begins with the mean error everywhere.
    head.last.bias.data.fill_(float(np.log(max(_mean(errors, weights), LEAST))))
    optimiser = torch.optim.Adam(head.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    order = torch.Generator().manual_seed(seed)
    for _ in range(STEPS):
        some = torch.randint(len(seen), (BATCH,), generator=order)
        scales = head(seen[some], made[some])
        loss = errors[some] * torch.exp(-scales) + scales
        optimiser.zero_grad()
        (loss * weights[some]).mean().backward()
        optimiser.step()
        schedule.step()
    return head.eval().requires_grad_(False)


def _mean(errors, weights):
    return float((errors * weights).sum() / weights.sum().clamp(min=1))


def _tensors(scale: int, examples: Iterable[Example]) -> tuple[Tensor, ...]:
    """Of each LR pixel of the examples: what is seen, predicted, mean error and weight."""
    lr, sr, hr, weight = (torch.from_numpy(np.stack(a)) for a in zip(*examples))
    counts = F.avg_pool2d(weight, scale)
    error = F.avg_pool2d((sr - hr).abs() * weight, scale) / counts.clamp(min=1e-6)
    return middle(lr), sr, error, counts

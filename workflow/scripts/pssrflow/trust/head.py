"""The width network: how far a prediction may be from the truth, for every LR pixel.

It sees the LR image and the finished prediction and works at LR resolution, so it costs little
beside any network and changes none of its pixels.
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

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
    specimen : bool
        Whether it also says how far a prediction may be from the specimen itself, whose scan is
        noisy.
    """

    def __init__(self, scale: int, specimen: bool = False) -> None:
        super().__init__()
        self.scale = scale
        sizes = [1 + scale**2, WIDTH, WIDTH, WIDTH]
        self.layers = nn.ModuleList(
            nn.Conv2d(n, m, 3, padding=1) for n, m in itertools.pairwise(sizes)
        )
        self.last: Any = nn.Conv2d(WIDTH, 1 + specimen, 3, padding=1)
        # Twice as fast on processors.
        placed: Any = self
        placed.to(memory_format=torch.channels_last)

    def forward(self, lr: Tensor, sr: Tensor) -> Tensor:
        """Logarithms (n, 1 or 2, y, x) of the scales of LR planes (n, 1, y, x) and predictions."""
        x = torch.cat([lr, F.pixel_unshuffle(sr, self.scale)], 1).clamp(-1, 2) - 0.5
        for layer in self.layers:
            x = F.relu(layer(x), inplace=True)
        found: Tensor = self.last(x)
        return found

    def scales(self, lr: Floats, sr: Floats) -> Floats:
        """Scales s > 0 of every LR pixel, of arrays (y, x) from 0 to 1.

        Returns
        -------
        ndarray (1 or 2, y, x)
            Mean error against a scan; deviation from the specimen.
        """
        with torch.inference_mode():
            given = (torch.from_numpy(np.ascontiguousarray(i))[None, None] for i in (lr, sr))
            found = self(*given)[0].exp().clamp(LEAST, MOST)
        made: Floats = found.numpy()
        return made


class Example(NamedTuple):
    """What the head learns from, all float32.

    Attributes
    ----------
    lr : ndarray (frames, y, x)
    sr, hr, weight : ndarray (1, scale * y, scale * x)
        Prediction, truth, and how much its pixels count.
    noise : ndarray or None
        Variance of the truth's noise, of its shape; None where it is not known.
    """

    lr: Floats
    sr: Floats
    hr: Floats
    weight: Floats
    noise: Floats | None = None


def learn(scale: int, examples: Sequence[Example], seed: int) -> Head:
    """A head that has learnt how large errors are.

    It minimises ``|y - f| / s + log s``; and, where the noise n of the truths is known, the
    likelihood of ``y - f`` as drawn with variance ``d^2 + n``.

    Parameters
    ----------
    scale : int
    examples : sequence of Example
        Of one size.
    seed : int
    """
    torch.manual_seed(seed)
    examined = _tensors(scale, examples)
    seen, made, errors, weights = examined[:4]
    head = Head(scale, len(examined) > 4)
    # It begins with the mean error everywhere.
    head.last.bias.data.fill_(float(np.log(max(_mean(errors, weights), LEAST))))
    optimiser = torch.optim.Adam(head.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    order = torch.Generator().manual_seed(seed)
    for _ in range(STEPS):
        some = torch.randint(len(seen), (BATCH,), generator=order)
        loss = _loss(head(seen[some], made[some]), *(e[some] for e in examined[2:]))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return head.eval().requires_grad_(False)


def _loss(logs, errors, weights, *known):
    scale = logs[:, :1]
    loss = errors * torch.exp(-scale) + scale
    if known:
        squares, noise = known
        variance = (2 * logs[:, 1:]).exp() + noise
        loss = loss + (squares / variance + variance.log()) / 2
    return (loss * weights).mean()


def _mean(errors, weights):
    return float((errors * weights).sum() / weights.sum().clamp(min=1))


def _tensors(scale: int, examples: Iterable[Example]) -> tuple[Tensor, ...]:
    """Of each LR pixel of the examples: what is seen, predicted, mean error and weight.

    Where the noise is known, also the mean square of the error, and of the noise.
    """
    columns = [c for c in zip(*examples) if c[0] is not None]
    lr, sr, hr, weight, *noise = (torch.from_numpy(np.stack(c)) for c in columns)
    counts = F.avg_pool2d(weight, scale)

    def mean(values: Tensor) -> Tensor:
        return F.avg_pool2d(values * weight, scale) / counts.clamp(min=1e-6)

    squares = [mean((sr - hr) ** 2), *map(mean, noise)] if noise else []
    return middle(lr), sr, mean((sr - hr).abs()), counts, *squares

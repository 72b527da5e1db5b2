"""The width network: how far a prediction may be from the truth, for every LR pixel.

It sees the LR image, and level and slope of the finished prediction: more of it, or deeper layers,
brought nothing, and the map shall cost little beside the prediction. It changes none of its pixels.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pssrflow.compiled import compiled
from pssrflow.networks.contract import middle
from pssrflow.trust.layers import layers

Floats = npt.NDArray[np.float32]

# Channels of its hidden layer, and LR pixels that it looks around one.
WIDTH, REACH = 16, 2
# Steps of its training, patches of each, and their learning rate at first.
STEPS, BATCH, RATE = 1000, 8, 3e-3
# A scale is neither below nor above these, in parts of the grey levels that a network sees.
LEAST, MOST = 1e-4, 10.0


class Head(nn.Module):
    """Two layers of convolutions at LR resolution.

    Parameters
    ----------
    specimen : bool
        Whether it also says how far a prediction may be from the specimen itself, whose scan is
        noisy.
    """

    def __init__(self, specimen: bool = False) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, WIDTH, 3, padding=1)
        self.last: Any = nn.Conv2d(WIDTH, 1 + specimen, 3, padding=1)
        # Twice as fast on processors.
        placed: Any = self
        placed.to(memory_format=torch.channels_last)

    def forward(self, lr: Tensor, level: Tensor, slope: Tensor) -> Tensor:
        """Logarithms of scales (n, 1 or 2, y, x); see `scales`."""
        seen = torch.cat(self._seen(lr, level, slope), 1)
        found: Tensor = self.last(F.relu(self.first(seen), inplace=True))
        return found

    def scales(self, lr: Floats, level: Floats, slope: Floats) -> Floats:
        """Scales s > 0 of every LR pixel.

        Parameters
        ----------
        lr, level, slope : ndarray (y, x) of float32
            LR image, and what lies of the prediction in each of its pixels (see `layers`): as the
            network sees grey levels, 0 to 1.

        Returns
        -------
        ndarray (1 or 2, y, x)
            Mean error against a scan; deviation from the specimen.
        """
        # Without torch: twice as fast, and the same however an image is cut.
        seen = np.zeros((3, *(n + 2 for n in lr.shape)), np.float32)
        seen[:, 1:-1, 1:-1] = self._seen(lr, level, slope)
        weights, biases = zip(*(self._layer(layer) for layer in (self.first, self.last)))
        made = np.empty((len(biases[-1]), *lr.shape), np.float32)
        _convolved(seen, weights, biases, made)
        return np.exp(made.clip(math.log(LEAST), math.log(MOST), made), made)

    @staticmethod
    def _seen(lr: Any, level: Any, slope: Any) -> tuple[Any, ...]:
        """What the first layer sees, tensors or arrays."""
        return lr.clip(-1, 2) - 0.5, 4 * (lr - level), 8 * slope - 0.5

    @staticmethod
    def _layer(layer: Any) -> tuple[Floats, Floats]:
        weight, bias = (np.ascontiguousarray(t.detach().numpy()) for t in layer.parameters())
        return weight, bias


@compiled
def _convolved(seen: Any, weights: Any, biases: Any, made: Any) -> None:
    """Both layers, of what has a border of zeros, row by row."""
    (first, last), (bias, last_bias) = weights, biases
    # Three rows of the hidden layer, each in the place of the one that is needed no more.
    hidden = np.zeros((3, len(bias), seen.shape[2]), np.float32)
    found = np.empty(seen.shape[2], np.float32)
    for y in range(made.shape[1] + 1):
        row = hidden[y % 3]
        row[:] = np.float32(0)
        if y < made.shape[1]:
            _hidden(seen, y, first, bias, row)
        for o in range(len(last_bias) if y else 0):
            found[:] = last_bias[o]
            for i in range(len(bias)):
                rows = hidden[(y - 2) % 3, i], hidden[(y - 1) % 3, i], row[i]
                _add(*rows, last[o, i], found)
            made[o, y - 1] = found[1:-1]


@compiled
def _hidden(seen: Any, y: Any, weights: Any, bias: Any, found: Any) -> None:
    """A row of the hidden layer."""
    for o in range(len(bias)):
        found[o, 1:-1] = bias[o]
        for i in range(len(seen)):
            _add(seen[i, y], seen[i, y + 1], seen[i, y + 2], weights[o, i], found[o])
        for x in range(1, found.shape[1] - 1):
            found[o, x] = max(found[o, x], np.float32(0))


@compiled
def _add(above: Any, line: Any, below: Any, w: Any, found: Any) -> None:
    """What a pixel and its neighbours contribute to it."""
    for x in range(1, len(line) - 1):
        found[x] += (
            w[0, 0] * above[x - 1]
            + w[0, 1] * above[x]
            + w[0, 2] * above[x + 1]
            + w[1, 0] * line[x - 1]
            + w[1, 1] * line[x]
            + w[1, 2] * line[x + 1]
            + w[2, 0] * below[x - 1]
            + w[2, 1] * below[x]
            + w[2, 2] * below[x + 1]
        )


class Example(NamedTuple):
    """What the head learns from, all float32.

    Attributes
    ----------
    lr : ndarray (frames, y, x)
    sr, hr, weight : ndarray (1, scale * y, scale * x)
        Prediction, truth, and how much its pixels count.
    noise : ndarray
        Variance of the truth's noise, of its shape; NaN where it is not known.
    """

    lr: Floats
    sr: Floats
    hr: Floats
    weight: Floats
    noise: Floats


def learn(scale: int, examples: Sequence[Example], seed: int) -> Head:
    """A head that has learnt how large errors are.

    It minimises ``|y - f| / s + log s``; and, of the truths whose noise n is known, the likelihood
    of ``y - f`` as drawn with variance ``d^2 + n``. Where none is, it says nothing of the specimen.

    Parameters
    ----------
    scale : int
    examples : sequence of Example
        Of one size.
    seed : int
    """
    torch.manual_seed(seed)
    examined = _tensors(scale, examples)
    seen, (errors, weights) = examined[:3], examined[3:5]
    head = Head(len(examined) > 5)
    # It begins with the mean error everywhere.
    head.last.bias.data.fill_(float(np.log(max(_mean(errors, weights), LEAST))))
    optimiser = torch.optim.Adam(head.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    order = torch.Generator().manual_seed(seed)
    for _ in range(STEPS):
        some = torch.randint(len(errors), (BATCH,), generator=order)
        logs = head(*(values[some] for values in seen))
        loss = _loss(logs, *(values[some] for values in examined[3:]))
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
        variance = (2 * logs[:, 1:]).exp() + noise.nan_to_num()
        likelihood = (squares / variance + variance.log()) / 2
        loss = loss + torch.where(noise.isnan(), 0, likelihood)
    return (loss * weights).mean()


def _mean(errors, weights):
    return float((errors * weights).sum() / weights.sum().clamp(min=1))


def _tensors(scale: int, examples: Sequence[Example]) -> tuple[Tensor, ...]:
    """Of each LR pixel of the examples: what is seen of it, mean error and weight.

    Where the noise is known, also the mean square of the error, and of the noise.
    """
    shown = zip(*(layers(e.sr[0], scale) for e in examples))
    level, slope = (torch.from_numpy(np.stack(s))[:, None] for s in shown)
    lr, sr, hr, weight, noise = (torch.from_numpy(np.stack(c)) for c in zip(*examples))
    counts = F.avg_pool2d(weight, scale)

    def mean(values: Tensor) -> Tensor:
        return F.avg_pool2d(values * weight, scale) / counts.clamp(min=1e-6)

    squares = [] if noise.isnan().all() else [mean((sr - hr) ** 2), mean(noise)]
    return middle(lr), level, slope, mean((sr - hr).abs()), counts, *squares

"""What PSSR2's networks are made of.

Names of submodules and their order are those of PSSR2, because its weights are named after them.
`receptive_halo` recognises what may hide a path: maxima, rectifiers, normalisation, attention.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pssrflow.networks.pssr2.options import Residual


class GreyNetwork(nn.Module):
    """A network of grey levels from 0 to 255 behind the interface of this package: 0 to 1.

    Subclasses define `grey`, which maps framed grey levels to grey levels.

    Attributes
    ----------
    scale : int
    frames : int
        LR planes that are seen at once.
    frame : int
        LR pixels that a size must be a multiple of for PSSR2 to take it.
    stride : int
        LR pixels by which a shifted input shifts the output alike; a multiple of `frame`.
    global_pooling : bool
        Whether every pixel sees the mean of the whole input, so that tiles differ slightly.
    """

    global_pooling = False

    def __init__(self, scale: int, frames: int, frame: int, stride: int):
        super().__init__()
        self.scale, self.frames, self.frame, self.stride = scale, frames, frame, stride

    def forward(self, images: Tensor) -> Tensor:
        height, width = (size * self.scale for size in images.shape[-2:])
        # The sums at both ends stay in 32 bit under autocast: bfloat16 has 256 grey levels.
        grey = self.grey(self._framed(images.float() * 255)).float()
        return grey[..., :height, :width] / 255

    def grey(self, images: Tensor) -> Tensor:
        """SR images of framed LR images, both in grey levels."""
        raise NotImplementedError

    def _framed(self, images: Tensor) -> Tensor:
        padding = [self._missing(size) for size in images.shape[-2:]]
        return pad(images, *padding) if any(padding) else images

    def _missing(self, size: int) -> int:
        # What PSSR2 takes stays as it is, so that the outputs are the same.
        takes = size % self.frame == 0 and size >= self._smallest()
        return 0 if takes else -size % self.stride

    def _smallest(self) -> int:
        return 1


def pad(images: Tensor, below: int, right: int) -> Tensor:
    """Images with pixels added below and on the right: mirrored, or repeated where too few."""
    mode = "reflect" if below < images.shape[-2] and right < images.shape[-1] else "replicate"
    return F.pad(images, (0, right, 0, below), mode=mode)


class ResidualBlock(nn.Module):
    """`depth` + 1 convolutions of 3x3, added to a projection of the input."""

    def __init__(self, inputs, outputs, depth):
        super().__init__()
        layers = []
        for width in (inputs, *[outputs] * depth):
            layers += [nn.Conv2d(width, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
        self.conv = nn.Sequential(*layers[:-1])
        self.respass = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv(x) + self.respass(x))


class AtrousBlock(nn.Module):
    """Branches of convolutions with holes, summed; normalisation comes first in each.

    Source: Diakogiannis et al. 2020 (ResUNet-a, doi:10.1016/j.isprsjprs.2020.01.013).
    """

    def __init__(self, inputs, outputs, depth, dilations):
        super().__init__()
        self.dilations = nn.ModuleList(
            _branch(inputs, outputs, depth, dilation) for dilation in dilations
        )
        self.respass = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(sum(branch(x) for branch in self.dilations) + self.respass(x))


def _branch(inputs, outputs, depth, dilation):
    layers = []
    for width in (inputs, *[outputs] * depth):
        conv = nn.Conv2d(width, outputs, 3, padding=dilation, dilation=dilation)
        layers += [nn.BatchNorm2d(width), nn.ReLU(), conv]
    return nn.Sequential(*layers)


def residual_block(
    inputs: int, outputs: int, depth: int, dilations: Sequence[int] | None
) -> nn.Module:
    """A plain residual block, or an atrous one where dilations are given."""
    if dilations:
        return AtrousBlock(inputs, outputs, depth, dilations)
    return ResidualBlock(inputs, outputs, depth)


class PyramidPooling(nn.Module):
    """Shares of the channels, each seen through maxima over squares of its own size.

    Source: Zhao et al. 2017 (pyramid scene parsing, doi:10.1109/CVPR.2017.660).
    """

    def __init__(self, channels, sizes):
        super().__init__()
        share = channels // len(sizes)
        self.convs = nn.ModuleList(
            nn.Sequential(nn.Conv2d(share, share, 1), nn.BatchNorm2d(share)) for _ in sizes
        )
        self.conv_out = nn.Conv2d(channels, channels, 1)
        self.norm_out = nn.BatchNorm2d(channels)
        self.pools = nn.ModuleList(nn.MaxPool2d(size) for size in sizes)

    def forward(self, x: Tensor) -> Tensor:
        shares = x.chunk(len(self.pools), dim=1)
        seen = [
            F.relu(conv(F.interpolate(pool(share), size=x.shape[-2:], mode="bilinear")))
            for share, pool, conv in zip(shares, self.pools, self.convs)
        ]
        return F.relu(self.norm_out(self.conv_out(torch.cat(seen, 1))))


class Reconstruction(nn.Module):
    """Features at LR resolution to an image at HR resolution, through a pixel shuffle."""

    def __init__(self, inputs, outputs, hidden, scale):
        super().__init__()
        self.pre = nn.Conv2d(hidden + inputs, scale**2 * hidden, 3, padding=1)
        self.conv = nn.Conv2d(hidden, outputs, 3, padding=1)
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pixel_shuffle(F.relu(self.pre(x)), self.scale))


def pool_multiple(sizes: Sequence[int] | None) -> int:
    """Pixels that pools of all these sizes divide; 1 for none."""
    return math.lcm(*(sizes or [1]))


def smallest(options: Residual, frame: int) -> int:
    """LR pixels of the least image that the pyramid pooling of residual networks takes."""
    return max(options.pool_sizes or [1]) * (frame if options.encoder_pool else 1)


class LayerNorm2d(nn.LayerNorm):
    """Normalisation over the channels of each pixel of (n, c, y, x)."""

    def __init__(self, channels):
        super().__init__(channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def rising(rate: float, number: int) -> list[float]:
    """Shares from 0 to `rate` in equal steps, for blocks one after another."""
    return [rate * index / max(number - 1, 1) for index in range(number)]


class DropPath(nn.Module):
    """Leaves a branch out for a random share of the images while training.

    Source: Huang et al. 2016 (stochastic depth, doi:10.1007/978-3-319-46493-0_39).
    """

    def __init__(self, rate):
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x
        kept = x.new_empty(len(x), *[1] * (x.dim() - 1)).bernoulli_(1 - self.rate)
        return x * kept / (1 - self.rate)


class EffectiveSE(nn.Module):
    """Channels weighted by what the mean of the whole input says.

    Source: Lee and Park 2020 (CenterMask, doi:10.1109/CVPR42600.2020.01392).
    """

    def __init__(self, channels):
        super().__init__()
        self.fc = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * F.hardsigmoid(self.fc(x.mean((2, 3), keepdim=True)))

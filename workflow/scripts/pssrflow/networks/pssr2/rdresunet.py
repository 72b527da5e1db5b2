"""PSSR2's RDResUNet."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pssrflow.networks.options import in_and_out
from pssrflow.networks.pssr2.blocks import (
    GreyNetwork,
    PyramidPooling,
    Reconstruction,
    pool_multiple,
    residual_block,
    smallest,
)
from pssrflow.networks.pssr2.options import Dense
from pssrflow.networks.pssr2.rdnet import RDNet


class Options(Dense):
    """Options of RDResUNet."""


class Network(GreyNetwork):
    """Dense encoder (RDNet) and residual decoder; a pixel shuffle makes the HR pixels.

    Parameters
    ----------
    scale : int
    options : Options
    frames : int
        LR planes that are seen at once, as channels.
    """

    def __init__(self, scale: int, options: Dense, frames: int = 1):
        inputs, outputs = in_and_out(options.channels, frames)
        hidden, pool_sizes, encoder_pool = options.hidden, options.pool_sizes, options.encoder_pool
        patch_size, features = options.patch_size, options.features
        frame, pools = patch_size * 2 ** (len(hidden) - 1), pool_multiple(pool_sizes)
        super().__init__(
            scale, inputs, frame, frame * pools if encoder_pool else math.lcm(frame, pools)
        )
        self.options = options
        self.global_pooling = any(options.ese_blocks)
        self.ratios = [*[2] * (len(hidden) - 1), patch_size]
        last = hidden[-1] // patch_size**2
        self.norm = None if options.dilations else nn.BatchNorm2d(inputs)
        self.encoder = RDNet(inputs, options)
        before = [0, *(width // 4 for width in hidden[:-1])]
        self.decoder = nn.ModuleList(
            residual_block(coarse + skip, fine, options.depth, holes)
            for coarse, skip, fine, holes in zip(
                before, reversed(features), hidden, options.dilations or [None] * len(hidden)
            )
        )
        self.encoder_pool = PyramidPooling(features[-1], pool_sizes) if encoder_pool else None
        self.reconstruction_pool = PyramidPooling(last, pool_sizes) if pool_sizes else None
        self.reconstruction = Reconstruction(inputs, outputs, last, scale)

    def grey(self, x: Tensor) -> Tensor:
        """Grey levels 0 to 255 in and out; the size a multiple of `frame`."""
        image = x / 128 - 1
        if self.norm is not None:
            image = self.norm(image)
        *skips, x = self.encoder(image)
        if self.encoder_pool is not None:
            x = self.encoder_pool(x)
        for block, ratio in zip(self.decoder, self.ratios):
            x = F.pixel_shuffle(block(x), ratio)
            if skips:
                x = torch.cat([x, skips.pop()], 1)
        if self.reconstruction_pool is not None:
            x = self.reconstruction_pool(x)
        return self.reconstruction(torch.cat([x, image], 1)).float() * 128 + 128

    def thin(self) -> "Network":
        """The same network with few channels: pixels reach as far, in a fraction of the time."""
        pools, levels = len(self.options.pool_sizes or [1]), len(self.options.hidden)
        few: dict[str, Any] = {"hidden": [4] * (levels - 1) + [self.options.patch_size**2 * pools]}
        # The encoder's channels are multiples of eight, which its own pooling has to divide.
        if not (self.options.encoder_pool and 8 % pools):
            stages = len(self.options.growth_rates)
            few |= {"rdnet_init": 16, "growth_rates": [8] * stages, "bottleneck": 1}
            few |= {"compression": 0.5}
        return Network(self.scale, self.options.changed(**few), self.frames)

    def _smallest(self) -> int:
        return smallest(self.options, self.frame)

"""PSSR2's ResUNet."""

import math

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
from pssrflow.networks.pssr2.options import Residual


class Options(Residual):
    """Options of ResUNet."""


class Network(GreyNetwork):
    """Residual U-Net at LR resolution; a pixel shuffle makes the HR pixels.

    Source: Zhang et al. 2018 (deep residual U-Net, doi:10.1109/LGRS.2018.2802944).

    Parameters
    ----------
    scale : int
    options : Options
    frames : int
        LR planes that are seen at once, as channels.
    """

    def __init__(self, scale: int, options: Residual, frames: int = 1):
        inputs, outputs = in_and_out(options.channels, frames)
        hidden, pool_sizes, encoder_pool = options.hidden, options.pool_sizes, options.encoder_pool
        frame, pools = 2 ** (len(hidden) - 1), pool_multiple(pool_sizes)
        # Squares of the last pooling lie at LR resolution, those of the encoder at its end.
        super().__init__(
            scale, inputs, frame, frame * pools if encoder_pool else math.lcm(frame, pools)
        )
        self.options = options
        widths = [inputs, *hidden]
        per_level = options.dilations or [None] * len(hidden)
        self.norm = None if options.dilations else nn.BatchNorm2d(inputs)
        self.encoder = nn.ModuleList(
            residual_block(before, after, options.depth, holes)
            for before, after, holes in zip(widths, hidden, per_level)
        )
        self.decoder = nn.ModuleList(
            residual_block(coarse // 4 + fine, fine, options.depth, holes)
            for fine, coarse, holes in reversed(list(zip(hidden, hidden[1:], per_level[1:])))
        )
        self.encoder_pool = PyramidPooling(hidden[-1], pool_sizes) if encoder_pool else None
        self.reconstruction_pool = PyramidPooling(hidden[0], pool_sizes) if pool_sizes else None
        self.reconstruction = Reconstruction(inputs, outputs, hidden[0], scale)
        self.halve = nn.MaxPool2d(2)

    def grey(self, x: Tensor) -> Tensor:
        """Grey levels 0 to 255 in and out; the size a multiple of `frame`."""
        image = x / 128 - 1
        if self.norm is not None:
            image = self.norm(image)
        x, skips = self.encoder[0](image), []
        for block in self.encoder[1:]:
            skips.append(x)
            x = block(self.halve(x))
        if self.encoder_pool is not None:
            x = self.encoder_pool(x)
        for block in self.decoder:
            x = block(torch.cat([F.pixel_shuffle(x, 2), skips.pop()], 1))
        if self.reconstruction_pool is not None:
            x = self.reconstruction_pool(x)
        return self.reconstruction(torch.cat([x, image], 1)).float() * 128 + 128

    def thin(self) -> "Network":
        """The same network with few channels: pixels reach as far, in a fraction of the time."""
        width = math.lcm(4, len(self.options.pool_sizes or [1]))
        hidden = [width] * len(self.options.hidden)
        return Network(self.scale, self.options.changed(hidden=hidden), self.frames)

    def _smallest(self) -> int:
        return smallest(self.options, self.frame)

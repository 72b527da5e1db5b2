"""PSSR2's ResUNet, and its atrous form."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from pssrflow.networks.options import ATROUS_POOLS, DILATIONS, WIDTHS, check_options, in_and_out
from pssrflow.networks.pssr2.blocks import (
    GreyNetwork,
    PyramidPooling,
    Reconstruction,
    pool_multiple,
    residual_block,
)


class ResUNet(GreyNetwork):
    """Residual U-Net at LR resolution; a pixel shuffle makes the HR pixels.

    Source: Zhang et al. 2018 (deep residual U-Net, doi:10.1109/LGRS.2018.2802944).

    Parameters
    ----------
    scale : int
    channels : int or sequence of int
        Of input and output, or of both.
    hidden : sequence of int
        Channels per level, each at half the resolution of the one before.
    depth : int
        Convolutions of a block besides its first.
    dilations : sequence of sequence of int, optional
        Atrous blocks: the dilations of their branches, per level.
    pool_sizes : sequence of int, optional
        Sides of the squares of pyramid pooling, before the reconstruction.
    encoder_pool : bool
        Pyramid pooling after the encoder too.

    Raises
    ------
    InputError
        Options that do not go together.
    """

    def __init__(
        self,
        scale,
        channels=1,
        hidden=tuple(WIDTHS),
        depth=3,
        dilations=None,
        pool_sizes=None,
        encoder_pool=False,
    ):
        options = {
            "channels": channels,
            "hidden": list(hidden),
            "depth": depth,
            "dilations": dilations,
            "pool_sizes": pool_sizes,
            "encoder_pool": encoder_pool,
        }
        check_options("resunet", scale, options)
        frame, pools = 2 ** (len(hidden) - 1), pool_multiple(pool_sizes)
        # Squares of the last pooling lie at LR resolution, those of the encoder at its end.
        super().__init__(scale, frame, frame * pools if encoder_pool else math.lcm(frame, pools))
        self.options = options
        inputs, outputs = in_and_out(channels)
        widths = [inputs, *hidden]
        per_level = dilations or [None] * len(hidden)
        self.norm = None if dilations else nn.BatchNorm2d(inputs)
        self.encoder = nn.ModuleList(
            residual_block(before, after, depth, holes)
            for before, after, holes in zip(widths, hidden, per_level)
        )
        self.decoder = nn.ModuleList(
            residual_block(coarse // 4 + fine, fine, depth, holes)
            for fine, coarse, holes in reversed(list(zip(hidden, hidden[1:], per_level[1:])))
        )
        self.encoder_pool = PyramidPooling(hidden[-1], pool_sizes) if encoder_pool else None
        self.reconstruction_pool = PyramidPooling(hidden[0], pool_sizes) if pool_sizes else None
        self.reconstruction = Reconstruction(inputs, outputs, hidden[0], scale)
        self.halve = nn.MaxPool2d(2)

    def grey(self, x):
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

    def thin(self):
        """The same network with few channels: pixels reach as far, in a fraction of the time."""
        width = math.lcm(4, len(self.options["pool_sizes"] or [1]))
        hidden = [width] * len(self.options["hidden"])
        return ResUNet(self.scale, **self.options | {"hidden": hidden})

    def _smallest(self):
        sizes = self.options["pool_sizes"] or [1]
        return max(sizes) * (self.frame if self.options["encoder_pool"] else 1)


def resunet_a(scale, dilations=DILATIONS, pool_sizes=ATROUS_POOLS, **options):
    """ResUNet with the defaults of its atrous form; options as of `ResUNet`."""
    return ResUNet(scale, dilations=dilations, pool_sizes=pool_sizes, **options)

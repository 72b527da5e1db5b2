"""PSSR2's RDResUNet, and its atrous form."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from pssrflow.networks.options import (
    ATROUS_POOLS,
    RD_DILATIONS,
    RD_WIDTHS,
    RDNET,
    check_options,
    encoder_features,
    in_and_out,
)
from pssrflow.networks.pssr2.blocks import (
    GreyNetwork,
    PyramidPooling,
    Reconstruction,
    pool_multiple,
    residual_block,
)
from pssrflow.networks.pssr2.rdnet import RDNet


class RDResUNet(GreyNetwork):
    """Dense encoder (RDNet) and residual decoder; a pixel shuffle makes the HR pixels.

    Parameters
    ----------
    scale : int
    channels : int or sequence of int
        Of input and output, or of both.
    hidden : sequence of int
        Channels per level of the decoder, coarse to fine.
    depth : int
        Convolutions of a decoder block besides its first.
    dilations : sequence of sequence of int, optional
        Atrous decoder blocks: the dilations of their branches, per level.
    pool_sizes : sequence of int, optional
        Sides of the squares of pyramid pooling, before the reconstruction.
    encoder_pool : bool
        Pyramid pooling after the encoder too.
    rdnet_init : int
        Channels after the first layer.
    growth_rates : sequence of int
        Channels that each dense block adds, per stage of the encoder.
    ds_blocks : sequence of bool
        Stages that begin with half the resolution; one less than levels of the decoder.
    ese_blocks : sequence of bool
        Stages whose channels are weighted by means over the whole input.
    n_blocks : int or sequence of int
        Dense blocks per stage.
    patch_size : int
        LR pixels along y and x that the first layer takes as one.
    bottleneck : float
        Width of a dense block's perceptron, relative to its input.
    compression : float
        Share of the channels that a transition between stages keeps.
    drop_rate : float
        Share of the images for which training leaves the last dense block out; it rises to this.
        PSSR2 has the option but does nothing with it.

    Raises
    ------
    InputError
        Options that do not go together.
    """

    def __init__(
        self,
        scale,
        channels=1,
        hidden=tuple(RD_WIDTHS),
        depth=3,
        dilations=None,
        pool_sizes=None,
        encoder_pool=False,
        rdnet_init=RDNET["rdnet_init"],
        growth_rates=tuple(RDNET["growth_rates"]),
        ds_blocks=tuple(RDNET["ds_blocks"]),
        ese_blocks=tuple(RDNET["ese_blocks"]),
        n_blocks=tuple(RDNET["n_blocks"]),
        patch_size=RDNET["patch_size"],
        bottleneck=4,
        compression=RDNET["compression"],
        drop_rate=0.0,
    ):
        stages = len(growth_rates)
        n_blocks = [n_blocks] * stages if isinstance(n_blocks, int) else n_blocks
        options = {
            "channels": channels,
            "hidden": hidden,
            "depth": depth,
            "dilations": dilations,
            "pool_sizes": pool_sizes,
            "encoder_pool": encoder_pool,
            "rdnet_init": rdnet_init,
            "growth_rates": growth_rates,
            "ds_blocks": ds_blocks,
            "ese_blocks": ese_blocks,
            "n_blocks": n_blocks,
            "patch_size": patch_size,
            "bottleneck": bottleneck,
            "compression": compression,
            "drop_rate": drop_rate,
        }
        check_options("rdresunet", scale, options)
        frame, pools = patch_size * 2 ** (len(hidden) - 1), pool_multiple(pool_sizes)
        super().__init__(scale, frame, frame * pools if encoder_pool else math.lcm(frame, pools))
        self.options = options
        self.global_pooling = any(ese_blocks)
        self.ratios = [*[2] * (len(hidden) - 1), patch_size]
        inputs, outputs = in_and_out(channels)
        features = encoder_features(rdnet_init, growth_rates, ds_blocks, n_blocks, compression)
        last = hidden[-1] // patch_size**2
        self.norm = None if dilations else nn.BatchNorm2d(inputs)
        self.encoder = RDNet(
            inputs,
            rdnet_init,
            patch_size,
            growth_rates,
            ds_blocks,
            ese_blocks,
            n_blocks,
            bottleneck,
            compression,
            drop_rate,
        )
        before = [0, *(width // 4 for width in hidden[:-1])]
        self.decoder = nn.ModuleList(
            residual_block(coarse + skip, fine, depth, holes)
            for coarse, skip, fine, holes in zip(
                before, reversed(features), hidden, dilations or [None] * len(hidden)
            )
        )
        self.encoder_pool = PyramidPooling(features[-1], pool_sizes) if encoder_pool else None
        self.reconstruction_pool = PyramidPooling(last, pool_sizes) if pool_sizes else None
        self.reconstruction = Reconstruction(inputs, outputs, last, scale)

    def grey(self, x):
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

    def thin(self):
        """The same network with few channels: pixels reach as far, in a fraction of the time."""
        pools, levels = len(self.options["pool_sizes"] or [1]), len(self.options["hidden"])
        few = {"hidden": [4] * (levels - 1) + [self.options["patch_size"] ** 2 * pools]}
        # The encoder's channels are multiples of eight, which its own pooling has to divide.
        if not (self.options["encoder_pool"] and 8 % pools):
            stages = len(self.options["growth_rates"])
            few |= {"rdnet_init": 16, "growth_rates": [8] * stages, "bottleneck": 1}
            few |= {"compression": 0.5}
        return RDResUNet(self.scale, **self.options | few)

    def _smallest(self):
        sizes = self.options["pool_sizes"] or [1]
        return max(sizes) * (self.frame if self.options["encoder_pool"] else 1)


def rdresunet_a(scale, dilations=RD_DILATIONS, pool_sizes=ATROUS_POOLS, **options):
    """RDResUNet with the defaults of its atrous form; options as of `RDResUNet`."""
    return RDResUNet(scale, dilations=dilations, pool_sizes=pool_sizes, **options)

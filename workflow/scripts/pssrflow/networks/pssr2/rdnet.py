"""RDNet, the encoder of PSSR2's RDResUNet: dense blocks with large kernels."""

import itertools

import torch
from torch import Tensor, nn

from pssrflow.networks.pssr2.blocks import DropPath, EffectiveSE, LayerNorm2d, rising
from pssrflow.networks.pssr2.options import Dense, compressed

# Layers start as good as absent (Touvron et al. 2021, doi:10.1109/ICCV48922.2021.00010).
LAYER_SCALE = 1e-6


class RDNet(nn.Module):
    """Stages of dense blocks, of which some begin with half the resolution.

    Source: Kim et al. 2024 (DenseNets reloaded, doi:10.1007/978-3-031-72646-0_23).
    """

    def __init__(self, inputs: int, options: Dense):
        super().__init__()
        self.stem = Stem(inputs, options.rdnet_init, options.patch_size)
        self.down = options.ds_blocks
        rates = iter(rising(options.drop_rate, sum(options.blocks)))
        stages, features = [], options.rdnet_init
        for index, (growth, down, ese, blocks) in enumerate(
            zip(options.growth_rates, options.ds_blocks, options.ese_blocks, options.blocks)
        ):
            before, transition = features, []
            if index:
                features = compressed(before, options.compression)
                transition = _transition(before, features, 2 if down else 1)
            drops = list(itertools.islice(rates, blocks))
            dense = DenseStage(features, growth, options.bottleneck, ese, drops)
            stages.append(nn.Sequential(*transition, dense))
            features += growth * blocks
        self.dense_stages = nn.ModuleList(stages)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Features before each halving, fine to coarse, and those at the end."""
        x, skips = self.stem(x), []
        for down, stage in zip(self.down, self.dense_stages):
            if down:
                skips.append(x)
            x = stage(x)
        return [*skips, x]


def _transition(features: int, fewer: int, step: int) -> list[nn.Module]:
    return [LayerNorm2d(features), nn.Conv2d(features, fewer, step, stride=step)]


class Stem(nn.Module):
    """Squares of pixels to features."""

    def __init__(self, inputs, outputs, patch_size):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(inputs, outputs, patch_size, stride=patch_size), LayerNorm2d(outputs)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.stem(x)


class DenseStage(nn.Sequential):
    """Blocks of which each sees the features of all before it."""

    def __init__(self, features, growth, bottleneck, ese, drops):
        super().__init__()
        for index, drop in enumerate(drops):
            block = DenseBlock(features + index * growth, growth, bottleneck, ese, drop)
            self.add_module(f"dense_block{index}", block)

    def forward(self, x: Tensor) -> Tensor:
        for block in self:
            x = torch.cat([x, block(x)], 1)
        return x


class DenseBlock(nn.Module):
    """New features of all features so far."""

    def __init__(self, inputs, growth, bottleneck, ese, drop):
        super().__init__()
        self.gamma = nn.Parameter(torch.full((growth,), LAYER_SCALE))
        self.drop_path = DropPath(drop)
        self.layers = Block(inputs, int(inputs * bottleneck / 8) * 8, growth, ese)

    def forward(self, x: Tensor) -> Tensor:
        return self.drop_path(self.layers(x) * self.gamma.view(1, -1, 1, 1))


class Block(nn.Module):
    """A 7x7 convolution of each channel, then a perceptron of each pixel."""

    def __init__(self, inputs, inside, outputs, ese):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(inputs, inputs, 7, padding=3, groups=inputs),
            LayerNorm2d(inputs),
            nn.Conv2d(inputs, inside, 1),
            nn.GELU(),
            nn.Conv2d(inside, outputs, 1),
            *([EffectiveSE(outputs)] if ese else []),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)

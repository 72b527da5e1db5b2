"""The default network."""

import itertools

from torch import nn
from torch.nn import functional as F

from pssrflow.errors import InputError
from pssrflow.volumes.interpolation import bicubic

# Channels and residual blocks of each level; benchmarks/against_pssr2.py measures them.
SIZES = {
    "small": ((24, 64, 128), (1, 2, 2)),
    "base": ((32, 64, 128), (2, 2, 2)),
    "large": ((48, 96, 192), (2, 2, 2)),
}


class Residual(nn.Module):
    """Two 3x3 convolutions around a ReLU, added to their input."""

    def __init__(self, width):
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x):
        # In place: a third less memory, and the gradients need neither of what is overwritten.
        return self.second(F.relu(self.first(x), inplace=True)).add_(x)


class UNet(nn.Module):
    """Residual U-Net that works at LR resolution and adds detail to a bicubic interpolation.

    The last layer starts at zero, so an untrained network equals bicubic interpolation. All
    sums run at LR resolution and a pixel shuffle makes the HR pixels at the end: sixteen times
    less work at scale 4 than a network that interpolates first.

    Sources: Ronneberger et al. 2015 (U-Net, doi:10.1007/978-3-319-24574-4_28); Shi et al. 2016
    (pixel shuffle, doi:10.1109/CVPR.2016.207).

    Parameters
    ----------
    scale : int
    size : str
        A key of `SIZES`.
    widths : sequence of int, optional
        Channels per level, instead of those of the size; each level halves the resolution.
    blocks : int or sequence of int, optional
        Residual blocks per level, in either direction, instead of those of the size.
    """

    def __init__(self, scale, size="base", widths=None, blocks=None):
        super().__init__()
        of_size = SIZES[size]
        widths = of_size[0] if widths is None else widths
        blocks = of_size[1] if blocks is None else blocks
        blocks = [blocks] * len(widths) if isinstance(blocks, int) else blocks
        if len(blocks) != len(widths):
            raise InputError("blocks", f"found {blocks}", f"one number, or {len(widths)}")
        self.scale = scale
        self.stride = 2 ** (len(widths) - 1)
        steps = list(itertools.pairwise(widths))
        self.head = nn.Conv2d(1, widths[0], 3, padding=1)
        self.encoder = nn.ModuleList(_level(*level) for level in zip(widths, blocks))
        self.down = nn.ModuleList(nn.Conv2d(fine, coarse, 2, stride=2) for fine, coarse in steps)
        self.up = nn.ModuleList(
            nn.Sequential(nn.Conv2d(coarse, 4 * fine, 1), nn.PixelShuffle(2))
            for fine, coarse in steps
        )
        self.decoder = nn.ModuleList(_level(*level) for level in zip(widths[:-1], blocks))
        self.tail = nn.Conv2d(widths[0], scale**2, 3, padding=1)
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)

    def forward(self, images):
        height, width = images.shape[-2:]
        padding = (0, -width % self.stride, 0, -height % self.stride)
        features = self.head(F.pad(images - 0.5, padding, mode="replicate"))
        skips = []
        for level, down in zip(self.encoder[:-1], self.down):
            skips.append(level(features))
            features = down(skips[-1])
        features = self.encoder[-1](features)
        for level, up in zip(reversed(self.decoder), reversed(self.up)):
            features = level(up(features) + skips.pop())
        detail = F.pixel_shuffle(self.tail(features).float(), self.scale)
        inside = detail[..., : height * self.scale, : width * self.scale]
        return bicubic(images, self.scale) + inside


def _level(width, blocks):
    return nn.Sequential(*(Residual(width) for _ in range(blocks)))

"""The default network."""

import itertools
from collections.abc import Iterator
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from pssrflow.keys import Fault, OneOf, key
from pssrflow.networks.contract import middle
from pssrflow.networks.options import NetworkOptions, wrong
from pssrflow.volumes.interpolation import bicubic

# Channels and residual blocks of each level; benchmarks/pssr2/against.py measures them.
SIZES = {
    "small": ((24, 64, 128), (1, 2, 2)),
    "base": ((32, 64, 128), (2, 2, 2)),
    "large": ((48, 96, 192), (2, 2, 2)),
}

Count = Annotated[int, Field(ge=1, le=16)]


class Options(NetworkOptions):
    """Options of the U-Net."""

    size: Annotated[str, OneOf(lambda: SIZES)] = key(
        "base", "How large the network is; widths and blocks replace what it stands for."
    )
    widths: tuple[Annotated[int, Field(ge=4, le=1024)], ...] | None = key(
        None,
        "Channels of each level, each at half the resolution of the one before; a level more "
        "doubles what a pixel sees. null for those of the size.",
        min_length=1,
        max_length=6,
    )
    blocks: Count | Annotated[tuple[Count, ...], Field(min_length=1, max_length=6)] | None = key(
        None,
        "Residual blocks per level and direction, one number or one for each level; null for those "
        "of the size.",
    )

    @property
    def levels(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Channels and residual blocks of each level."""
        usual_widths, usual_blocks = SIZES[self.size]
        widths = self.widths or usual_widths
        blocks = usual_blocks if self.blocks is None else self.blocks
        return widths, (blocks,) * len(widths) if isinstance(blocks, int) else blocks

    def faults(self) -> Iterator[Fault]:
        widths, blocks = self.levels
        if self.blocks is not None and len(blocks) != len(widths):
            yield wrong(
                "blocks",
                f"{len(blocks)} numbers",
                f"one, or one for each of {len(widths)} levels",
            )
        elif len(blocks) != len(widths):
            yield wrong("blocks", "null", f"one number, or one for each of {len(widths)} levels")


class Residual(nn.Module):
    """Two 3x3 convolutions around a ReLU, added to their input."""

    def __init__(self, width: int):
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        # In place: a third less memory, and the gradients need neither of what is overwritten.
        return self.second(F.relu(self.first(x), inplace=True)).add_(x)


class Network(nn.Module):
    """Residual U-Net that works at LR resolution and adds detail to a bicubic interpolation.

    The last layer starts at zero, so an untrained network equals bicubic interpolation. All
    sums run at LR resolution and a pixel shuffle makes the HR pixels at the end: sixteen times
    less work at scale 4 than a network that interpolates first.

    Sources: Ronneberger et al. 2015 (U-Net, doi:10.1007/978-3-319-24574-4_28); Shi et al. 2016
    (pixel shuffle, doi:10.1109/CVPR.2016.207).

    Parameters
    ----------
    scale : int
    options : Options
    frames : int
        LR planes that are seen at once, as channels of the first layer.
    """

    def __init__(self, scale: int, options: Options, frames: int = 1):
        super().__init__()
        widths, blocks = options.levels
        self.scale, self.frames = scale, frames
        self.stride = 2 ** (len(widths) - 1)
        steps = list(itertools.pairwise(widths))
        self.head = nn.Conv2d(frames, widths[0], 3, padding=1)
        self.encoder = nn.ModuleList(_level(*level) for level in zip(widths, blocks))
        self.down = nn.ModuleList(nn.Conv2d(fine, coarse, 2, stride=2) for fine, coarse in steps)
        self.up = nn.ModuleList(
            nn.Sequential(nn.Conv2d(coarse, 4 * fine, 1), nn.PixelShuffle(2))
            for fine, coarse in steps
        )
        self.decoder = nn.ModuleList(_level(*level) for level in zip(widths[:-1], blocks))
        self.tail = nn.Conv2d(widths[0], scale**2, 3, padding=1)
        for parameter in self.tail.parameters():
            nn.init.zeros_(parameter)

    def forward(self, images: Tensor) -> Tensor:
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
        return bicubic(middle(images), self.scale) + inside


def _level(width: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(*(Residual(width) for _ in range(blocks)))

"""What the metadata of a volume say, and those of volumes that are made of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pssrflow.volumes.blocks import Region, cut
from pssrflow.volumes.intensity import Intensity

AXES = ("t", "c", "z", "y", "x")
DTYPES = ("uint8", "uint16", "int16", "float32")


@dataclass(frozen=True)
class Volume:
    """What the metadata of one store say.

    Attributes
    ----------
    shape : tuple of int
        t, c, z, y, x.
    dtype : str
        uint8, uint16, int16 or float32.
    chunk, shard : tuple of int
        z, y, x of the inner chunks and of the files.
    pixel_size : tuple of (float or None)
        z, y, x in micrometer; None where it is not known.
    origin : tuple of float
        z, y, x of the centre of the first pixel, in pixels of this volume.
    channels : tuple of str
    intensity : Intensity
    """

    shape: tuple[int, ...]
    dtype: str
    chunk: tuple[int, ...]
    shard: tuple[int, ...]
    pixel_size: tuple[float | None, ...]
    channels: tuple[str, ...]
    intensity: Intensity
    origin: tuple[float, ...] = (0.0, 0.0, 0.0)

    @property
    def pixel_side(self) -> float | None:
        """Geometric mean of the pixel size along y and x, micrometer; None if it is not known."""
        _, y, x = self.pixel_size
        return (y * x) ** 0.5 if y and x else None

    @property
    def region(self) -> Region:
        """All of it."""
        return Region((0,) * len(self.shape), self.shape)

    def detector(self, channel: int) -> str:
        """What recorded a channel, and at which setting, as far as its pixels tell; in words."""
        levels = self.intensity.ranges[channel]
        setting = f"{self.dtype} {levels.black:g} to {levels.white:g}"
        return f"channel {self.channels[channel]}, {setting}"

    def level_shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the pyramid: y and x halved, rounded up, until a level fits one chunk."""
        shapes = [self.shape]
        while any(n > c for n, c in zip(shapes[-1][3:], self.chunk[1:])):
            shapes.append((*shapes[-1][:3], *(max(1, math.ceil(n / 2)) for n in shapes[-1][3:])))
        return shapes

    def shard_shape(self, level: int = 0) -> tuple[int, ...]:
        """TCZYX shape of one file: the configured shard, but no larger than the level needs."""
        zyx = (
            min(s, math.ceil(n / c) * c)
            for s, n, c in zip(self.shard, self.level_shapes()[level][2:], self.chunk)
        )
        return (1, 1, *zyx)

    def shards(self, level: int = 0) -> list[Region]:
        """What each file of a level holds."""
        return cut(self.level_shapes()[level], self.shard_shape(level))

    def coarser(self, scale: int, chunk: Sequence[int], shard: Sequence[int]) -> "Volume":
        """The LR volume of this one: larger pixels, each centred on those that it covers.

        Parameters
        ----------
        scale : int
        chunk, shard : sequence of int
            z, y, x.
        """
        z, y, x = self.pixel_size
        oz, oy, ox = self.origin
        shift = (scale - 1) / 2
        return replace(
            self,
            shape=lr_shape(self.shape, scale),
            chunk=tuple(chunk),
            shard=tuple(shard),
            pixel_size=(z, *(size and size * scale for size in (y, x))),
            origin=(oz, (oy + shift) / scale, (ox + shift) / scale),
        )

    def finer(
        self, scale: int, chunk: Sequence[int], shard: Sequence[int], box: Sequence[slice]
    ) -> "Volume":
        """The SR volume of this one: smaller pixels, whose first begins where the LR one does.

        Parameters
        ----------
        scale : int
        chunk, shard : sequence of int
            z, y, x.
        box : tuple of slice
            z, y, x of this volume that are super-resolved.
        """
        z, y, x = self.pixel_size
        oz, oy, ox = (origin + b.start for origin, b in zip(self.origin, box))
        shift = (scale - 1) / 2
        depth, height, width = (b.stop - b.start for b in box)
        return replace(
            self,
            shape=(*self.shape[:2], depth, height * scale, width * scale),
            chunk=tuple(chunk),
            shard=tuple(shard),
            pixel_size=(z, *(size and size / scale for size in (y, x))),
            origin=(oz, oy * scale - shift, ox * scale - shift),
        )

    def corner(self, finer: "Volume", scale: int) -> tuple[int, ...]:
        """Pixel (z, y, x) of this volume where a finer one begins, which may be of a region."""
        shift = (scale - 1) / 2
        factors = (1, scale, scale)
        return tuple(
            round((there + (f > 1) * shift) / f - here)
            for here, there, f in zip(self.origin, finer.origin, factors)
        )


def lr_shape(hr_shape: Sequence[int], scale: int) -> tuple[int, ...]:
    """TCZYX shape of the LR volume: the last LR row and column may be covered in part."""
    return (*hr_shape[:3], *(math.ceil(n / scale) for n in hr_shape[3:]))

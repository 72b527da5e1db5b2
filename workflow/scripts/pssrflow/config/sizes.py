"""How large images are, before and after they are ingested."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from pssrflow.config.raw import Raw
from pssrflow.config.samples import SIMULATED
from pssrflow.config.settings import Settings
from pssrflow.errors import InputError
from pssrflow.plugins import load
from pssrflow.run.files import read_json
from pssrflow.run.layout import Layout
from pssrflow.volumes.regions import parse_roi
from pssrflow.volumes.volume import lr_shape


@dataclass(frozen=True)
class Size:
    """Of a volume.

    Attributes
    ----------
    shape : tuple of int
        t, c, z, y, x.
    bytes_each : int
        Of a pixel.
    pixel_size : tuple of float or None
        z, y, x; micrometre.
    """

    shape: tuple[int, ...]
    bytes_each: int
    pixel_size: Sequence[float | None] = (None, None, None)

    @property
    def pixels(self) -> int:
        return prod(self.shape)

    @property
    def planes(self) -> int:
        return prod(self.shape[:3])

    def shard(self, shard: Sequence[int]) -> int:
        """Pixels of its largest shard."""
        return prod(map(min, shard, self.shape[2:]))

    def shards(self, shard: Sequence[int]) -> int:
        """Number of its shards."""
        return prod((*self.shape[:2], *(-(-n // s) for n, s in zip(self.shape[2:], shard))))


class Sizes:
    """Sizes of the images of a run.

    Parameters
    ----------
    layout : Layout
    settings : Settings
    raw : Raw
    """

    def __init__(self, layout: Layout, settings: Settings, raw: Raw):
        self.layout, self.settings, self.raw = layout, settings, raw
        self._known: dict[str, Size | None] = {}

    def image(self, image: str) -> Size | None:
        """Of an image, "sample/kind"; None where that is not known.

        As its done file says; before there is one, as the header of the acquisition does.
        """
        if image not in self._known:
            self._known[image] = self._finished(image) or self._expected(image)
        return self._known[image]

    def sr(self, sample: str) -> Size | None:
        """Of a prediction."""
        lr, scale = self.image(f"{sample}/lr"), self.settings.crappify.scale
        if lr is None:
            return None
        depth, *plane = (side.stop - side.start for side in self._region(sample, lr))
        return Size((*lr.shape[:2], depth, *(n * scale for n in plane)), lr.bytes_each)

    def _region(self, sample: str, lr: Size) -> Sequence[slice]:
        """What of an LR image is super-resolved: z, y, x."""
        roi = self.settings.predict.roi
        text = roi.get(sample) if isinstance(roi, dict) else roi
        whole: Sequence[slice] = [slice(0, n) for n in lr.shape[2:]]
        if not text or f"{sample}/hr" in self.raw.images:
            return whole
        with contextlib.suppress(InputError):
            box: Sequence[slice] = parse_roi(text, lr.shape, lr.pixel_size)
            return box
        # The job that plans it says what is wrong.
        return whole

    def _finished(self, image: str) -> Size | None:
        try:
            done = read_json(self.layout.image_done(image))
            return Size(tuple(done["shape"]), _bytes_of(done["dtype"]), done["pixel_size_um"])
        except (OSError, InputError, KeyError):
            return None

    def _expected(self, image: str) -> Size | None:
        sample = image.split("/")[0]
        if image not in self.raw.images:
            # Crappified; another draw is as large as the first.
            hr = self.image(f"{sample}/hr")
            scale = self.settings.crappify.scale
            return hr and Size(tuple(lr_shape(hr.shape, scale)), hr.bytes_each)
        found = self.raw.images[image]
        if found.path.startswith(SIMULATED):
            made = self.settings.simulate[found.path.removeprefix(SIMULATED)]
            return Size((1, 1, *made.shape), 1 if made.bits <= 8 else 2)
        return self._header(found.path, found.overrides)

    def _header(self, path: str, overrides: dict[str, Any]) -> Size | None:
        said = load("pssrflow.ingest.readers.acquisition:Overrides")(**overrides, header=True)
        try:
            with load("pssrflow.ingest.readers.open:open_acquisition")(path, said) as acquisition:
                dtype, size = str(acquisition.dtype), acquisition.pixel_size
                return Size(tuple(acquisition.shape), _bytes_of(dtype), size)
        except (InputError, OSError):
            # What cannot be read is refused, with all that is wrong, where it is ingested.
            return None


def _bytes_of(dtype: str) -> int:
    """Of a pixel: `uint8`, `uint16`, `int16`, `float32`."""
    return int("".join(filter(str.isdigit, dtype))) // 8

"""PNG, BMP and JPEG: one plane, decoded whole, because these formats have no other way."""

from pathlib import Path

import imagecodecs
import numpy as np
from PIL import Image

from pssrflow.errors import InputError
from pssrflow.ingest.readers.recent import Recent
from pssrflow.ingest.readers.source import Source, check_claims, faults, only_scene

RANK = 4
NAMES = "PNG, BMP, JPEG"

# A user's own image of 16384 x 16384 pixels is no decompression bomb.
Image.MAX_IMAGE_PIXELS = None

FORMATS = ("PNG", "BMP", "JPEG")
_COLOURS = {
    "RGB": ("red", "green", "blue"),
    "RGBA": ("red", "green", "blue", "alpha"),
    "LA": ("grey", "alpha"),
}
_GREY = {
    "L": "uint8",
    "P": "uint8",
    "1": "bool",
    "I": "int32",
    "F": "float32",
    "I;16": "uint16",
    "I;16B": "uint16",
}
_SUFFIXES = (".png", ".bmp", ".jpg", ".jpeg")


def recognises(path: str) -> bool:
    """Whether the extension is that of a PNG, BMP or JPEG."""
    return Path(path).suffix.lower() in _SUFFIXES


def open_file(path: str, scene: int | str | None = None) -> Source:
    """Open a PNG, BMP or JPEG.

    A picture with a palette gives its indices.

    Raises
    ------
    InputError
        Not such an image, or an animation.
    """
    with faults(path), Image.open(path, formats=FORMATS) as image:
        palette = image.getpalette() if image.mode == "P" else None
        mode, frames, kind = image.mode, getattr(image, "n_frames", 1), str(image.format)
        width, height = image.size
    only_scene(scene, path)
    held = 2 * width * height * max(1, len(_COLOURS.get(mode, ())))
    check_claims(path, held, held, Path(path).stat().st_size)
    _refuse_others(path, kind, mode, frames)
    deep = kind == "PNG" and _png_depth(path) == 16
    channels = _COLOURS.get(mode, ())
    plane = _Plane(path, _decode_deep if deep else _decode)
    return Source(
        files=(Path(path),),
        axes="YXS"[: 2 + bool(channels)],
        sizes=(height, width, len(channels))[: 2 + bool(channels)],
        dtype=np.dtype("uint16" if deep else _GREY.get(mode, "uint8")),
        read=plane.read,
        channels=channels,
        palette=None if palette is None else np.reshape(palette, (-1, 3)),
        notes=(f"{kind} is lossy: it alters noise and fine detail",) if kind == "JPEG" else (),
        close=plane.decoded.kept.clear,
    )


def _refuse_others(path, kind, mode, frames):
    if frames > 1:
        raise InputError(path, f"an animation of {frames} frames", "an image of one frame")
    if mode not in _GREY and mode not in _COLOURS:
        raise InputError(path, f"a {kind} of colour mode {mode}", "grey, palette or RGB(A) images")


class _Plane:
    """The image, decoded at the first read."""

    def __init__(self, path, decode):
        self.path, self.decode, self.decoded = path, decode, Recent()

    def read(self, index: tuple) -> np.ndarray:
        with faults(self.path):
            (plane,) = self.decoded.get([self.path], self.decode)
            return plane[index]


def _png_depth(path):
    with open(path, "rb") as file:
        return file.read(25)[24]


def _decode(path):
    with Image.open(path, formats=FORMATS) as image:
        return np.asarray(image)


def _decode_deep(path):
    # Pillow cuts 16-bit colour to 8 bits.
    with Image.open(path, formats=FORMATS) as image:
        grey = image.mode.startswith("I")
        return np.asarray(image) if grey else imagecodecs.png_decode(Path(path).read_bytes())

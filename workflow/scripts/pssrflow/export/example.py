"""The example in a model package: what the network sees, and what it makes of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from pssrflow.errors import InputError
from pssrflow.export.describe import COVER, TEST_INPUT, TEST_OUTPUT
from pssrflow.networks.frames import ONE, Frames
from pssrflow.volumes.store import Store

Floats = npt.NDArray[np.float32]

# LR pixels of the example along y and x.
EXAMPLE = 128
# Squares that are looked at.
MOST_SQUARES = 64
# Added to the distance of the percentiles; the default of the specification.
EPSILON = 1e-6


def check_room(lr: Store, least: int) -> None:
    """Refuse planes of fewer than `least` LR pixels along y or x."""
    height, width = lr.volume.shape[3:]
    if min(height, width) < least:
        raise InputError(
            lr,
            f"{height} x {width} pixels are too few for an example",
            f"at least {least} LR pixels along y and x: the network's halo on both sides",
        )


def choose_example(lr: Store, stride: int, halo: int, frames: Frames = ONE) -> Floats:
    """The most varied square of the middle plane of an LR store, (frames, y, x) float32.

    Raises
    ------
    InputError
        The plane is smaller than a tile with its halo.
    """
    least = 2 * halo + stride
    check_room(lr, least)
    shape, read = lr.volume.shape, lr.reader()
    side = max(EXAMPLE, least)
    height, width = (min(side, n) // stride * stride for n in shape[3:])
    plane = (shape[0] // 2 if "t" in frames.axis else 0, 0, shape[2] // 2)
    places = [
        (slice(top, top + height), slice(left, left + width))
        for top in range(0, shape[3] - height + 1, height)
        for left in range(0, shape[4] - width + 1, width)
    ]
    varied = max(places[:MOST_SQUARES], key=lambda place: read(plane, *place).std())
    seen = frames.around(plane, lr.volume.region)
    return np.stack([read(frame, *varied) for frame in seen]).astype(np.float32)


def write_example(folder: Path, network: Any, image: Floats, percentiles: Sequence[float]) -> None:
    """Write test tensors, and the picture that shows them beside each other."""
    seen = normalised(image, percentiles)
    with torch.no_grad():
        made = network(torch.from_numpy(seen)[None]).numpy()
    np.save(folder / TEST_INPUT, image[None])
    np.save(folder / TEST_OUTPUT, made)
    scale = network.scale
    shown = seen[len(seen) // 2]
    pair = np.hstack([shown.repeat(scale, 0).repeat(scale, 1), made[0, 0]])
    grey = np.clip(pair * 255, 0, 255).astype(np.uint8)
    Image.fromarray(grey).save(folder / COVER)


def normalised(image: Floats, percentiles: Sequence[float]) -> Floats:
    """An image (frames, y, x) as the network sees it, by the formula of `scale_range`."""
    low, high = np.percentile(image, percentiles)
    seen: Floats = ((image - low) / (high - low + EPSILON)).astype(np.float32)
    return seen

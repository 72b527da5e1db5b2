"""How much around a tile the network must see, measured on the volume that it is used on."""

import logging
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from pssrflow.models.input import Floats, Input
from pssrflow.networks.contract import SRNetwork
from pssrflow.networks.footprint import bytes_per_pixel
from pssrflow.networks.receptive_field import FURTHEST, receptive_halo
from pssrflow.run.memory import free_bytes
from pssrflow.volumes.blocks import with_halo
from pssrflow.volumes.store import Store
from pssrflow.volumes.volume import Volume

log = logging.getLogger(__name__)

# A tile may differ from an undivided pass by this many grey levels, which rounding to them can
# double; of float data, by this part of the range.
TOLERANCE, FLOAT_TOLERANCE = 0.5, 5e-5
# Squares on which the halo is measured, of how many strides of the network, and places along
# every axis that compete for them.
PROBES, CORE, PLACES = 4, 4, 4


class Square(NamedTuple):
    """A few pixels of an LR plane, on which a halo is tried: t, c, z and the slices of y and x."""

    plane: tuple[int, ...]
    rows: slice
    cols: slice


def measure_halo(network: SRNetwork, lr: Store, given: Input, memory: int = 4000) -> int:
    """Smallest halo whose tiles differ from an undivided pass by less than half a grey level.

    Measured on the volume itself, at places spread over it. A network's theoretical halo is
    larger: far pixels reach the result through many small weights.

    Parameters
    ----------
    network : SRNetwork
    lr : Store
    given : Input
        How the network takes the volume.
    memory : int
        Megabytes; wider halos than these hold are not tried.

    Returns
    -------
    int
        LR pixels; a multiple of the network's stride, at most the theoretical halo.
    """
    theory = receptive_halo(network)
    if getattr(network, "global_pooling", False) or theory >= FURTHEST:
        log.warning(
            "this network sees the whole image, and tiles of it only themselves, which no halo "
            "mends; `predict.blend` hides the seams"
        )
    halos = _affordable(_halos(theory, network.stride), network, memory)
    errors = [
        _errors(network, lr, given, halos, square) for square in _busiest(lr, given, network.stride)
    ]
    halo = _smallest(halos, np.max(errors, axis=0) < _tolerance(lr.volume))
    log.info("halo of %d LR pixels (the receptive field reaches %d)", halo, halos[-1])
    return halo


def _halos(theory: int, stride: int) -> list[int]:
    """Halos to try, each at most half as large again as the one before.

    The widest take most of the time, so they are few.
    """
    halos = [0]
    while halos[-1] < theory:
        wider = max(halos[-1] + stride, halos[-1] * 3 // (2 * stride) * stride)
        halos.append(min(wider, theory))
    return halos


def _affordable(halos: list[int], network: SRNetwork, memory: int) -> list[int]:
    """Halos around a square that a pass of the network can see at once."""
    each, room = bytes_per_pixel(network), free_bytes(memory)
    some = [h for h in halos if each * (2 * h + CORE * network.stride) ** 2 <= room] or halos[:1]
    if len(some) < len(halos):
        log.warning(
            "%d MB hold no more than a halo of %d LR pixels of this network, which sees %d",
            memory,
            some[-1],
            halos[-1],
        )
    return some


def _busiest(lr: Store, given: Input, stride: int) -> list[Square]:
    """Where the LR volume varies most: a few squares, of many that are looked at."""
    shape, read, looked = lr.volume.shape, lr.reader(), {}
    for place in np.ndindex(PLACES, PLACES, PLACES):
        plane = tuple(int(n * (place[0] + 0.5) / PLACES) for n in shape[:3])
        corner = [
            int(n * (p + 0.5) / PLACES) // stride * stride for n, p in zip(shape[3:], place[1:])
        ]
        sides = (slice(c, min(c + CORE * stride, n)) for c, n in zip(corner, shape[3:]))
        square = Square(plane, *sides)
        looked[(plane, *corner)] = square, read(*square).std() / given.span(plane[1])
    found = sorted(looked.values(), key=lambda pair: pair[1])
    return [square for square, _ in found[-PROBES:]]


def _errors(
    network: SRNetwork, lr: Store, given: Input, halos: list[int], square: Square
) -> list[Any]:
    """Largest error at one place for every halo, in grey levels."""
    made = [_passed(network, lr, given, halo, square) for halo in halos]
    return [np.abs(image - made[-1]).max() for image in made]


def _passed(network: SRNetwork, lr: Store, given: Input, halo: int, square: Square) -> Floats:
    """What the network makes of a square that it sees with a halo, in grey levels."""
    sides, channel, scale = square[1:], square.plane[1], network.scale
    around = [
        with_halo(s.start, s.stop, n, halo, network.stride)
        for s, n in zip(sides, lr.volume.shape[3:])
    ]
    planes = given.frames.around(square.plane, lr.volume.region)
    frames = [given.scaled(lr.reader()(plane, *around), channel) for plane in planes]
    with torch.inference_mode():
        made = network(torch.from_numpy(np.stack(frames)[None]))[0, 0].float().numpy()
    keep = (
        slice((s.start - r.start) * scale, (s.stop - r.start) * scale)
        for s, r in zip(sides, around)
    )
    grey: Floats = made[tuple(keep)] * np.float32(given.span(channel))
    return grey


def _tolerance(volume: Volume) -> float:
    if volume.dtype != "float32":
        return TOLERANCE
    return FLOAT_TOLERANCE * max(levels.span for levels in volume.intensity.ranges)


def _smallest(halos: list[int], passes: npt.NDArray[np.bool_]) -> int:
    """Errors need not fall steadily: every larger halo must pass too."""
    all_wider: npt.NDArray[np.bool_] = np.logical_and.accumulate(passes[::-1])[::-1]
    return halos[int(np.argmax(all_wider))] if all_wider.any() else halos[-1]

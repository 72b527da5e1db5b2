"""How much around a tile the network must see, measured on the volume that it is used on."""

import logging

import numpy as np
import torch

from pssrflow.networks.footprint import bytes_per_pixel
from pssrflow.networks.receptive_field import FURTHEST, receptive_halo
from pssrflow.run.memory import free_bytes
from pssrflow.volumes.blocks import with_halo
from pssrflow.volumes.store import Store

log = logging.getLogger(__name__)

# A tile may differ from an undivided pass by this many grey levels, which rounding to them can
# double; of float data, by this part of the range.
TOLERANCE, FLOAT_TOLERANCE = 0.5, 5e-5
# Squares on which the halo is measured, of how many strides of the network, and places along
# every axis that compete for them.
PROBES, CORE, PLACES = 4, 4, 4


def measure_halo(network, lr, seen="window", memory=4000):
    """Smallest halo whose tiles differ from an undivided pass by less than half a grey level.

    Measured on the volume itself, at places spread over it. A network's theoretical halo is
    larger: far pixels reach the result through many small weights.

    Parameters
    ----------
    network : torch.nn.Module
    lr : path-like
    seen : str
        How the network takes grey levels; see `Intensity.seen_by`.
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
    store = Store(lr)
    volume, read = store.volume, store.reader()
    windows = volume.intensity.seen_by(seen).windows
    halos = _affordable(_halos(theory, network.stride), network, memory)
    theory = halos[-1]
    errors = [
        _errors(network, volume.shape, read, windows, halos, place)
        for place in _busiest(volume.shape, read, windows, network.stride)
    ]
    # Errors need not fall steadily: every larger halo must pass too.
    passes = np.max(errors, axis=0) < _tolerance(volume)
    passes = np.logical_and.accumulate(passes[::-1])[::-1]
    halo = halos[np.argmax(passes)] if passes.any() else theory
    log.info("halo of %d LR pixels (the receptive field reaches %d)", halo, theory)
    return halo


def _affordable(halos, network, memory):
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


def _tolerance(volume):
    if volume.dtype != "float32":
        return TOLERANCE
    return FLOAT_TOLERANCE * (volume.intensity.white - volume.intensity.black)


def _halos(theory, stride):
    """Halos to try, each at most half as large again as the one before.

    The widest take most of the time, so they are few.
    """
    halos = [0]
    while halos[-1] < theory:
        wider = max(halos[-1] + stride, halos[-1] * 3 // (2 * stride) * stride)
        halos.append(min(wider, theory))
    return halos


def _busiest(shape, read, windows, stride):
    """Where the LR volume varies most: (plane, row, column) of a few squares, of many looked at."""
    looked = {}
    for place in np.ndindex(PLACES, PLACES, PLACES):
        plane = tuple(int(n * (place[0] + 0.5) / PLACES) for n in shape[:3])
        corner = [
            int(n * (p + 0.5) / PLACES) // stride * stride for n, p in zip(shape[3:], place[1:])
        ]
        low, high = windows[plane[1]]
        square = read(plane, *_square(shape, corner, stride))
        looked[(plane, *corner)] = square.std() / (high - low)
    return sorted(looked, key=looked.get)[-PROBES:]


def _square(shape, corner, stride):
    return [slice(c, min(c + CORE * stride, n)) for c, n in zip(corner, shape[3:])]


def _errors(network, shape, read, windows, halos, place):
    """Largest error at one place for every halo, in grey levels."""
    plane, *corner = place
    low, high = windows[plane[1]]
    square, images = _square(shape, corner, network.stride), []
    for halo in halos:
        around = [
            with_halo(s.start, s.stop, n, halo, network.stride) for s, n in zip(square, shape[3:])
        ]
        values = (read(plane, *around).astype(np.float32) - low) / (high - low)
        with torch.inference_mode():
            made = network(torch.from_numpy(values)[None, None])[0, 0].float().numpy()
        keep = (
            slice((s.start - r.start) * network.scale, (s.stop - r.start) * network.scale)
            for s, r in zip(square, around)
        )
        images.append(made[tuple(keep)] * (high - low))
    return [np.abs(image - images[-1]).max() for image in images]

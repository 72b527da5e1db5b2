"""Super-resolve a volume of any size: plan it in parts, run a part, put the parts together."""

import logging
from dataclasses import replace

import numpy as np
import torch
from tqdm import tqdm

from pssrflow.blocks import share
from pssrflow.devices import DTYPES, best_device, best_precision
from pssrflow.errors import InputError
from pssrflow.intensity import to_dtype
from pssrflow.jobs import read_json, write_json
from pssrflow.networks import load_weights, receptive_halo
from pssrflow.store import create, finish, open_level, read_volume, write_shard
from pssrflow.tiles import plan_tiles, super_resolve

log = logging.getLogger(__name__)

# A tile may differ from an undivided pass by this much, in grey levels of 255.
TOLERANCE = 0.5
PROBES = 4


def initialise(lr, weights, sr, plan, tile, halo, parts, chunk, shard):
    """Create the empty SR store and write the plan that the parts follow.

    Parameters
    ----------
    lr, sr : path-like
        OME-Zarr stores, read and created.
    weights : path-like
    plan : path-like
        JSON: halo, tile, and which shards belong to which part.
    tile : int
        LR pixels.
    halo : int or "auto"
        LR pixels; "auto" measures how many this network needs on these data.
    parts : int
    chunk, shard : sequence of int
        z, y, x of the SR store.
    """
    network, facts = load_weights(weights)
    if halo == "auto":
        halo = measure_halo(network, lr)
    volume = sr_volume(read_volume(lr), facts["scale"], chunk, shard)
    create(sr, volume)
    shards = len(volume.shards())
    log.info("SR %s: %d shards in %d parts, halo %d", volume.shape, shards, parts, halo)
    tile = max(tile // network.stride, 1) * network.stride
    write_json(plan, {"tile": tile, "halo": halo, "parts": share(range(shards), parts)})


def sr_volume(lr, scale, chunk, shard):
    """Metadata of the SR volume: smaller pixels, whose first one begins where the LR one does."""
    z, y, x = lr.pixel_size
    oz, oy, ox = lr.origin
    shift = (scale - 1) / 2
    return replace(
        lr,
        shape=(*lr.shape[:3], *(n * scale for n in lr.shape[3:])),
        chunk=tuple(chunk),
        shard=tuple(shard),
        pixel_size=(z, *(size and size / scale for size in (y, x))),
        origin=(oz, oy * scale - shift, ox * scale - shift),
    )


def measure_halo(network, lr):
    """Smallest halo whose tiles differ from an undivided pass by less than half a grey level.

    Measured on the volume itself, at places spread over it. A network's theoretical halo is
    larger: far pixels reach the result through many small weights.

    Returns
    -------
    int
        LR pixels; a multiple of the network's stride, at most the theoretical halo.
    """
    theory = receptive_halo(network)
    errors = np.max([_halo_errors(network, lr, theory, n) for n in range(PROBES)], axis=0)
    halos = np.arange(0, theory + 1, network.stride)
    # Errors need not fall steadily: every larger halo must pass too.
    passes = np.flip(np.logical_and.accumulate(np.flip(errors < TOLERANCE)))
    halo = int(halos[np.argmax(passes)]) if passes.any() else theory
    log.info("halo of %d LR pixels (the receptive field reaches %d)", halo, theory)
    return halo


def _halo_errors(network, lr, theory, number):
    array, intensity = open_level(lr), read_volume(lr).intensity
    place = (number + 0.5) / PROBES
    plane = tuple(int(n * place) for n in array.shape[:3])
    stride, scale = network.stride, network.scale
    core = [
        slice(start, min(start + 4 * stride, n))
        for n in array.shape[3:]
        for start in [int(n * place) // stride * stride]
    ]
    rows, cols = (slice(c.start * scale, c.stop * scale) for c in core)
    images = []
    for halo in range(0, theory + 1, stride):
        # A tile as large as the core makes the halo end right beside it.
        tiles = plan_tiles(rows, cols, array.shape[3:], scale, 4 * stride, halo, stride)
        images.append(super_resolve(network, array, plane, rows, cols, tiles, intensity))
    grey = 255 / (intensity.white - intensity.black)
    return [np.abs(image - images[-1]).max() * grey for image in images]


def run_part(lr, weights, sr, plan, part, marker, threads, precision):
    """Super-resolve the shards of one part and write its marker last.

    Parameters
    ----------
    lr, weights, sr, plan : path-like
    part : int
    marker : path-like
        JSON: the digest of every shard of the part.
    threads : int
    precision : str
        "auto", "bf16", "16" or "32".
    """
    torch.set_num_threads(threads)
    network, facts = load_weights(weights)
    planned, volume = read_json(plan), read_volume(sr)
    device = best_device()
    chosen = best_precision(device) if precision == "auto" else precision
    network = network.to(device, memory_format=torch.channels_last)
    log.info("part %d on %s, precision %s", part, device, chosen)
    source, target = open_level(lr), open_level(sr, mode="r+")
    intensity, shards, digests = read_volume(lr).intensity, volume.shards(), {}
    size = planned["tile"], planned["halo"], network.stride
    for index in tqdm(planned["parts"][part], unit="shard", disable=None):
        region = shards[index]
        tiles = plan_tiles(*region.slices[3:], source.shape[3:], facts["scale"], *size)
        with torch.autocast(device.type, DTYPES[chosen], enabled=chosen != "32"):
            values = _shard(network, source, region, tiles, intensity, volume.dtype)
        digests[index] = write_shard(target, region, values)
    write_json(marker, {"digests": digests})


def finalise(sr, plan, markers, done, threads):
    """Verify what the parts wrote, build the pyramid, write the done file.

    Raises
    ------
    InputError
        A shard has no digest, or its pixels do not agree with it.
    """
    volume = read_volume(sr)
    reported = [read_json(marker)["digests"] for marker in markers]
    shards = volume.shards()
    digests = {shards[int(i)]: d for part in reported for i, d in part.items()}
    missing = len(shards) - len(digests)
    if missing:
        raise InputError(sr, f"{missing} of {len(shards)} shards were not reported by any part")
    planned = read_json(plan)
    finish(sr, done, digests, threads, tile=planned["tile"], halo=planned["halo"])


def _shard(network, source, region, tiles, intensity, dtype):
    values = np.empty(region.shape, dtype)
    limits = np.iinfo(dtype) if values.dtype.kind in "ui" else np.finfo(dtype)
    for plane in region.planes():
        inside = tuple(i - a for i, a in zip(plane, region.start))
        image = super_resolve(network, source, plane, *region.slices[3:], tiles, intensity)
        # Detail may exceed what the coarse image reached, so only the data type limits it.
        values[inside] = to_dtype(image, dtype, limits.min, limits.max)
    return values

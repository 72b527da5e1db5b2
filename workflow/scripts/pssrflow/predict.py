"""Super-resolve a volume of any size: plan it in parts, run a part, put the parts together."""

import logging
import shutil
import uuid
from dataclasses import replace
from pathlib import Path

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

# A tile may differ from an undivided pass by this much, in 255ths of the display window.
TOLERANCE = 0.5
# Squares on which the halo is measured, of how many strides of the network, and places along
# every axis that compete for them.
PROBES, CORE, PLACES = 4, 4, 4


def initialise(lr, weights, sr, plan, markers, done, tile, halo, parts, chunk, shard):
    """Create the empty SR store and write the plan that the parts follow.

    Parameters
    ----------
    lr, sr : path-like
        OME-Zarr stores, read and created.
    weights : path-like
    plan : path-like
        JSON: halo, tile, and which shards belong to which part.
    markers, done : path-like
        Folder of markers and done file of an earlier prediction; removed before its store is.
    tile : int
        LR pixels.
    halo : int or "auto"
        LR pixels; "auto" measures how many this network needs on these data.
    parts : int
    chunk, shard : sequence of int
        z, y, x of the SR store.
    """
    network, facts = load_weights(weights)
    volume = sr_volume(read_volume(lr), facts["scale"], chunk, shard)
    if halo == "auto" and _undivided(volume, tile * facts["scale"]):
        halo = 0
    elif halo == "auto":
        halo = measure_halo(network, lr, facts.get("intensity", "window"))
    Path(done).unlink(missing_ok=True)
    shutil.rmtree(markers, ignore_errors=True)
    create(sr, volume)
    shards = len(volume.shards())
    log.info("SR %s: %d shards in %d parts, halo %d", volume.shape, shards, parts, halo)
    tile = max(tile // network.stride, 1) * network.stride
    # Snakemake trusts markers that are older than an equal plan; no two plans are equal.
    made = {"id": uuid.uuid4().hex, "tile": tile, "halo": halo}
    write_json(plan, made | {"parts": share(range(shards), parts)})


def _undivided(volume, tile):
    """Whether a tile (HR pixels) holds a whole plane, and a shard too."""
    return all(n <= min(tile, s) for n, s in zip(volume.shape[3:], volume.shard[1:]))


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


def measure_halo(network, lr, seen="window"):
    """Smallest halo whose tiles differ from an undivided pass by less than half a grey level.

    Measured on the volume itself, at places spread over it. A network's theoretical halo is
    larger: far pixels reach the result through many small weights.

    Parameters
    ----------
    network : torch.nn.Module
    lr : path-like
    seen : str
        How the network takes grey levels; see `Intensity.seen_by`.

    Returns
    -------
    int
        LR pixels; a multiple of the network's stride, at most the theoretical halo.
    """
    theory = receptive_halo(network)
    array, intensity = open_level(lr), read_volume(lr).intensity
    shown = intensity.seen_by(seen)
    halos = _halos(theory, network.stride)
    errors = [
        _halo_errors(network, array, shown, halos, place)
        for place in _busiest(array, intensity.windows, network)
    ]
    # Errors need not fall steadily: every larger halo must pass too.
    passes = np.logical_and.accumulate(np.max(errors, axis=0)[::-1] < TOLERANCE)[::-1]
    halo = halos[np.argmax(passes)] if passes.any() else theory
    log.info("halo of %d LR pixels (the receptive field reaches %d)", halo, theory)
    return halo


def _halos(theory, stride):
    """Halos to try, each at most half as large again as the one before.

    The widest take most of the time, so they are few.
    """
    halos = [0]
    while halos[-1] < theory:
        wider = max(halos[-1] + stride, halos[-1] * 3 // (2 * stride) * stride)
        halos.append(min(wider, theory))
    return halos


def _busiest(array, windows, network):
    """Where the LR volume varies most: (plane, row, column) of a few squares, of many looked at."""
    looked = {}
    for place in np.ndindex(PLACES, PLACES, PLACES):
        plane = tuple(int(n * (place[0] + 0.5) / PLACES) for n in array.shape[:3])
        corner = [
            int(n * (p + 0.5) / PLACES) // network.stride * network.stride
            for n, p in zip(array.shape[3:], place[1:])
        ]
        low, high = windows[plane[1]]
        square = array[(*plane, *(slice(c, c + CORE * network.stride) for c in corner))]
        looked[(plane, *corner)] = square.std() / (high - low)
    return sorted(looked, key=looked.get)[-PROBES:]


def _halo_errors(network, array, intensity, halos, place):
    """Largest error at one place for every halo, in 255ths of the window."""
    (plane, *corner), size = place, CORE * network.stride
    stops = [min(c + size, n) for c, n in zip(corner, array.shape[3:])]
    scale, stride = network.scale, network.stride
    rows, cols = (slice(a * scale, b * scale) for a, b in zip(corner, stops))
    images = []
    for halo in halos:
        # Tiles as small as the square, so that the halo ends right beside it.
        tiles = plan_tiles(rows, cols, array.shape[3:], scale, size, halo, stride)
        images.append(super_resolve(network, array, plane, rows, cols, tiles, intensity))
    low, high = intensity.windows[plane[1]]
    return [np.abs(image - images[-1]).max() * 255 / (high - low) for image in images]


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
    intensity = read_volume(lr).intensity.seen_by(facts.get("intensity", "window"))
    shards, digests = volume.shards(), {}
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

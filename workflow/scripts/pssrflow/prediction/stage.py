"""Super-resolve a volume of any size: plan it in parts, run a part, put the parts together."""

import contextlib
import itertools
import logging
import os
import shutil
import sys
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import torch
from tqdm import tqdm

from pssrflow.blocks import cut, share
from pssrflow.devices import best_device, best_precision, claimed_device
from pssrflow.errors import InputError
from pssrflow.finish import DamagedShard, climb, finish, roots
from pssrflow.jobs import read_json, write_json
from pssrflow.networks import load_weights
from pssrflow.prediction.halo import measure_halo
from pssrflow.prediction.inference import Inference, fitting_batch
from pssrflow.prediction.journal import Journal
from pssrflow.prediction.memory import tile_pixels
from pssrflow.prediction.pipeline import Canvas, Source, run, steps
from pssrflow.prediction.place import sr_volume
from pssrflow.prediction.plan import Plan, plan_prediction
from pssrflow.readers.overrides import parse_roi
from pssrflow.store import create, digest, discard, open_level, plane_reader, read_volume

log = logging.getLogger(__name__)

# Seconds between two lines of a part's log that say how far it is.
REPORT_EVERY = 60


def initialise(
    lr,
    weights,
    sr,
    plan,
    markers,
    done,
    parts,
    chunk,
    shard,
    settings,
    std=None,
    roi=None,
    mask=None,
):
    """Create the empty SR store and write the plan that the parts follow.

    Parameters
    ----------
    lr, sr : path-like
        OME-Zarr stores, read and created.
    weights : path-like
    plan : path-like
        JSON; see `Plan`.
    markers, done : path-like
        Folder of markers and done file of an earlier prediction; removed before its store is.
    parts : int
    chunk, shard : sequence of int
        z, y, x of the SR store.
    settings : dict
        The section `predict` of the configuration.
    std : path-like
        OME-Zarr store of an ensemble's standard deviation; created if there is an ensemble.
    roi : str, optional
        What of the LR volume is super-resolved; see `parse_roi`.
    mask : path-like, optional
        OME-Zarr store as large as the LR volume; tiles in which it is 0 are interpolated.

    Raises
    ------
    InputError
        A region that leaves the volume, or a mask of another size.
    """
    network, facts = load_weights(weights)
    source = read_volume(lr)
    box = parse_roi(roi or ":, :", source.shape, source.pixel_size)
    if mask is not None:
        _check_mask(mask, source)
    volume = sr_volume(source, facts["scale"], chunk, shard, box)
    made = plan_prediction(
        network,
        source,
        volume,
        box,
        parts,
        settings,
        lambda: measure_halo(network, lr, facts.get("intensity", "window"), settings["memory"]),
        mask is not None,
    )
    for path in _dones(done).values():
        path.unlink(missing_ok=True)
    shutil.rmtree(markers, ignore_errors=True)
    create(sr, volume)
    if made.std:
        create(std, replace(volume, dtype="float32"))
    elif std is not None:
        discard(std)
    cutting = made.cutting
    log.info(
        "SR %s: %d blocks of %s in %d parts, tiles of %d LR pixels, halo %d",
        volume.shape,
        len(made.blocks()),
        cutting.block,
        parts,
        cutting.tile,
        cutting.halo,
    )
    made.write(plan)


def _check_mask(mask, source):
    found = read_volume(mask).shape
    if found[3:] != source.shape[3:] or found[2] not in (1, source.shape[2]):
        raise InputError(
            "mask_path",
            f"a mask of {found[2:]} pixels (z, y, x) for an LR image of {source.shape[2:]}",
            "a mask as large as the LR image, or one plane for all",
        )


def run_part(
    lr, weights, sr, plan, part, marker, done, threads, precision, code="", std=None, mask=None
):
    """Super-resolve the blocks of one part and write its marker last.

    Blocks that an interrupted run of this part has finished are verified, not made again.

    Parameters
    ----------
    lr, weights, sr, plan : path-like
    part : int
    marker : path-like
        JSON: the digest of every shard of the part, by store.
    done : path-like
        Done file of an earlier prediction; removed before its pixels change.
    threads : int
    precision : str
        "auto", "bf16", "16" or "32".
    code : str
        Hash of the code that makes the blocks.
    std : path-like
        OME-Zarr store of an ensemble's standard deviation.
    mask : path-like, optional
        As `initialise`.
    """
    planned = Plan.read(plan)
    stores, blocks = _stores(sr, std, planned), planned.part(part)
    kind = best_device()
    precision = best_precision(kind) if precision == "auto" else precision
    # Other code, devices and precisions make other pixels.
    journal = Journal(f"{marker}.journal", f"{planned.id} {code} {kind.type} {precision}")
    digests = {i: found for i, found in journal.read().items() if i in blocks}
    digests = {i: found for i, found in digests.items() if _intact(stores, blocks[i], found)}
    left = {i: region for i, region in blocks.items() if i not in digests}
    log.info("part %d: %d blocks, %d of them finished before", part, len(blocks), len(digests))
    if left:
        for path in _dones(done).values():
            path.unlink(missing_ok=True)
        with claimed_device() as device:
            log.info("%s, precision %s", device, precision)
            what = lr, weights, stores, planned, left, device, precision, threads, mask
            for block, found in _predicted(*what):
                journal.add(block, found)
                digests[block] = found
    write_json(marker, {"plan": planned.id, "digests": _merged(digests.values())})


def _intact(stores, block, digests):
    """Whether the shards of a block still hold what the journal says was written."""
    for name, path in stores.items():
        array = open_level(path)
        for shard in cut(block.stop, array.shards or array.chunks, block.start):
            try:
                if digest(array[shard.slices]) != digests[name][_place(shard)]:
                    return False
            except (RuntimeError, ValueError, OSError):
                return False
    return True


def _predicted(lr, weights, stores, planned, blocks, device, precision, threads, mask):
    """Make and write blocks; give the number of each, and the digests of its shards by store."""
    torch.set_num_threads(threads)
    network, facts = load_weights(weights)
    batch = fitting_batch(device, planned.tile_bytes, tile_pixels(planned.cutting))
    inference = Inference(network, device, precision, planned.self_ensemble, batch)
    intensity = read_volume(lr).intensity.seen_by(facts.get("intensity", "window"))
    masked = _mask_reader(mask) if mask else None
    source = Source(plane_reader(open_level(lr)), intensity, planned.depth, planned.empty, masked)
    arrays = {name: open_level(path, mode="r+") for name, path in stores.items()}
    dtypes = {name: array.dtype for name, array in arrays.items()}
    canvas = Canvas(planned.cutting, intensity, dtypes, planned.blend)
    written = run(steps(planned.cutting, blocks), source, inference, canvas, arrays, threads)
    with _progress(sum(region.size for region in blocks.values())) as advance:
        for block, shards in itertools.groupby(written, lambda shard: shard[0]):
            found = {name: {} for name in stores}
            for _, name, region, made in shards:
                found[name][_place(region)] = made
                advance(region.size if name == "sr" else 0)
            yield block, found


def _mask_reader(mask):
    """As `plane_reader`; one channel, time or plane of a mask holds for all."""
    array = open_level(mask)
    read, last = plane_reader(array), [n - 1 for n in array.shape[:3]]
    return lambda plane, rows, cols: read(tuple(map(min, plane, last)), rows, cols)


def _place(shard):
    return ",".join(map(str, shard.start))


def _merged(found):
    """Digests of several blocks or parts, by store and place."""
    merged = defaultdict(dict)
    for digests in found:
        for name, by_place in digests.items():
            merged[name] |= by_place
    return merged


@contextlib.contextmanager
def _progress(voxels):
    """A bar on a terminal, and a line in the log now and then; give it the voxels of each block."""
    with contextlib.ExitStack() as stack:
        terminal = sys.stderr.isatty()
        stream = sys.stderr if terminal else stack.enter_context(open(os.devnull, "w"))
        bar = stack.enter_context(tqdm(total=voxels, unit="voxel", unit_scale=True, file=stream))
        said = time.monotonic()

        def advance(number):
            nonlocal said
            bar.update(number)
            if time.monotonic() - said > REPORT_EVERY:
                said = time.monotonic()
                log.info("%s", bar)

        yield advance


def collect(markers, marker):
    """Put the markers of all parts into one, which says what they say.

    Parameters
    ----------
    markers : list of path-like
    marker : path-like
    """
    write_json(marker, {"digests": _merged(read_json(path)["digests"] for path in markers)})


def build_pyramid(sr, plan, markers, part, parts, marker, threads, std=None):
    """Verify a share of the shards that the parts wrote, and build the pyramid above them.

    Parameters
    ----------
    sr, plan : path-like
    markers : list of path-like
        Of all parts of the prediction, or the one that `collect` made of them.
    part, parts : int
        Which share, of how many.
    marker : path-like
        JSON: the level up to which this share is built.
    threads : int
    std : path-like

    Raises
    ------
    InputError
        As `finalise`.
    """
    planned = Plan.read(plan)
    stores = _stores(sr, std, planned)
    reported = _merged(read_json(marker)["digests"] for marker in markers)
    for name, path in stores.items():
        volume = read_volume(path)
        level, shards = roots(volume, parts)
        digests = _digests(path, volume, reported[name], markers)
        with _naming_the_part(planned, markers):
            climb(path, volume, level, share(shards, parts)[part], digests, threads)
    write_json(marker, {"level": level})


def finalise(sr, plan, markers, pyramid, done, threads, std=None):
    """Verify what the parts wrote, build what is left of the pyramid, write the done file.

    Parameters
    ----------
    sr, plan : path-like
    markers : list of path-like
        Of all parts of the prediction, or the one that `collect` made of them.
    pyramid : list of path-like
        Of all jobs that have built the pyramid above verified shards; none if all is left to do.
    done : path-like
    threads : int
    std : path-like

    Raises
    ------
    InputError
        A shard has no digest, or its pixels do not agree with it.
    """
    planned = Plan.read(plan)
    stores = _stores(sr, std, planned)
    reported = _merged(read_json(marker)["digests"] for marker in markers)
    ready = min((read_json(path)["level"] for path in pyramid), default=None)
    facts = {"tile": planned.cutting.tile, "halo": planned.cutting.halo}
    # The SR store comes last: its done file is what other rules wait for.
    for name, path in reversed(stores.items()):
        digests = _digests(path, read_volume(path), reported[name], markers)
        with _naming_the_part(planned, markers):
            finish(path, _dones(done)[name], digests, threads, ready=ready, **facts)


def _dones(done):
    """Done files of the stores of a prediction."""
    return {"sr": Path(done), "std": Path(done).with_name("std.done.json")}


def _stores(sr, std, planned):
    return {"sr": sr, "std": std} if planned.std else {"sr": sr}


@contextlib.contextmanager
def _naming_the_part(planned, markers):
    """Remove the marker that vouches for a damaged shard, so that its part makes it again."""
    try:
        yield
    except DamagedShard as error:
        part = planned.part_of(error.region)
        # While the collected marker exists, Snakemake does not ask for those of the parts.
        for name in (f"{part}.json", "collected.json"):
            Path(markers[0]).with_name(name).unlink(missing_ok=True)
        again = f"the same command once more, which makes it again in part {part}"
        raise InputError(error.where, error.found, again) from error


def _digests(path, volume, reported, markers):
    """Digest of every shard of a store.

    Raises
    ------
    InputError
        Some were not reported.
    """
    shards = {_place(shard): shard for shard in volume.shards()}
    missing = [place for place in shards if place not in reported]
    if missing:
        raise InputError(
            f"{path}/0 at t,c,z,y,x = ({missing[0].replace(',', ', ')})",
            f"{len(missing)} of {len(shards)} shards were not reported by any part, this one first",
            f"the markers of all parts; remove {Path(markers[0]).parent} to make them again",
        )
    return {shard: reported[place] for place, shard in shards.items()}

"""Super-resolve a volume of any size: plan it in parts, and run a part."""

import contextlib
import itertools
import logging
import os
import shutil
import sys
import time
from dataclasses import replace

import torch
from tqdm import tqdm

from pssrflow.errors import InputError
from pssrflow.models.halo import measure_halo
from pssrflow.models.weights import load_weights
from pssrflow.predict.canvas import Canvas
from pssrflow.predict.inference import Inference, fitting_batch
from pssrflow.predict.journal import Journal, merged, place_of
from pssrflow.predict.loader import Source
from pssrflow.predict.memory import tile_pixels
from pssrflow.predict.pipeline import run, steps
from pssrflow.predict.plan import Plan, done_files, plan_prediction
from pssrflow.run.devices import best_device, best_precision, claimed_device
from pssrflow.run.files import write_json
from pssrflow.volumes.blocks import cut
from pssrflow.volumes.regions import parse_roi
from pssrflow.volumes.store import Store, digest

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
    source = Store(lr).volume
    box = parse_roi(roi or ":, :", source.shape, source.pixel_size)
    if mask is not None:
        _check_mask(mask, source)
    volume = source.finer(facts["scale"], chunk, shard, box)
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
    for path in done_files(done).values():
        path.unlink(missing_ok=True)
    shutil.rmtree(markers, ignore_errors=True)
    Store(sr).create(volume)
    if made.std:
        Store(std).create(replace(volume, dtype="float32"))
    elif std is not None:
        Store(std).discard()
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
    found = Store(mask).volume.shape
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
    stores, blocks = planned.stores(sr, std), planned.part(part)
    kind = best_device()
    precision = best_precision(kind) if precision == "auto" else precision
    # Other code, devices and precisions make other pixels.
    journal = Journal(f"{marker}.journal", f"{planned.id} {code} {kind.type} {precision}")
    digests = {i: found for i, found in journal.read().items() if i in blocks}
    digests = {i: found for i, found in digests.items() if _intact(stores, blocks[i], found)}
    left = {i: region for i, region in blocks.items() if i not in digests}
    log.info("part %d: %d blocks, %d of them finished before", part, len(blocks), len(digests))
    if left:
        for path in done_files(done).values():
            path.unlink(missing_ok=True)
        with claimed_device() as device:
            log.info("%s, precision %s", device, precision)
            what = lr, weights, stores, planned, left, device, precision, threads, mask
            for block, found in _predicted(*what):
                journal.add(block, found)
                digests[block] = found
    write_json(marker, {"plan": planned.id, "digests": merged(digests.values())})


def _intact(stores, block, digests):
    """Whether the shards of a block still hold what the journal says was written."""
    for name, path in stores.items():
        array = Store(path).level()
        for shard in cut(block.stop, array.shards or array.chunks, block.start):
            try:
                if digest(array[shard.slices]) != digests[name][place_of(shard)]:
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
    store = Store(lr)
    intensity = store.volume.intensity.seen_by(facts.get("intensity", "window"))
    masked = _mask_reader(mask) if mask else None
    source = Source(store.reader(), intensity, planned.depth, planned.empty, masked)
    arrays = {name: Store(path).level(mode="r+") for name, path in stores.items()}
    dtypes = {name: array.dtype for name, array in arrays.items()}
    canvas = Canvas(planned.cutting, intensity, dtypes, planned.blend)
    written = run(steps(planned.cutting, blocks), source, inference, canvas, arrays, threads)
    with _progress(sum(region.size for region in blocks.values())) as advance:
        for block, shards in itertools.groupby(written, lambda shard: shard[0]):
            found = {name: {} for name in stores}
            for _, name, region, made in shards:
                found[name][place_of(region)] = made
                advance(region.size if name == "sr" else 0)
            yield block, found


def _mask_reader(mask):
    """As `plane_reader`; one channel, time or plane of a mask holds for all."""
    store = Store(mask)
    read, last = store.reader(), [n - 1 for n in store.volume.shape[:3]]
    return lambda plane, rows, cols: read(tuple(map(min, plane, last)), rows, cols)


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

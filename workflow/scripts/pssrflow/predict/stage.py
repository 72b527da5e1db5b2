"""Super-resolve a volume of any size: plan it in parts, and run a part."""

import contextlib
import itertools
import logging
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np
import torch
from tqdm import tqdm

from pssrflow.errors import InputError
from pssrflow.models.halo import measure_halo
from pssrflow.models.input import Input
from pssrflow.models.weights import load_weights
from pssrflow.networks.contract import SRNetwork
from pssrflow.networks.footprint import bytes_per_pixel
from pssrflow.pairs.mask import Mask, open_mask
from pssrflow.predict.canvas import Canvas
from pssrflow.predict.inference import Inference, TileTooLarge, fitting_batch, members
from pssrflow.predict.journal import Digests, Journal, merged
from pssrflow.predict.loader import Kept, TileLoader
from pssrflow.predict.memory import SMALLEST, tile_pixels
from pssrflow.predict.order import placed_tiles
from pssrflow.predict.pipeline import READ_AHEAD, run
from pssrflow.predict.plan import (
    FORMAT,
    Plan,
    Profile,
    Request,
    plan_prediction,
    undivided,
)
from pssrflow.predict.prediction import Prediction
from pssrflow.run.devices import best_device, best_precision, claimed_device
from pssrflow.run.files import file_hash, read_made, write_json
from pssrflow.run.locks import owner
from pssrflow.volumes.blocks import Region, cut, place_of
from pssrflow.volumes.rectangles import UNREADABLE
from pssrflow.volumes.store import Store, digest
from pssrflow.volumes.volume import Volume

log = logging.getLogger(__name__)

# Seconds between two lines of a part's log that say how far it is.
REPORT_EVERY = 60


def initialise(prediction: Prediction, request: Request, code: str = "") -> None:
    """Create the empty stores and write the plan that the parts follow.

    Where there is a plan that makes the same pixels of the same content, it stands, and what its
    parts have made is kept.

    Parameters
    ----------
    prediction : Prediction
        Markers and done files of an earlier one are removed before its stores are.
    request : Request
    code : str
        Hash of the code that plans.

    Raises
    ------
    InputError
        A region that leaves the volume, or a mask of another size.
    """
    network, facts = load_weights(prediction.weights, prediction.python)
    made_of = _made_of(prediction, request, code)
    if _stands(prediction, made_of, request.parts):
        return
    lr = prediction.lr
    given = Input.of(lr.volume.intensity, facts.intensity, facts.frames)
    sr = request.volume(lr.volume, network.scale)
    # One of another size is refused.
    _mask_of(prediction, network.scale)
    profile = profile_of(network, lambda: measure_halo(network, lr, given, request.settings.memory))
    planned = plan_prediction(lr.volume, profile, request, prediction.mask is not None)
    planned = replace(planned, made_of=made_of)
    if few := facts.frames.missing(lr.volume.region):
        log.warning("planes of %s: %s", lr, few)
    prediction.unfinish()
    shutil.rmtree(prediction.markers, ignore_errors=True)
    _create(prediction, planned, sr)
    _log(planned, sr)
    planned.write(prediction.kept_plan)
    planned.write(prediction.plan)


def _made_of(prediction: Prediction, request: Request, code: str) -> str:
    """Hash of all that decides the pixels of a prediction."""
    content = [read_made(path) for path in prediction.sources]
    return request.identity(content, file_hash(prediction.weights), code)


def _stands(prediction: Prediction, made_of: str, parts: int) -> bool:
    """Whether an earlier plan makes the same, in stores that are there; it is then written anew."""
    try:
        planned = Plan.read(prediction.kept_plan)
        levels = [s.level(n) for s in _stores(prediction, planned) for n in range(s.levels)]
    except (InputError, KeyError, *UNREADABLE):
        return False
    if not levels or planned.made_of != made_of or planned.parts != parts:
        return False
    log.info("planned before, in %d parts; to plan anew, remove %s", parts, prediction.markers)
    planned.write(prediction.plan)
    return True


def _stores(prediction: Prediction, planned: Plan) -> list[Store]:
    return [prediction.stores[one.name] for one in planned.maps]


def _mask_of(prediction: Prediction, scale: int) -> Mask | None:
    if prediction.mask is None:
        return None
    return open_mask(prediction.mask.path, prediction.lr.volume.shape, scale)


def profile_of(network: SRNetwork, halo: Callable[[], int]) -> Profile:
    """What a plan must know of a network.

    Parameters
    ----------
    network : SRNetwork
    halo : callable () -> int
        Finds LR pixels that it needs around a tile.
    """
    return Profile(
        scale=network.scale,
        stride=network.stride,
        members=len(members(network)),
        bytes_per_pixel=bytes_per_pixel(network),
        halo=halo,
    )


def _create(prediction: Prediction, planned: Plan, sr: Volume) -> None:
    """Stores of the maps that are kept; of those that are not, earlier ones go."""
    maps = {one.name: one for one in planned.maps}
    for name, store in prediction.stores.items():
        run = owner(store.path, prediction.plan)
        if name in maps:
            store.create(maps[name].volume(sr), run)
        else:
            store.discard(run)


def _log(planned: Plan, sr: Volume) -> None:
    cutting = planned.cutting
    log.info(
        "SR %s: %d blocks of %s in %d parts, tiles of %d LR pixels, halo %d",
        sr.shape,
        len(planned.blocks()),
        cutting.block,
        planned.parts,
        cutting.tile,
        cutting.halo,
    )


def run_part(
    prediction: Prediction, part: int, threads: int, precision: str = "auto", code: str = ""
) -> None:
    """Super-resolve the blocks of one part and write its marker last.

    Blocks that an interrupted run of this part has finished are verified, not made again.

    Parameters
    ----------
    prediction : Prediction
        Done files of an earlier one are removed before its pixels change.
    part : int
    threads : int
    precision : str
        "auto", "bf16", "16" or "32".
    code : str
        Hash of the code that makes the blocks.
    """
    planned, marker = Plan.read(prediction.plan), prediction.marker(part)
    stores = {one.name: prediction.stores[one.name] for one in planned.maps}
    blocks, kind = planned.part(part), best_device()
    precision = best_precision(kind) if precision == "auto" else precision
    # Other code, devices and precisions make other pixels.
    journal = Journal(f"{marker}.journal", f"{planned.id} {code} {kind.type} {precision}")
    digests = {i: found for i, found in journal.read().items() if i in blocks}
    digests = {i: found for i, found in digests.items() if _intact(stores, blocks[i], found)}
    left = {i: region for i, region in blocks.items() if i not in digests}
    log.info("part %d: %d blocks, %d of them finished before", part, len(blocks), len(digests))
    if left:
        prediction.unfinish()
        with claimed_device() as device:
            log.info("%s, precision %s", device, precision)
            for block, found in _predicted(prediction, planned, left, device, precision, threads):
                journal.add(block, found)
                digests[block] = found
    reported = {"plan": planned.id, "digests": merged(digests.values())}
    write_json(marker, {"format": FORMAT, **reported})


def _intact(stores: Mapping[str, Store], block: Region, digests: Digests) -> bool:
    """Whether the shards of a block still hold what the journal says was written."""
    for name, store in stores.items():
        array = store.level()
        for shard in cut(block.stop, array.shards or array.chunks, block.start):
            try:
                if digest(np.asarray(array[shard.slices])) != digests[name][place_of(shard)]:
                    return False
            except UNREADABLE:
                return False
    return True


def _predicted(
    prediction: Prediction,
    planned: Plan,
    blocks: Mapping[int, Region],
    device: torch.device,
    precision: str,
    threads: int,
) -> Iterator[tuple[int, Digests]]:
    """Make and write blocks; give the number of each, and the digests of its shards.

    What a device's memory does not hold is made of smaller tiles.
    """
    torch.set_num_threads(threads)
    left = dict(blocks)
    while True:
        try:
            for block, found in _made(prediction, planned, dict(left), device, precision, threads):
                del left[block]
                yield block, found
        except TileTooLarge as error:
            if planned.cutting.tile <= SMALLEST or not planned.smaller:
                raise
            short = error.found
        else:
            return
        # After the `except`, whose traceback holds the network and what it had allocated.
        if device.type == "cuda":
            torch.cuda.empty_cache()
        planned = _smaller(prediction, planned)
        log.warning("%s; tiles of %d from now on", short, planned.cutting.tile)


def _smaller(prediction: Prediction, planned: Plan) -> Plan:
    """With tiles of half the length; what blocks cover stays what it is."""
    cutting, lr = planned.cutting, prediction.lr
    halo = cutting.halo
    if undivided(cutting):
        # Nothing lay around the tiles, so that no halo was needed.
        network, facts = load_weights(prediction.weights, prediction.python)
        given = Input.of(lr.volume.intensity, facts.intensity, facts.frames)
        halo = measure_halo(network, lr, given, planned.memory)
    tile = max(SMALLEST, min(cutting.tile, *cutting.lr_shape) // 2)
    made = replace(cutting, tile=tile, halo=halo)
    each = planned.tile_bytes / tile_pixels(cutting)
    return replace(planned, cutting=made, tile_bytes=each * tile_pixels(made))


def _made(
    prediction: Prediction,
    planned: Plan,
    blocks: Mapping[int, Region],
    device: torch.device,
    precision: str,
    threads: int,
) -> Iterator[tuple[int, Digests]]:
    network, facts = load_weights(prediction.weights, prediction.python)
    batch = fitting_batch(device, planned.tile_bytes, tile_pixels(planned.cutting))
    inference = Inference(network, device, precision, planned.self_ensemble, batch)
    volume = prediction.lr.volume
    given = Input.of(volume.intensity, facts.intensity, facts.frames)
    loader = _loader(prediction, planned, given, network.scale, blocks)
    canvas = Canvas(planned.cutting, given, planned.maps, volume.dtype, planned.blend)
    arrays = {one.name: prediction.stores[one.name].level(mode="r+") for one in planned.maps}
    work = placed_tiles(planned.cutting, blocks)
    written = run(work, loader, inference, canvas, arrays, threads)
    with _progress(len(arrays) * sum(region.size for region in blocks.values())) as advance:
        for block, shards in itertools.groupby(written, lambda shard: shard.block):
            found: Digests = {name: {} for name in arrays}
            for shard in shards:
                found[shard.map][place_of(shard.region)] = shard.digest
                advance(shard.region.size)
            yield block, found


def _loader(
    prediction: Prediction,
    planned: Plan,
    given: Input,
    scale: int,
    blocks: Mapping[int, Region],
) -> TileLoader:
    lr, mask = prediction.lr, _mask_of(prediction, scale)
    read = lr.reader()
    if given.frames.count > 1:
        # Along z and t the same tiles of the neighbours come again with the next plane.
        largest = max(blocks.values(), key=lambda block: block.size)
        tiles = len(planned.cutting.tiles(*largest.slices[3:]))
        read = Kept(read, given.frames.count * tiles + READ_AHEAD)
    return TileLoader(
        read,
        given,
        lr.volume.region,
        planned.depth,
        planned.empty,
        mask.touched if mask is not None else None,
    )


@contextlib.contextmanager
def _progress(voxels: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, and a line in the log now and then; give it the voxels of each shard."""
    with contextlib.ExitStack() as stack:
        terminal = sys.stderr.isatty()
        stream = sys.stderr if terminal else stack.enter_context(open(os.devnull, "w"))
        bar = stack.enter_context(tqdm(total=voxels, unit="voxel", unit_scale=True, file=stream))
        said = time.monotonic()

        def advance(number: int) -> None:
            nonlocal said
            bar.update(number)
            if time.monotonic() - said > REPORT_EVERY:
                said = time.monotonic()
                log.info("%s", bar)

        yield advance

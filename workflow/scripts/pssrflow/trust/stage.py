"""Make the map of trust of a prediction: one job does it all, or several share it."""

import functools
import logging
import math
import tempfile
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pssrflow.calibrate.frames import Noise
from pssrflow.errors import InputError
from pssrflow.ingest.settings import Settings
from pssrflow.models.archive import Archive
from pssrflow.models.weights import load_weights
from pssrflow.networks.frames import Frames
from pssrflow.pairs.field import Field
from pssrflow.pairs.patches import Drawing
from pssrflow.pairs.split import Split, Splitting, in_all
from pssrflow.predict.inference import Inference
from pssrflow.run.devices import best_precision, claimed_device
from pssrflow.run.files import file_hash, write_json
from pssrflow.run.layout import PROMISE
from pssrflow.run.locks import owner
from pssrflow.run.memory import Budget
from pssrflow.run.shares import Shares
from pssrflow.trust.covered import covered
from pssrflow.trust.learn import Grounds, Learner
from pssrflow.trust.maps import BELIEF, CHANNELS, FIT, TILE, WHITE, WIDTHS, Each, Looked
from pssrflow.trust.promise import Promise
from pssrflow.trust.verdict import Tally, Volume, judged
from pssrflow.volumes.blocks import Region, cut, place_of, share
from pssrflow.volumes.done import finish
from pssrflow.volumes.intensity import Intensity, Range
from pssrflow.volumes.store import Store
from pssrflow.volumes.volume import Volume as Stored

log = logging.getLogger(__name__)

# Of the done file of a promise.
FORMAT = 1
# Small planes that share the files of a map, of which each channel has one.
PLANES = 8
# Digests of shards by their places, and what was counted.
Made = tuple[dict[str, str], Tally]


@dataclass(frozen=True)
class Asked:
    """What is asked of a promise, and how its network was trained.

    Attributes
    ----------
    level : float
        Share of the pixels that shall lie within the intervals.
    blocks : int
        Calibration blocks at most.
    kept : float
        Share of the fields that was not learnt from.
    patch : int
        LR pixels of a training patch.
    validation : float
        Share of the fields that was held out for validation.
    seed : int
    """

    level: float
    blocks: int
    kept: float
    patch: int
    validation: float
    seed: int


@dataclass(frozen=True)
class Rows:
    """What a promise is learnt and calibrated on.

    Attributes
    ----------
    fields : sequence of Field
        Each with its LR image.
    only : collection of str
        Samples that serve for this alone.
    noise : mapping of str to sequence of Noise or None
    drawn : collection of str
        See `Learner`.
    """

    fields: Sequence[Field]
    only: Collection[str]
    noise: Mapping[str, Sequence[Noise | None]]
    drawn: Collection[str]


def promise(
    rows: Rows,
    weights: Path | str,
    python: Collection[str],
    crappify: Mapping[str, Any],
    asked: Asked,
    threads: int,
    done: Path | str,
) -> None:
    """Learn and calibrate what can be promised of a network.

    Parameters
    ----------
    rows : Rows
    weights : path-like
    python : collection of str
        Classes that the configuration names for the network.
    crappify : mapping
        What makes LR images, as `Crappifier.from_config` takes it.
    asked : Asked
    threads : int
    done : path-like
        JSON written last; `trust.safetensors` lies beside it.
    """
    torch.set_num_threads(threads)
    network, facts = load_weights(weights, python)
    with claimed_device() as device:
        inference = Inference(network, device, best_precision(device))
        nothing = Promise.nothing(asked.level, facts.intensity, crappify)
        drawing = Drawing(frames=facts.frames)
        learner = Learner(inference, nothing, drawing, asked.seed, rows.noise, rows.drawn)
        looks = getattr(network, "looks", [(network.stride, facts.frames)])
        grounds = _grounds(rows, asked, nothing, looks)
        made = learner.of(grounds, asked.blocks)
    made = replace(made, about=made.about | {"zoom": facts.zoom})
    _keep(made, done)


def adopt(package: Path | str, crappify: Mapping[str, Any], asked: Asked, done: Path | str) -> None:
    """Take in what a model package promises, where this run has nothing to learn it from.

    Raises
    ------
    InputError
        The package cannot be read, or what it promises is of another scale.
    """
    made = Promise.nothing(asked.level, "window", crappify)
    if content := Archive.read(package).files.get(PROMISE):
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch, PROMISE)
            path.write_bytes(content)
            found = Promise.read(path)
        if found.scale != made.scale:
            where = f"{package}: {PROMISE}"
            raise InputError(where, f"a promise at scale {found.scale}", f"{made.scale}")
        made = replace(found, level=asked.level)
    _keep(made, done)


def _keep(made: Promise, done: Path | str) -> None:
    path = Path(done).with_name(PROMISE)
    made.save(path)
    log.info("%d blocks; half-widths in units of the scale: %s", len(made.blocks), made.multipliers)
    log.info("of the specimen, in units of the deviation from it: %s", made.deviations)
    about = {"sha256": file_hash(path), "bytes": path.stat().st_size}
    write_json(done, {"format": FORMAT, **about, "calibrated": made.calibrated, **made.about})


def _grounds(
    rows: Rows, asked: Asked, promise: Promise, looks: Sequence[tuple[int, Frames]]
) -> Grounds:
    """As the training split them; for each stride and frames of the members of an ensemble."""
    learnt = [f for f in rows.fields if f.sample not in rows.only]
    kept = [f for f in rows.fields if f.sample in rows.only]
    size, splits = asked.patch, list[tuple[Split, ...]]()
    if learnt:
        rest, reach = (asked.validation, asked.kept), 2 * promise.crappifier.reach
        each = (Splitting(size, *rest, reach + stride, stride, f).of(learnt) for stride, f in looks)
        sizes, made = zip(*each)
        size, splits = min(sizes), list(zip(*made))
    return Grounds(
        fields=[*learnt, *kept],
        learnt=[*(several[0].train for several in splits), *(None for _ in kept)],
        calibration=[*map(in_all, splits), *(f.region for f in kept)],
        patch=size,
    )


@dataclass(frozen=True)
class Work:
    """A map of trust that is made.

    Attributes
    ----------
    looked : Looked
    trust : Store
    settings : Settings
        Chunks and shards, as of every store.
    truth : Field or None
        The row of the sheet, where its truth is known.
    """

    looked: Looked
    trust: Store
    settings: Settings
    truth: Field | None = None

    @property
    def units(self) -> list[Region]:
        """What is made at once: a shard of every channel of the map, on the grid of LR pixels."""
        sr, trust = self.looked.sr.volume, self.trust.volume
        shape = (*sr.shape[:3], *self.looked.shape)
        return cut(shape, trust.shard_shape())

    @property
    def bytes_each(self) -> int:
        """What a thread needs."""
        side = TILE + 256
        return 6 * 4 * (side * self.looked.promise.scale) ** 2


def make(work: Work, done: Path | str, budget: Budget) -> None:
    """Make the map of one prediction, and its verdict.

    Parameters
    ----------
    work : Work
    done : path-like
        JSON written last; the verdict is in it.
    budget : Budget
    """
    _create(work, done)
    _finish(work, done, *_filled(work, work.units, budget), budget)


def begin(work: Work, done: Path | str, shares: Shares, parts: int) -> None:
    """Create the empty map that several jobs fill, and say so."""
    Path(done).unlink(missing_ok=True)
    _create(work, done)
    shares.begin(parts)


def fill(work: Work, shares: Shares, part: int, budget: Budget) -> None:
    """Make one part, and report it."""
    digests, tally = _filled(work, share(work.units, shares.parts)[part], budget)
    shares.report(part, {"digests": digests, "tally": tally.to_json()})


def complete(work: Work, done: Path | str, shares: Shares, budget: Budget) -> None:
    """Put together what the parts made."""
    digests, tally = dict[str, str](), Tally()
    for report in shares.reports(functools.partial(fill, work, shares, budget=budget)):
        digests |= report["digests"]
        tally.merge(Tally.from_json(report["tally"]))
    with shares.putting_together():
        _finish(work, done, digests, tally, budget)


def _create(work: Work, done: Path | str) -> None:
    work.trust.create(volume_of(work.looked, work.settings), owner(work.trust.path, done))


def volume_of(looked: Looked, settings: Settings) -> Stored:
    """What the metadata of a map say: the grid of LR pixels, channels of uint8."""
    sr = looked.sr.volume
    shard = _deeper(settings.chunk, settings.shard, looked.shape)
    coarse = sr.coarser(looked.promise.scale, settings.chunk, shard)
    several = len(sr.channels) > 1
    names = [f"{c} {name}" if several else name for c in sr.channels for name in looked.channels]
    windows = [(0.0, float(FIT if n.endswith(BELIEF) else WHITE)) for n in names]
    return replace(
        coarse,
        shape=(coarse.shape[0], len(names), *coarse.shape[2:]),
        dtype="uint8",
        channels=tuple(names),
        intensity=Intensity((Range(0.0, float(WHITE), 0.0),) * len(names), tuple(windows)),
    )


def _deeper(chunk: Sequence[int], shard: Sequence[int], plane: tuple[int, int]) -> tuple[int, ...]:
    """z, y, x of a file of the map: of small planes it holds several."""
    depth, *sides = shard
    small = math.prod(min(s, math.ceil(n / c) * c) for s, n, c in zip(sides, plane, chunk[1:]))
    several = min(PLANES, math.prod(sides) // small) // chunk[0] * chunk[0]
    return (max(depth, several), *sides)


def _filled(work: Work, units: list[Region], budget: Budget) -> Made:
    """Make and write some shards."""
    digests, tally = dict[str, str](), Tally()
    # Each tile is the work of one thread, and a shard that of one that waits for its tiles.
    workers = budget.workers(work.bytes_each)
    tiles = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))
    with tiles, ThreadPoolExecutor(workers) as shards:
        for found, counted in shards.map(functools.partial(_unit, work, tiles.map), units):
            digests |= found
            tally.merge(counted)
    return digests, tally


def _unit(work: Work, each: Each, unit: Region) -> Made:
    made, tally = work.looked.region(unit, each), Tally()
    tally.add(made, unit.start)
    if work.truth is not None:
        widths = made[CHANNELS.index(WIDTHS)]
        tally.compare(*covered(work.truth, work.looked, unit, widths, each))
    shards = _shards(unit, made)
    written = each(lambda shard: work.trust.write(*shard), shards)
    return {place_of(shard): digest for (shard, _), digest in zip(shards, written)}, tally


def _shards(unit: Region, made: np.ndarray) -> list[tuple[Region, np.ndarray]]:
    """Shards of the map, one for each of its channels."""
    t, c, *rest = unit.start
    t_stop, _, *ends = unit.stop
    channels = range(c * len(made), (c + 1) * len(made))
    places = (Region((t, n, *rest), (t_stop, n + 1, *ends)) for n in channels)
    return list(zip(places, made))


def _finish(
    work: Work, done: Path | str, digests: dict[str, str], tally: Tally, budget: Budget
) -> None:
    looked, trust = work.looked, work.trust
    known = {shard: digests[place_of(shard)] for shard in trust.volume.shards()}
    volume = Volume(looked.promise.scale, looked.lr.volume.pixel_side, looked.corner)
    said = judged(tally, looked.promise, volume)
    finish(trust, done, known, budget.threads, verdict=said)
    log.info("%s: %s. %s", trust, said["verdict"], "; ".join(said["reasons"]))

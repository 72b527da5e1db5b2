"""Crappify a whole HR store into an LR store, chunk by chunk with Dask.

One job does it all, or several share it: `begin`, `fill` by each of them, `complete`.
"""

import contextlib
import functools
import logging
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import dask
import numpy as np

from pssrflow.crappify.chain import Crappifier, Plane, crappify_region
from pssrflow.crappify.squares import NOISE_BLOCK, NoiseKey
from pssrflow.errors import InputError
from pssrflow.ingest.settings import Settings
from pssrflow.run.locks import owner
from pssrflow.run.memory import INTERPRETER_MB, Budget, start_worker
from pssrflow.run.shares import Shares
from pssrflow.run.workers import Workers, absolute
from pssrflow.volumes.blocks import Region, place_of, share, spans
from pssrflow.volumes.done import finish
from pssrflow.volumes.intensity import Histogram, Intensity, windows
from pssrflow.volumes.store import Store

log = logging.getLogger(__name__)

# LR pixels along y and x that one task makes: whole noise squares, about 50 MB at scale 4.
TASK = 4 * NOISE_BLOCK
# HR pixels of a task lie in memory once as read and once reduced along y, and some for the codecs.
BYTES = 8
# Shards in one graph.
GRAPH = 64
# Shards for each of several processes from which on they are faster than threads.
APART = 24

# Digest of a shard, and the histogram of its pixels.
Made = tuple[str, Histogram]
# Makes shards; gives what it made in their order.
Maker = Callable[[list[Region]], Iterable[Made]]


@dataclass(frozen=True)
class Work:
    """What a worker needs to make any shard of an LR store.

    Attributes
    ----------
    hr, lr : Store
        Read, and written.
    intensity : Intensity
        Range of the HR image.
    crappifier : Crappifier
    key : NoiseKey
        Seed, sample and realisation of the noise; of the plane 0, 0, 0.
    """

    hr: Store
    lr: Store
    intensity: Intensity
    crappifier: Crappifier
    key: NoiseKey

    @classmethod
    def of(cls, hr: Store, lr: Store, crappifier: Crappifier, key: NoiseKey) -> Self:
        """Of an HR store that is finished."""
        # Workers of a cluster may stand elsewhere.
        there = Store(absolute(hr.path)), Store(absolute(lr.path))
        return cls(*there, hr.volume.intensity, crappifier, key)

    @property
    def bytes_each(self) -> int:
        """What one task needs."""
        return BYTES * (TASK * self.crappifier.scale) ** 2


def crappify(
    work: Work, done: Path | str, settings: Settings, budget: Budget, workers: Workers | None = None
) -> None:
    """Make the LR store of one acquisition.

    Parameters
    ----------
    work : Work
    done : path-like
        JSON written last.
    settings : Settings
        Chunks, shards and percentiles of the LR store, as of every ingested one.
    budget : Budget
    workers : Workers, optional
        Workers that make the shards; None works on this machine. The bytes are the same.

    Raises
    ------
    InputError
        A plane that is smaller than an LR pixel, or a cluster that does not answer.
    """
    _create(work, done, settings)
    digests, histograms = _filled(work, work.lr.volume.shards(), budget, workers)
    _finish(work, done, settings, digests, histograms, budget)


def begin(work: Work, done: Path | str, settings: Settings, shares: Shares, parts: int) -> None:
    """Create the empty LR store that several jobs fill, and say so; as `crappify`."""
    Path(done).unlink(missing_ok=True)
    _create(work, done, settings)
    shares.begin(parts)


def fill(
    work: Work, shares: Shares, part: int, budget: Budget, workers: Workers | None = None
) -> None:
    """Make the shards of one part, and report them; as `crappify`."""
    regions = share(work.lr.volume.shards(), shares.parts)[part]
    digests, histograms = _filled(work, regions, budget, workers)
    told = {place_of(region): digest for region, digest in digests.items()}
    shares.report(part, {"digests": told, "histograms": [h.to_json() for h in histograms]})


def complete(
    work: Work, done: Path | str, settings: Settings, shares: Shares, budget: Budget
) -> None:
    """Put together what the parts made; as `crappify`."""
    histograms = _nothing(work)
    told: dict[str, str] = {}
    for report in shares.reports(functools.partial(fill, work, shares, budget=budget)):
        told |= report["digests"]
        for mine, histogram in zip(histograms, report["histograms"]):
            mine.merge(Histogram.from_json(histogram))
    digests = {region: told[place_of(region)] for region in work.lr.volume.shards()}
    with shares.putting_together():
        _finish(work, done, settings, digests, histograms, budget)


def _create(work: Work, done: Path | str, settings: Settings) -> None:
    source = work.hr.volume
    _check_size(work.key.sample, source.shape, work.crappifier.scale)
    target = source.coarser(work.crappifier.scale, settings.chunk, settings.shard)
    work.lr.create(target, owner(work.lr.path, done))
    log.info("crappify %s: %s -> %s", work.key.sample, source.shape, target.shape)


def _nothing(work: Work) -> list[Histogram]:
    """Of each channel, before any pixel is counted."""
    volume = work.lr.volume
    return [Histogram(volume.dtype) for _ in volume.channels]


def _filled(
    work: Work, shards: list[Region], budget: Budget, workers: Workers | None
) -> tuple[dict[Region, str], list[Histogram]]:
    """Make and write shards."""
    digests, histograms = {}, _nothing(work)
    with _maker(work, budget, workers, len(shards)) as make:
        # A few shards at a time: one graph of a whole volume would grow with it.
        for first in range(0, len(shards), GRAPH):
            some = shards[first : first + GRAPH]
            for region, (found, histogram) in zip(some, make(some)):
                digests[region] = found
                histograms[region.start[1]].merge(histogram)
    return digests, histograms


def _finish(
    work: Work,
    done: Path | str,
    settings: Settings,
    digests: dict[Region, str],
    histograms: list[Histogram],
    budget: Budget,
) -> None:
    # The network scales an LR image by what the LR image shows, as it must where no HR exists.
    seen = replace(work.intensity, windows=windows(histograms, settings.percentiles))
    finish(work.lr, done, digests, budget.workers(work.bytes_each), seen)


def _check_size(sample, shape, scale):
    if min(shape[3:]) < scale:
        raise InputError(
            f"sample {sample!r}",
            f"planes of {shape[3]} x {shape[4]} pixels and crappify.scale {scale}",
            "planes of at least one LR pixel, or a smaller scale",
        )


# -- who makes shards -----------------------------------------------------------------------------


def _maker(work, budget, workers, shards):
    """Context of a `Maker`: on a cluster, in processes of this machine, or in its threads.

    Threads wait for each other now and then, processes do not but take seconds to start, so they
    make the larger volumes. A process or a cluster's worker makes and writes whole shards; threads
    share the boxes of a shard, of which small volumes have few.
    """
    if workers is not None:
        return _on_cluster(work, workers)
    processes = budget.workers(work.bytes_each + INTERPRETER_MB * 1e6)
    if processes > 1 and shards >= APART * processes:
        return _in_processes(work, processes)
    return contextlib.nullcontext(_in_threads(work, budget.workers(work.bytes_each)))


@contextlib.contextmanager
def _on_cluster(work: Work, workers: Workers) -> Iterator[Maker]:
    whole = functools.partial(_whole_shard, work)
    with workers.client() as client:
        yield lambda regions: client.gather(client.map(whole, regions, pure=False))


@contextlib.contextmanager
def _in_processes(work: Work, processes: int) -> Iterator[Maker]:
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, spawn, start_worker) as pool:
        yield functools.partial(_by_pool, pool, functools.partial(_whole_shard, work))


def _by_pool(pool, whole, regions):
    try:
        yield from pool.map(whole, regions)
    except BrokenProcessPool as error:
        raise InputError(
            "crappify",
            "a process that made a shard was killed, perhaps for want of memory",
            "more mem_mb for the rule crappify_acquisition, or fewer threads",
        ) from error


def _in_threads(work, threads):
    return lambda regions: dask.compute(
        *(_shard_graph(work, region) for region in regions),
        scheduler="threads",
        num_workers=threads,
    )


# -- shards ---------------------------------------------------------------------------------------


def _whole_shard(work, region):
    """Make one shard in this thread, box by box, and write it."""
    return dask.compute(_shard_graph(work, region), scheduler="synchronous")[0]


def _shard_graph(work, region):
    (y0, x0), (y1, x1) = region.start[3:], region.stop[3:]
    make = functools.partial(dask.delayed(crappify_box), work)
    rows = [
        [
            make(Region((*region.start[:3], top, left), (*region.stop[:3], bottom, right)))
            for left, right in spans(x0, x1, TASK)
        ]
        for top, bottom in spans(y0, y1, TASK)
    ]
    return dask.delayed(_write)(work.lr, region, rows)


def crappify_box(work: Work, region: Region) -> np.ndarray:
    """Crappified pixels of one box of the LR volume, of the shape of `region`."""
    read, shape = work.hr.reader(), work.hr.volume.shape[3:]
    rows, cols = (range(a, b) for a, b in zip(region.start[3:], region.stop[3:]))
    boxes = []
    for t, c, z in region.planes():
        plane = Plane(functools.partial(read, (t, c, z)), shape, work.intensity.ranges[c])
        key = replace(work.key, t=t, c=c, z=z)
        crappifier = work.crappifier.of(work.hr.volume.detector(c))
        boxes.append(crappify_region(plane, crappifier, key, rows, cols))
    return np.stack(boxes).reshape(region.shape)


def _write(lr, region, rows):
    values = np.block(rows)
    histogram = Histogram(values.dtype)
    histogram.add(values)
    return lr.write(region, values), histogram

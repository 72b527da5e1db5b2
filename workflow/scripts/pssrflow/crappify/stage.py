"""Crappify a whole HR store into an LR store, chunk by chunk with Dask."""

import contextlib
import functools
import logging
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path

import dask
import distributed
import numpy as np

from pssrflow.crappify.chain import Crappifier, Plane, crappify_region
from pssrflow.crappify.squares import NOISE_BLOCK, NoiseKey
from pssrflow.errors import InputError
from pssrflow.ingest.settings import Settings
from pssrflow.run.locks import owner
from pssrflow.run.memory import INTERPRETER_MB, Budget, start_worker
from pssrflow.run.remote import is_remote
from pssrflow.volumes.blocks import Region, spans
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
        Of the first plane.
    """

    hr: Store
    lr: Store
    intensity: Intensity
    crappifier: Crappifier
    key: NoiseKey

    @property
    def bytes_each(self) -> int:
        """What one task needs."""
        return BYTES * (TASK * self.crappifier.scale) ** 2


def crappify(
    hr: Store,
    lr: Store,
    done: Path | str,
    crappifier: Crappifier,
    key: NoiseKey,
    settings: Settings,
    budget: Budget,
    cluster: str | None = None,
) -> None:
    """Make the LR store of one acquisition.

    Parameters
    ----------
    hr, lr : Store
        Read, and written.
    done : path-like
        JSON written last.
    crappifier : Crappifier
    key : NoiseKey
        Seed, sample and realisation of the noise; of the plane 0, 0, 0.
    settings : Settings
        Chunks, shards and percentiles of the LR store, as of every ingested one.
    budget : Budget
    cluster : str, optional
        Address of a dask.distributed scheduler whose workers see the same files; None works on
        this machine. The bytes are the same.

    Raises
    ------
    InputError
        A plane that is smaller than an LR pixel, or a cluster that does not answer.
    """
    source = hr.volume
    _check_size(key.sample, source.shape, crappifier.scale)
    target = source.coarser(crappifier.scale, settings.chunk, settings.shard)
    # Workers of a cluster may stand elsewhere.
    work = Work(_absolute(hr), _absolute(lr), source.intensity, crappifier, key)
    work.lr.create(target, owner(lr.path, done))
    shards = target.shards()
    log.info(
        "crappify %s: %s -> %s, %d shards", key.sample, source.shape, target.shape, len(shards)
    )
    digests, histograms = {}, [Histogram(target.dtype) for _ in target.channels]
    with _maker(work, budget, cluster, len(shards)) as make:
        # A few shards at a time: one graph of a whole volume would grow with it.
        for first in range(0, len(shards), GRAPH):
            some = shards[first : first + GRAPH]
            for region, (found, histogram) in zip(some, make(some)):
                digests[region] = found
                histograms[region.start[1]].merge(histogram)
    # The network scales an LR image by what the LR image shows, as it must where no HR exists.
    seen = replace(source.intensity, windows=windows(histograms, settings.percentiles))
    finish(work.lr, done, digests, budget.workers(work.bytes_each), seen)


def _check_size(sample, shape, scale):
    if min(shape[3:]) < scale:
        raise InputError(
            f"sample {sample!r}",
            f"planes of {shape[3]} x {shape[4]} pixels and crappify.scale {scale}",
            "planes of at least one LR pixel, or a smaller scale",
        )


def _absolute(store):
    return store if is_remote(store.path) else Store(Path(store.path).resolve())


# -- who makes shards -----------------------------------------------------------------------------


def _maker(work, budget, cluster, shards):
    """Context of a `Maker`: on a cluster, in processes of this machine, or in its threads.

    Threads wait for each other now and then, processes do not but take seconds to start, so they
    make the larger volumes. A process or a cluster's worker makes and writes whole shards; threads
    share the boxes of a shard, of which small volumes have few.
    """
    if cluster is not None:
        return _on_cluster(work, cluster)
    processes = budget.workers(work.bytes_each + INTERPRETER_MB * 1e6)
    if processes > 1 and shards >= APART * processes:
        return _in_processes(work, processes)
    return contextlib.nullcontext(_in_threads(work, budget.workers(work.bytes_each)))


@contextlib.contextmanager
def _on_cluster(work: Work, address: str) -> Iterator[Maker]:
    whole = functools.partial(_whole_shard, work)
    with _client(address) as client:
        yield lambda regions: client.gather(client.map(whole, regions, pure=False))


@contextlib.contextmanager
def _client(address: str) -> Iterator[distributed.Client]:
    try:
        client = distributed.Client(address, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(
            "crappify.cluster", f"{address} does not answer ({error})", "a running scheduler"
        ) from error
    with client:
        log.info("%s: %d threads", address, sum(client.nthreads().values()))
        yield client


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

"""Crappify a whole HR store into an LR store, chunk by chunk with Dask."""

import contextlib
import functools
import logging
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path

import dask
import distributed
import numpy as np

from pssrflow.crappify.chain import Crappifier, NoiseKey, crappify_region
from pssrflow.crappify.squares import NOISE_BLOCK
from pssrflow.errors import InputError
from pssrflow.run.memory import INTERPRETER_MB, affordable, start_worker
from pssrflow.run.remote import is_remote
from pssrflow.volumes.blocks import Region, spans
from pssrflow.volumes.done import finish
from pssrflow.volumes.intensity import Histogram, windows
from pssrflow.volumes.store import Store

log = logging.getLogger(__name__)

# LR pixels along y and x that one task makes: whole noise squares, about 50 MB at scale 4.
TASK = 4 * NOISE_BLOCK
# Shards in one graph.
GRAPH = 64
# Shards for each of several processes from which on they are faster than threads.
APART = 24


def crappify(
    hr,
    lr,
    done,
    crappifier,
    seed,
    sample,
    chunk,
    shard,
    percentiles,
    threads,
    mem_mb,
    realisation=0,
    cluster=None,
):
    """Make the LR store of one acquisition.

    Parameters
    ----------
    hr, lr : path-like
        OME-Zarr stores, read and written.
    done : path-like
        JSON written last.
    crappifier : Crappifier
    seed : int
    sample : str
        Name of the sample, part of the noise key.
    chunk, shard : sequence of int
        z, y, x of the LR store.
    percentiles : tuple of float
        Low and high percentile of each LR channel, as in `ingest`.
    threads, mem_mb : int
    realisation : int
        Which draw of the noise.
    cluster : str, optional
        Address of a dask.distributed scheduler whose workers see the same files; None works on
        this machine. The bytes are the same.

    Raises
    ------
    InputError
        A plane that is smaller than an LR pixel, or a cluster that does not answer.
    """
    # Workers of a cluster may stand elsewhere.
    hr, lr = (Store(path if is_remote(path) else Path(path).resolve()) for path in (hr, lr))
    source = hr.volume
    if min(source.shape[3:]) < crappifier.scale:
        raise InputError(
            f"sample {sample!r}",
            f"planes of {source.shape[3]} x {source.shape[4]} pixels and crappify.scale "
            f"{crappifier.scale}",
            "planes of at least one LR pixel, or a smaller scale",
        )
    target = source.coarser(crappifier.scale, chunk, shard)
    lr.create(target)
    key = NoiseKey(seed, sample, realisation, 0, 0, 0)
    # HR pixels of one task, once as read and once reduced along y, and some for the codecs.
    needed = 8 * (TASK * crappifier.scale) ** 2
    shards = target.shards()
    log.info("crappify %s: %s -> %s, %d shards", sample, source.shape, target.shape, len(shards))
    digests, histograms = {}, [Histogram(target.dtype) for _ in target.channels]
    what = hr, lr, source.intensity, crappifier, key
    with _workers(cluster, threads, mem_mb, needed, what, len(shards)) as made:
        # A few shards at a time: one graph of a whole volume would grow with it.
        for first in range(0, len(shards), GRAPH):
            some = shards[first : first + GRAPH]
            for region, (found, histogram) in zip(some, made(some)):
                digests[region] = found
                histograms[region.start[1]].merge(histogram)
    # The network scales an LR image by what the LR image shows, as it must where no HR exists.
    seen = replace(source.intensity, windows=windows(histograms, percentiles))
    finish(lr, done, digests, affordable(threads, mem_mb, needed), seen)


@contextlib.contextmanager
def _workers(cluster, threads, mem_mb, needed, what, shards):
    """Callable that makes shards: on a cluster, in processes of this machine, or in its threads.

    Threads wait for each other now and then, processes do not but take seconds to start, so they
    make the larger volumes. A process or a cluster's worker makes and writes whole shards; threads
    share the boxes of a shard, of which small volumes have few.
    """
    whole = functools.partial(_whole_shard, what)
    if cluster is not None:
        with _client(cluster) as client:
            yield lambda regions: client.gather(client.map(whole, regions, pure=False))
        return
    processes = affordable(threads, mem_mb, needed + INTERPRETER_MB * 1e6)
    if processes > 1 and shards >= APART * processes:
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes, spawn, start_worker) as pool:
            yield functools.partial(_in_processes, pool, whole)
        return
    threads = affordable(threads, mem_mb, needed)
    yield lambda regions: dask.compute(
        *(_shard_graph(what, region) for region in regions),
        scheduler="threads",
        num_workers=threads,
    )


@contextlib.contextmanager
def _client(cluster):
    try:
        client = distributed.Client(cluster, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(
            "crappify.cluster", f"{cluster} does not answer ({error})", "a running scheduler"
        ) from error
    with client:
        log.info("%s: %d threads", cluster, sum(client.nthreads().values()))
        yield client


def _in_processes(pool, whole, regions):
    try:
        yield from pool.map(whole, regions)
    except BrokenProcessPool as error:
        raise InputError(
            "crappify",
            "a process that made a shard was killed, perhaps for want of memory",
            "more mem_mb for the rule crappify_acquisition, or fewer threads",
        ) from error


def _whole_shard(what, region):
    """Make one shard in this thread, box by box, and write it."""
    return dask.compute(_shard_graph(what, region), scheduler="synchronous")[0]


def _shard_graph(what, region):
    hr, lr, intensity, crappifier, key = what
    (y0, x0), (y1, x1) = region.start[3:], region.stop[3:]
    make = functools.partial(dask.delayed(crappify_box), hr, intensity, crappifier, key)
    rows = [
        [
            make(Region((*region.start[:3], top, left), (*region.stop[:3], bottom, right)))
            for left, right in spans(x0, x1, TASK)
        ]
        for top, bottom in spans(y0, y1, TASK)
    ]
    return dask.delayed(_write)(lr, region, rows)


def crappify_box(hr, intensity, crappifier: Crappifier, key, region):
    """Crappified pixels of one box of the LR volume: ndarray of the shape of `region`."""
    read = hr.reader()
    boxes = [
        crappify_region(
            functools.partial(read, (t, c, z)),
            hr.volume.shape[3:],
            crappifier,
            replace(key, t=t, c=c, z=z),
            intensity.black,
            intensity.white,
            *(range(a, b) for a, b in zip(region.start[3:], region.stop[3:])),
        )
        for t, c, z in region.planes()
    ]
    return np.stack(boxes).reshape(region.shape)


def _write(lr, region, rows):
    values = np.block(rows)
    histogram = Histogram(values.dtype)
    histogram.add(values)
    return lr.write(region, values), histogram

"""Crappify a whole HR store into an LR store, chunk by chunk with Dask."""

import functools
import logging
from dataclasses import replace

import dask
import numpy as np

from pssrflow.blocks import Region, spans
from pssrflow.crappifier import NOISE_BLOCK, Crappifier, NoiseKey, crappify_region, lr_shape
from pssrflow.intensity import Histogram, windows
from pssrflow.jobs import affordable
from pssrflow.store import create, finish, open_level, read_volume, write_shard

log = logging.getLogger(__name__)

# LR pixels along y and x that one task makes: whole noise squares, about 50 MB at scale 4.
TASK = 4 * NOISE_BLOCK
# Shards in one graph.
GRAPH = 64


def crappify(hr, lr, done, crappifier, seed, sample, chunk, shard, percentiles, threads, mem_mb):
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
    """
    source = read_volume(hr)
    target = lr_volume(source, crappifier.scale, chunk, shard)
    create(lr, target)
    key = NoiseKey(seed, sample, 0, 0, 0, 0)
    # HR pixels of one task, once as read and once reduced along y, and some for the codecs.
    threads = affordable(threads, mem_mb, 8 * (TASK * crappifier.scale) ** 2)
    shards = target.shards()
    log.info("crappify %s: %s -> %s, %d shards", sample, source.shape, target.shape, len(shards))
    digests, histograms = {}, [Histogram(target.dtype) for _ in target.channels]
    # A few shards at a time: one graph of a whole volume would grow with it.
    for first in range(0, len(shards), GRAPH):
        some = shards[first : first + GRAPH]
        tasks = [_shard_task(hr, lr, source.intensity, crappifier, key, region) for region in some]
        made = dask.compute(*tasks, scheduler="threads", num_workers=threads)
        for region, (found, histogram) in zip(some, made):
            digests[region] = found
            histograms[region.start[1]].merge(histogram)
    # The network scales an LR image by what the LR image shows, as it must where no HR exists.
    seen = replace(source.intensity, windows=windows(histograms, percentiles))
    finish(lr, done, digests, threads, seen)


def lr_volume(hr, scale, chunk, shard):
    """Metadata of the LR volume: larger pixels, each centred on the HR pixels that it covers."""
    z, y, x = hr.pixel_size
    oz, oy, ox = hr.origin
    shift = (scale - 1) / 2
    return replace(
        hr,
        shape=lr_shape(hr.shape, scale),
        chunk=tuple(chunk),
        shard=tuple(shard),
        pixel_size=(z, *(size and size * scale for size in (y, x))),
        origin=(oz, (oy + shift) / scale, (ox + shift) / scale),
    )


def _shard_task(hr, lr, intensity, crappifier, key, region):
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
    array = open_level(hr)
    boxes = [
        crappify_region(
            lambda rows, cols, plane=(t, c, z): array[(*plane, rows, cols)],
            array.shape[3:],
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
    return write_shard(open_level(lr, mode="r+"), region, values), histogram

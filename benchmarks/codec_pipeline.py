"""Which codec pipeline writes and reads shards fastest? Decides what store.py writes and reads by.

Texture of electron microscopy from the simulated microscope; shards of 2048² in one file each, as
`store.create` makes them. Pipelines take turns within every round; medians over the rounds.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import tensorstore
import zarr
from machine import heading
from pssrflow.simulate.microscope import scan
from pssrflow.simulate.settings import Microscope
from pssrflow.volumes.blocks import cut

SHARD = 2048
PIPELINES = {
    "zarr": "zarr.core.codec_pipeline.BatchedCodecPipeline",
    "zarrs": "zarrs.ZarrsCodecPipeline",
}


def texture(size):
    """One tile of tissue repeated with other noise: noisy 8-bit EM hardly compresses."""
    tile = scan(0, Microscope(), 0, slice(0, 1024), slice(0, 1024))
    whole = np.tile(tile, (size // 1024, size // 1024))
    return whole ^ np.random.default_rng(0).integers(0, 4, whole.shape, np.uint8)


def create(path, size, chunk):
    return zarr.create_array(
        path,
        shape=(1, 1, 1, size, size),
        dtype="uint8",
        chunks=(1, 1, 1, chunk, chunk),
        shards=(1, 1, 1, SHARD, SHARD),
        compressors=[zarr.codecs.ZstdCodec(level=1)],
    )


def run(pipeline, path, data, chunk):
    """Seconds to write and to read every shard, and to read rectangles that lie across four."""
    regions = [region.slices for region in cut(data.shape, (SHARD, SHARD))]
    array = create(path, len(data), chunk)
    if pipeline == "tensorstore":
        spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(path)}}
        array = tensorstore.open(spec, open=True).result()
    start = time.perf_counter()
    for region in regions:
        array[0, 0, 0, *region] = data[region]
    written = time.perf_counter()
    for region in regions:
        np.asarray(array[0, 0, 0, *region])
    read = time.perf_counter()
    half = SHARD // 2
    for top in range(half, len(data) - SHARD, SHARD):
        for left in range(half, len(data) - SHARD, SHARD):
            np.asarray(array[0, 0, 0, top : top + SHARD, left : left + SHARD])
    return written - start, read - written, time.perf_counter() - read


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=16384, help="pixels along y and x")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    data, seconds = texture(options.size), {}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.rounds):
            for chunk in (256, 512):
                for name in [*PIPELINES, "tensorstore"]:
                    zarr.config.set({"codec_pipeline.path": PIPELINES.get(name, PIPELINES["zarr"])})
                    path = Path(folder, f"{name}-{chunk}-{number}.zarr")
                    seconds.setdefault((name, chunk), []).append(run(name, path, data, chunk))
    print(heading())
    print("| pipeline | chunk | write MB/s | read MB/s | read across shards MB/s |")
    print("|---|---|---|---|---|")
    across = (options.size // SHARD - 1) ** 2 * SHARD**2
    for (name, chunk), found in seconds.items():
        middle = [statistics.median(times) for times in zip(*found)]
        speeds = [f"{n / 1e6 / s:.0f}" for n, s in zip((data.nbytes, data.nbytes, across), middle)]
        print(f"| {name} | {chunk}² | {' | '.join(speeds)} |")

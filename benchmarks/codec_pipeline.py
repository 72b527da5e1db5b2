"""Which codec pipeline writes and reads shards fastest? Decides what `Store` writes and reads by.

Texture of electron microscopy from the simulated microscope; shards of 2048² in one file each, as
`Store.create` makes them. Pipelines take turns within every round; medians over the rounds.
"""

import itertools
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorstore
import zarr

from benchmarks.machine import heading, parser
from benchmarks.tables import print_table
from pssrflow.simulate.microscope import Place, scan
from pssrflow.simulate.settings import Microscope
from pssrflow.volumes.blocks import cut

SHARD = 2048
PIPELINES = {
    "zarr": "zarr.core.codec_pipeline.BatchedCodecPipeline",
    "zarrs": "zarrs.ZarrsCodecPipeline",
}


def texture(size: int) -> np.ndarray:
    """One tile of tissue repeated with other noise: noisy 8-bit EM hardly compresses."""
    tile = scan(Microscope(), Place(0), 0, slice(0, 1024), slice(0, 1024))
    whole = np.tile(tile, (size // 1024, size // 1024))
    return whole ^ np.random.default_rng(0).integers(0, 4, whole.shape, np.uint8)


def create(path: Path, size: int, chunk: int) -> zarr.Array:
    """An empty plane of shards, as the stage's stores have them."""
    return zarr.create_array(
        path,
        shape=(1, 1, 1, size, size),
        dtype="uint8",
        chunks=(1, 1, 1, chunk, chunk),
        shards=(1, 1, 1, SHARD, SHARD),
        compressors=[zarr.codecs.ZstdCodec(level=1)],
    )


def run(pipeline: str, path: Path, data: np.ndarray, chunk: int) -> tuple[float, float, float]:
    """Seconds to write and to read every shard, and to read rectangles that lie across four."""
    regions = [region.slices for region in cut(data.shape, (SHARD, SHARD))]
    array = _opened(pipeline, create(path, len(data), chunk), path)
    start = time.perf_counter()
    for region in regions:
        array[0, 0, 0, *region] = data[region]
    written = time.perf_counter()
    for region in regions:
        np.asarray(array[0, 0, 0, *region])
    read = time.perf_counter()
    for rectangle in across(len(data)):
        np.asarray(array[0, 0, 0, *rectangle])
    return written - start, read - written, time.perf_counter() - read


def _opened(pipeline, array, path):
    if pipeline != "tensorstore":
        return array
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(path)}}
    return tensorstore.open(spec, open=True).result()


def across(size: int) -> list[tuple[slice, slice]]:
    """Rectangles of a plane that lie across four shards each."""
    first = range(SHARD // 2, size - SHARD, SHARD)
    starts = itertools.product(first, first)
    return [(slice(y, y + SHARD), slice(x, x + SHARD)) for y, x in starts]


def measured(data: np.ndarray, rounds: int) -> dict[tuple[str, int], list[tuple]]:
    """Seconds of every pipeline and chunk, in turns."""
    ways = list(itertools.product((256, 512), [*PIPELINES, "tensorstore"]))
    seconds = {(name, chunk): [] for chunk, name in ways}
    with tempfile.TemporaryDirectory() as folder:
        for number, (chunk, name) in itertools.product(range(rounds), ways):
            zarr.config.set({"codec_pipeline.path": PIPELINES.get(name, PIPELINES["zarr"])})
            path = Path(folder, f"{name}-{chunk}-{number}.zarr")
            seconds[name, chunk].append(run(name, path, data, chunk))
    return seconds


def rows(seconds: dict[tuple[str, int], list[tuple]], size: int) -> Iterator[list[str]]:
    """MB a second of writing, of reading, and of reading rectangles."""
    amounts = size**2, size**2, len(across(size)) * SHARD**2
    for (name, chunk), found in seconds.items():
        middle = [statistics.median(times) for times in zip(*found)]
        yield [name, f"{chunk}²", *(f"{n / 1e6 / s:.0f}" for n, s in zip(amounts, middle))]


def main() -> None:
    """Measure, and print."""
    arguments = parser(__doc__)
    arguments.add_argument("--size", type=int, default=16384, help="pixels along y and x")
    arguments.add_argument("--rounds", type=int, default=5)
    options = arguments.parse_args()
    seconds = measured(texture(options.size), options.rounds)
    print(heading())
    names = ["pipeline", "chunk", "write MB/s", "read MB/s", "read across shards MB/s"]
    print_table(names, rows(seconds, options.size))


if __name__ == "__main__":
    main()

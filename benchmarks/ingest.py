"""Ingest of large files: speed beside writing from memory, and memory.

    python -m benchmarks.ingest speed [--gib 4] [--rounds 3]
    python -m benchmarks.ingest memory [--gib 20]
    python -m benchmarks.ingest mosaic --second PYTHON [--tiles 16]

speed    a tiled OME-TIFF, in turns with writing the same array from memory into the same store
memory   a sparse MRC, of which a few planes hold pixels: peak memory of the job
mosaic   a window of 512 x 512 pixels of a CZI mosaic of tiles of 2048 x 2048, which pylibCZIrw
         writes in an environment of its own (`pip install pylibCZIrw`)
"""

import argparse
import json
import resource
import statistics
import subprocess
import tempfile
from pathlib import Path

import mrcfile
import numpy as np
import tifffile

from benchmarks.machine import heading, parser
from benchmarks.processes import answer, benchmark
from benchmarks.tables import in_turns, print_table, spread
from pssrflow.ingest.readers.acquisition import Overrides
from pssrflow.ingest.readers.open import open_acquisition
from pssrflow.ingest.settings import Settings
from pssrflow.ingest.stage import Work, ingest
from pssrflow.run.job import job
from pssrflow.run.memory import Budget
from pssrflow.volumes.done import finish
from pssrflow.volumes.intensity import Intensity
from pssrflow.volumes.store import Store
from pssrflow.volumes.volume import Volume

SIDE, WINDOW, TILE = 8192, 512, 2048
MOSAIC = """
import sys
import numpy as np
from pylibCZIrw import czi
tile = np.random.default_rng(0).integers(0, 250, ({tile}, {tile}, 1)).astype(np.uint8)
with czi.create_czi(sys.argv[1]) as file:
    for y in range({tiles}):
        for x in range({tiles}):
            file.write(data=tile, location=(x * {tile}, y * {tile}))
"""


def texture(gib: float) -> np.ndarray:
    """Planes (z, y, x) of so many GiB, uint8."""
    # Not above: what it brings with it would count as memory of the job.
    from benchmarks.predict.base import tissue

    plane = np.tile(tissue(), (SIDE // tissue().shape[0],) * 2)
    return np.broadcast_to(plane, (max(1, round(gib * 2**30 / SIDE**2)), SIDE, SIDE))


def speed(options: argparse.Namespace, folder: Path) -> None:
    """Ingest, beside the same array from memory."""
    planes = texture(options.gib)
    path = folder / "raw.ome.tif"
    tifffile.imwrite(
        path, planes, bigtiff=True, tile=(512, 512), metadata={"axes": "ZYX"}, compression=None
    )
    with job(folder / "log", 2, folder / "own"):
        took = in_turns(
            {
                "ingest of the OME-TIFF": lambda: ingest(
                    _work(path, folder / "a"), Budget(2, 4000)
                ),
                "written from memory": lambda: _written(planes, folder / "b"),
            },
            options.rounds,
        )
    size = planes.nbytes / 1e6
    medians = {name: statistics.median(times) for name, times in took.items()}
    print_table(
        ["way", "MB a second", "seconds"],
        ([name, f"{size / medians[name]:.0f}", spread(times, 1)] for name, times in took.items()),
    )
    first, second = medians.values()
    print(f"\n{second / first:.0%} of the speed of writing")


def _work(path: Path, folder: Path) -> Work:
    return Work(path, Store(folder / "hr.ome.zarr"), folder / "hr.json", Settings(), Overrides())


def _written(planes: np.ndarray, folder: Path) -> None:
    """The same store of an array in memory, with its hashes and its pyramid."""
    from concurrent.futures import ThreadPoolExecutor

    store, settings = Store(folder / "hr.ome.zarr"), Settings()
    volume = Volume(
        (1, 1, *planes.shape),
        "uint8",
        settings.chunk,
        settings.shard,
        (None,) * 3,
        ("0",),
        Intensity.unknown(1),
    )
    store.create(volume)
    with ThreadPoolExecutor(2) as pool:
        regions = volume.shards()
        digests = dict(
            zip(regions, pool.map(lambda r: store.write(r, planes[None, None][r.slices]), regions))
        )
    finish(store, folder / "hr.json", digests, 2)


def memory(options: argparse.Namespace, folder: Path) -> None:
    """A sparse MRC in a process of its own."""
    path, size = folder / "sparse.mrc", SIDE
    depth = round(options.gib * 2**30 / (2 * size**2))
    with mrcfile.new_mmap(path, (depth, size, size), mrc_mode=6) as file:
        file.data[0, ::2, ::3] = 200
        file.data[-1, ::2, ::3] = 99
    print_table(["file", "GiB", "on the disk, MB", "seconds", "peak MB"], [_peak(path, folder)])


def _peak(path: Path, folder: Path) -> list[object]:
    found = answer(benchmark("ingest", "one", "--path", path, "--out", folder / "own"))
    stat = path.stat()
    return [
        path.name,
        f"{stat.st_size / 2**30:.1f}",
        f"{stat.st_blocks * 512 / 1e6:.0f}",
        f"{found['seconds']:.0f}",
        f"{found['peak_mb']:.0f}",
    ]


def one(options: argparse.Namespace, folder: Path) -> None:
    """Ingest a file; seconds and peak memory as JSON."""
    import time

    start = time.perf_counter()
    with job(options.out / "log", 1, options.out / "own"):
        ingest(_work(options.path, options.out), Budget(1, 1000))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": time.perf_counter() - start, "peak_mb": peak}))


def mosaic(options: argparse.Namespace, folder: Path) -> None:
    """A window of a mosaic in a process of its own."""
    path, code = folder / "mosaic.czi", MOSAIC.format(tile=TILE, tiles=options.tiles)
    subprocess.run([options.second, "-c", code, str(path)], check=True)
    found = answer(benchmark("ingest", "window", "--path", path))
    size = path.stat().st_size / 1e6
    print_table(
        ["mosaic, MB", "pixels", "window, seconds", "peak MB", "of them before"],
        [[f"{size:.0f}", f"{options.tiles * TILE}²", *found.values()]],
    )


def window(options: argparse.Namespace, folder: Path) -> None:
    """Read a window; what it took as JSON."""
    import time

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start = time.perf_counter()
    with open_acquisition(options.path, Overrides()) as image:
        corner = image.shape[3] // 2 - WINDOW // 2
        side = slice(corner, corner + WINDOW)
        values = image.read(0, 0, 0, side, side)
    took = time.perf_counter() - start
    assert values.shape == (WINDOW, WINDOW)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"s": f"{took:.2f}", "peak": f"{peak:.0f}", "before": f"{before:.0f}"}))


WHAT = {"speed": speed, "memory": memory, "mosaic": mosaic, "one": one, "window": window}


def main() -> None:
    """Measure, and print."""
    arguments = parser(__doc__ or "")
    arguments.add_argument("what", choices=WHAT)
    arguments.add_argument("--gib", type=float)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--tiles", type=int, default=16)
    arguments.add_argument("--second", metavar="PYTHON")
    arguments.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    arguments.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    options = arguments.parse_args()
    options.gib = options.gib or {"memory": 20, "speed": 4}.get(options.what)
    if options.what not in ("one", "window"):
        print(heading())
    with tempfile.TemporaryDirectory() as folder:
        WHAT[options.what](options, Path(folder))


if __name__ == "__main__":
    main()

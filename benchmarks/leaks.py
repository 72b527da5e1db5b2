"""Planted leaks between rows, and neighbouring sections that are none.

    python -m benchmarks.leaks --data FOLDER [--quality 75]

Twenty leaks: of each of five images a copy, a crop of 200 pixels, a mirrored, a turned and a
re-encoded (JPEG) one, as a test row of a set that is learnt from. Fifty pairs of neighbouring
sections of the FIB-SEM (10 nm apart) and ssTEM stacks, each section a row.
"""

import io
import itertools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from benchmarks.machine import heading, parser
from benchmarks.predict.base import store
from benchmarks.tables import print_table
from pssrflow.pairs.copies import copies, points_of
from pssrflow.volumes.store import Store

FIBSEM, SSTEM = "em_fibsem_drosophila_medulla_ts1/*.png", "em_sstem_drosophila_vnc_stack1/raw/*.tif"
OTHERS = (
    "sem_rat_spinal_cord/sub-rat1/micr/sub-rat1_sample-data1_SEM.png",
    "tem_mammalian_cell/EM2022_190_K2Box37_03_03_66.tif",
    "fluo_multiframe/nuclei_timelapse_t00-14.tif",
)
Change = Callable[[np.ndarray], np.ndarray]


def changes(quality: int) -> dict[str, Change]:
    """What becomes of a copied image."""

    def encoded(image: np.ndarray) -> np.ndarray:
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, "jpeg", quality=quality)
        return np.asarray(Image.open(stream))

    return {
        "copy": lambda v: v,
        "crop of 200 pixels": lambda v: v[31:231, 27:227],
        "mirrored": lambda v: v[:, ::-1],
        "turned": lambda v: np.rot90(v),
        "encoded anew": encoded,
    }


def image_of(path: Path) -> np.ndarray:
    """The first plane of a file, uint8."""
    values = tifffile.imread(path) if path.suffix == ".tif" else np.asarray(Image.open(path))
    values = values if values.ndim == 2 else values[0]
    return values.astype(np.uint8)


class Compared:
    """Stores of images in a folder, and how many copies there are between two of them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.made = folder, 0

    def row(self, planes: np.ndarray) -> Store:
        """A row of some planes (z, y, x)."""
        self.made += 1
        return Store(store(self.folder / f"{self.made}.ome.zarr", planes[None, None]))

    def found(self, learnt: Store, tested: Store) -> int:
        """Pairs of planes that show the same pixels."""
        return len(list(copies(learnt, points_of(learnt), tested, points_of(tested))))


def planted(data: Path, compared: Compared, quality: int) -> Iterator[list[object]]:
    """Of every change: leaks, and how many were found."""
    stacks = [sorted(data.glob(p))[:6] for p in (FIBSEM, SSTEM)]
    sets = [np.stack([image_of(f) for f in files]) for files in stacks]
    sets += [image_of(data / path)[None] for path in OTHERS[:2]]
    rows = [compared.row(planes) for planes in sets]
    for name, change in changes(quality).items():
        hits = sum(
            compared.found(row, compared.row(np.ascontiguousarray(change(planes[-1]))[None])) > 0
            for row, planes in zip(rows, sets)
        )
        yield [name, len(rows), hits]


def neighbours(data: Path, compared: Compared) -> Iterator[list[object]]:
    """Of every stack: pairs of neighbouring sections, and how many were taken for copies."""
    for name, pattern, count in (("FIB-SEM, 10 nm", FIBSEM, 32), ("ssTEM, 50 nm", SSTEM, 18)):
        rows = [compared.row(image_of(f)[None]) for f in sorted(data.glob(pattern))[: count + 1]]
        alarms = sum(compared.found(a, b) > 0 for a, b in itertools.pairwise(rows))
        yield [name, count, alarms]


def main() -> None:
    """Plant, look, and print."""
    arguments = parser(__doc__ or "")
    arguments.add_argument("--data", type=Path, required=True)
    arguments.add_argument("--quality", type=int, default=75, help="of JPEG")
    options = arguments.parse_args()
    print(heading())
    with tempfile.TemporaryDirectory() as folder:
        compared = Compared(Path(folder))
        print_table(["planted", "leaks", "found"], planted(options.data, compared, options.quality))
        print()
        print_table(["neighbours", "pairs", "alarms"], neighbours(options.data, compared))


if __name__ == "__main__":
    main()

"""Pixels of microscopes' formats, beside a second reader of each.

    python -m benchmarks.readers FOLDER [FOLDER ...] --second PYTHON
    python -m benchmarks.readers memory [--size N]

PYTHON has the second readers: `pip install czifile liffile nd2 oiffile rosettasciio[all] mrcfile
imagecodecs` in an environment of its own, for some of them are GPL. Every file below the folders is
opened by both. Data types that the pipeline refuses and files without an image are counted apart.

memory   a CZI mosaic (written by pylibCZIrw, in that environment): a window of 512 x 512 pixels
"""

import hashlib
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

# What reads each extension in the other environment.
SECOND = {
    ".czi": "czifile",
    ".lif": "liffile",
    ".nd2": "nd2",
    **dict.fromkeys((".oib", ".oif"), "oiffile"),
    **dict.fromkeys((".dm3", ".dm4"), "rosettasciio digitalmicrograph"),
    **dict.fromkeys((".emd",), "rosettasciio emd"),
    **dict.fromkeys((".ser", ".emi"), "rosettasciio tia"),
    **dict.fromkeys((".mrc",), "rosettasciio mrc"),
}


def digest(values: np.ndarray) -> list[Any]:
    """Shape without axes of length one, data type and hash of an array."""
    values = np.ascontiguousarray(np.squeeze(values))
    plain = values.astype(values.dtype.newbyteorder("="))
    return [list(plain.shape), plain.dtype.name, hashlib.sha256(plain.tobytes()).hexdigest()]


def read_second(path: Path) -> list[list[Any]]:
    """What the second reader finds in a file: every image of it."""
    name = SECOND[path.suffix.lower()]
    if name == "czifile":
        import czifile

        return [digest(czifile.imread(path))]
    if name == "liffile":
        from liffile import LifFile

        with LifFile(path) as file:
            return [digest(image.asarray()) for image in file.images]
    if name == "nd2":
        import nd2

        return [digest(nd2.imread(path))]
    if name == "oiffile":
        import oiffile

        return [digest(oiffile.imread(path))]
    module = __import__(f"rsciio.{name.split()[1]}", fromlist=["file_reader"])
    found = module.file_reader(str(path))
    return [digest(np.asarray(one["data"])) for one in found if np.ndim(one["data"]) > 1]


def second(paths: list[str]) -> None:
    """Print, as JSON, what the second reader finds in each of some files."""
    found = {}
    for path in paths:
        try:
            found[path] = read_second(Path(path))
        except Exception as error:  # of any reader, for any reason
            found[path] = f"{type(error).__name__}: {error}"
    print(json.dumps(found))


def read_first(path: Path) -> list[Any]:
    """What the pipeline reads: the first image of a file."""
    from pssrflow.ingest.readers.acquisition import Overrides
    from pssrflow.ingest.readers.open import open_acquisition

    with open_acquisition(path, Overrides()) as image:
        whole = (slice(0, n) for n in image.shape[3:])
        rows, cols = whole
        planes = [image.read(*place, rows, cols) for place in np.ndindex(*image.shape[:3])]
        return digest(np.reshape(planes, image.shape))


def compared(folders: list[Path], python: str) -> Iterator[list[Any]]:
    """Of every extension: files, equal ones, refused ones and others."""
    from pssrflow.errors import InputError

    files = sorted(f for folder in folders for f in folder.rglob("*") if f.suffix.lower() in SECOND)
    told = subprocess.run(
        [python, __file__, "second", *map(str, files)], capture_output=True, text=True, check=True
    )
    others = json.loads(told.stdout.splitlines()[-1])
    for suffix, name in SECOND.items():
        counted: Counter[str] = Counter()
        for file in (f for f in files if f.suffix.lower() == suffix):
            try:
                mine, theirs = read_first(file), others[str(file)]
            except InputError as error:
                counted["refused"] += 1
                print(f"refused: {file.name}: {error.found}", file=sys.stderr)
                continue
            equal = isinstance(theirs, list) and mine in theirs
            counted["equal" if equal else "other"] += 1
            if not equal:
                print(f"other: {file}: {mine[:2]} beside {theirs}", file=sys.stderr)
        if total := sum(counted.values()):
            yield [suffix, name, total, *(counted[k] for k in ("equal", "other", "refused"))]


def main() -> None:
    """Compare, and print."""
    from benchmarks.machine import heading, parser
    from benchmarks.tables import print_table

    arguments = parser(__doc__ or "")
    arguments.add_argument("folders", type=Path, nargs="+")
    arguments.add_argument("--second", required=True, metavar="PYTHON")
    options = arguments.parse_args()
    print(heading())
    names = ["format", "second reader", "files", "equal", "other", "refused"]
    print_table(names, compared(options.folders, options.second))


if __name__ == "__main__":
    if sys.argv[1:2] == ["second"]:
        second(sys.argv[2:])
    else:
        main()

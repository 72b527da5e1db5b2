"""Pixels of microscopes' formats, beside a second reader of each.

    python -m benchmarks.readers FOLDER [FOLDER ...] --second PYTHON
    python -m benchmarks.readers FOLDER [FOLDER ...] --fuzz 2000
    python -m benchmarks.readers FOLDER [FOLDER ...] --list

PYTHON has the second readers: `pip install czifile liffile nd2 oiffile rosettasciio[all] mrcfile
imagecodecs` in an environment of its own, for some of them are GPL. Every file below the folders is
opened by both. Data types that the pipeline refuses and files without an image are counted apart.

With --fuzz the headers of a few files of every format are changed at random, and some are cut: they
must be refused in words, or give pixels, within seconds. With --list it is said of every file, and
of folders of more than ten slices as one, what is read, or why it is refused.
"""

import hashlib
import json
import random
import subprocess
import sys
import tempfile
import time
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

FUZZED = (*SECOND, ".h5", ".hdf5", ".tif", ".tiff", ".png", ".bmp", ".jpg")
# Bytes of a header, those that are put into it, and of the largest file that is changed.
HEADER, BYTES, MOST_BYTES = 4096, (0, 1, 2, 127, 128, 254, 255), 4 << 20
# Longest that a file may take.
SECONDS = 10


def digest(values: np.ndarray) -> list[Any]:
    """Shape without axes of length one, data type and hash of an array."""
    values = np.ascontiguousarray(np.squeeze(values))
    if values.dtype.kind in "iuf" and values.dtype.itemsize > 2:
        # As the pipeline keeps long integers and doubles.
        values = values.astype(np.float32)
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

        with nd2.ND2File(path) as file:
            axes = "".join(file.sizes)
            order = [axes.index(axis) for axis in sorted(axes, key="PTCZYXS".index)]
            return [digest(np.transpose(file.asarray(), order))]
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


def changed(content: bytes, rng: random.Random) -> bytes:
    """A file with up to eight other bytes in its first 4 kB or its last one, and perhaps cut."""
    made = bytearray(content)
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(min(HEADER, len(made)))
        made[at if rng.random() < 0.8 else len(made) - 1 - at // 4] = rng.choice(BYTES)
    if rng.random() < 0.25:
        del made[rng.randrange(len(made)) :]
    return bytes(made)


def fuzz(path: Path, count: int, first: int) -> None:
    """Open changed files; prints, line by line, how each case ended."""
    from pssrflow.errors import InputError

    content = path.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        for case in range(first, count):
            there = Path(folder, f"a{path.suffix}")
            there.write_bytes(changed(content, random.Random(f"{path.name} {case}")))
            print("case", case, flush=True)
            start = time.perf_counter()
            try:
                read_first(there)
                ended = "pixels"
            except InputError:
                ended = "refused"
            except BaseException as error:
                ended = f"other {type(error).__name__}: {error}"
            slow = " slow" if time.perf_counter() - start > SECONDS else ""
            print("ended", ended + slow, flush=True)


def fuzzed(folders: list[Path], count: int) -> Iterator[list[Any]]:
    """Of every format: how many changed files ended how."""
    by_suffix: dict[str, list[Path]] = {}
    for file in sorted((f for d in folders for f in d.rglob("*")), key=lambda f: f.name):
        if file.suffix.lower() in FUZZED and 0 < file.stat().st_size < MOST_BYTES:
            by_suffix.setdefault(file.suffix.lower(), []).append(file)
    for suffix, files in sorted(by_suffix.items()):
        some = [f for f in files if _opens(f)][:4]
        counted: Counter[str] = Counter()
        for file in some:
            counted += _cases(file, count // len(some))
        if some:
            known = [counted[k] for k in ("refused", "pixels", "other", "slow", "crash")]
            yield [suffix, len(some), sum(counted.values()) - counted["slow"], *known]


def listed(folders: list[Path]) -> Iterator[list[Any]]:
    """Of every acquisition: what is read, or why it is refused."""
    from pssrflow.errors import InputError
    from pssrflow.ingest.readers.acquisition import Overrides
    from pssrflow.ingest.readers.open import open_acquisition

    for path in _acquisitions(folders):
        name = f"{path.parent.name}/{path.name}"
        try:
            with open_acquisition(path, Overrides(info_bar="auto")) as image:
                x = image.pixel_size[2]
                size = f"{x:.5g}" if x else "?"
                told = ", ".join(map(str, image.microscope.values()))
                notes = "; ".join(n for n in image.notes if "pixel size" not in n)
                shape = " x ".join(map(str, image.shape))
                yield [name, shape, image.dtype, size, told[:80], notes]
        except InputError as error:
            yield [name, "refused", "", "", "", error.found]


def _acquisitions(folders: list[Path]) -> Iterator[Path]:
    for folder in sorted({f.parent for d in folders for f in d.rglob("*") if f.is_file()}):
        files = sorted(f for f in folder.iterdir() if f.suffix.lower() in FUZZED)
        slices = [f for f in files if f.suffix in (".tif", ".png")]
        if len(slices) > 10:
            yield folder
        yield from (f for f in files if len(slices) <= 10 or f not in slices)


def _opens(path: Path) -> bool:
    from pssrflow.errors import InputError

    try:
        read_first(path)
    except InputError:
        return False
    return True


def _cases(path: Path, count: int) -> Counter[str]:
    counted: Counter[str] = Counter()
    first = 0
    while first < count:
        command = [sys.executable, "-m", "benchmarks.readers", "fuzz", str(path), str(count)]
        told = subprocess.run([*command, str(first)], capture_output=True, text=True)
        lines = told.stdout.splitlines()
        for line in lines:
            if line.startswith("ended"):
                counted[line.split()[1].split(":")[0]] += 1
                counted["slow"] += line.endswith(" slow")
                if line.startswith("ended other"):
                    print(f"{path.name}: {line}", file=sys.stderr)
        begun = [int(line.split()[1]) for line in lines if line.startswith("case")]
        ended = sum(line.startswith("ended") for line in lines)
        if len(begun) > ended:
            counted["crash"] += 1
            print(f"{path.name}, case {begun[-1]}: {told.stderr[-300:]}", file=sys.stderr)
        first = begun[-1] + 1 if begun else count
    return counted


def main() -> None:
    """Compare, and print."""
    from benchmarks.machine import heading, parser
    from benchmarks.tables import print_table

    arguments = parser(__doc__ or "")
    arguments.add_argument("folders", type=Path, nargs="+")
    arguments.add_argument("--second", metavar="PYTHON")
    arguments.add_argument("--list", action="store_true", help="what is read of every file")
    arguments.add_argument("--fuzz", type=int, metavar="CASES", help="of every format")
    options = arguments.parse_args()
    print(heading())
    if options.list:
        names = ["acquisition", "t, c, z, y, x", "data type", "um", "microscope", "notes"]
        print_table(names, listed(options.folders))
        return
    if options.fuzz:
        names = ["format", "files", "cases", "refused", "pixels", "other", "slow", "crash"]
        print_table(names, fuzzed(options.folders, options.fuzz))
        return
    names = ["format", "second reader", "files", "equal", "other", "refused"]
    print_table(names, compared(options.folders, options.second))


if __name__ == "__main__":
    if sys.argv[1:2] == ["second"]:
        second(sys.argv[2:])
    elif sys.argv[1:2] == ["fuzz"]:
        fuzz(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    else:
        main()

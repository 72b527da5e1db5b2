"""A folder or a glob of 2-D files as one stack along z."""

import glob
import itertools
import math
import re
from collections import Counter
from pathlib import Path

import numpy as np
from natsort import natsorted

from pssrflow.errors import InputError
from pssrflow.ingest.readers.companion import is_companion
from pssrflow.ingest.readers.open import open_source
from pssrflow.ingest.readers.order import in_order
from pssrflow.ingest.readers.source import Source, describe, faults, only_scene
from pssrflow.run.files import input_paths

RANK = 2
NAMES = "a folder or glob of 2-D images"

EXTENSIONS = (".tif", ".tiff", ".png", ".bmp", ".jpg", ".jpeg")
_ACCEPTED = f"2-D images with the extension {', '.join(EXTENSIONS)}"


def recognises(path: str) -> bool:
    """Whether it is a folder, or a glob and no file of that name."""
    return Path(path).is_dir() or (glob.has_magic(path) and not Path(path).exists())


def open_file(path: str, scene: int | str | None = None) -> Source:
    """Open 2-D files as slices, in natural order of their names.

    Parameters
    ----------
    path : str
        A folder or a glob.
    scene : int or str, optional
        There is but one.

    Raises
    ------
    InputError
        No images, a file with several planes, or slices of different shape or data type.
    """
    _check_links(path)
    if (companion := _set_of(path)) is not None:
        return open_source(str(companion), scene)
    images = in_order(parts(path))
    if not images:
        raise InputError(path, "no images here", _ACCEPTED)
    first, remarks = _check(images)
    only_scene(scene, path)
    notes = [*_ignored(set(_found(path)) - set(images)), *_numbering(images), *remarks]
    stack = _Stack(images)
    return Source(
        files=tuple(images),
        axes="Z" + first.axes,
        sizes=(len(images), *first.sizes),
        dtype=_stored(first),
        read=stack.read,
        pixel_size=first.pixel_size,
        channels=first.channels,
        palette=first.palette,
        black=first.black,
        microscope=first.microscope,
        rows=first.rows,
        notes=tuple(notes),
        close=stack.close,
    )


def _set_of(path):
    """What holds the metadata of an OME set that lies in a folder, where there is one alone."""
    found = [p for p in _found(path) if is_companion(p)]
    return found[0] if len(found) == 1 else None


def _check_links(path):
    if lost := [p for p in _found(path) if p.is_symlink() and not p.exists()]:
        found = f"{len(lost)} links that lead nowhere, the first to {lost[0].readlink()}"
        raise InputError(lost[0], found, "a link to a file, or none")


def parts(path: str) -> list[Path]:
    """The slices, in any order."""
    return [p for p in _found(path) if p.suffix.lower() in EXTENSIONS and p.is_file()]


def _found(path):
    """All that lies there and is not hidden."""
    paths = Path(path).iterdir() if Path(path).is_dir() else input_paths(path)
    return [p for p in paths if not p.name.startswith(".")]


def _check(images):
    """The first slice, and notes; every header is compared with the first."""
    first, notes, different = None, {}, 0
    for path in images:
        source = open_source(str(path))
        source.close()
        first = first or source
        _require_plane(path, source)
        _require_same(images[0], first, path, source)
        different += source.pixel_size != first.pixel_size
        notes.update(dict.fromkeys(source.notes))
    if different:
        notes[f"{different} slices state another pixel size than {images[0].name}"] = None
    return first, notes


def _require_plane(path, source):
    if source.axes not in ("YX", "YXS", "SYX"):
        has = describe(source.axes, source.sizes)
        raise InputError(
            path,
            f"several planes ({has}) in a file of a folder of slices",
            "one plane in each file; give the path of the file itself to read a stack",
        )


def _stored(source):
    """Data type of slices; programs save a mask of two values as one bit, and others as bytes."""
    return np.dtype(np.uint8) if source.dtype.kind == "b" else source.dtype.newbyteorder("=")


def _require_same(first_path, first, path, source):
    if (source.axes, source.sizes, _stored(source)) != (first.axes, first.sizes, _stored(first)):
        found = f"{path.name} has {_kind(source)}, {first_path.name} has {_kind(first)}"
        raise InputError(path.parent, found, "slices of one shape and one data type")


def _kind(source):
    return f"{describe(source.axes, source.sizes)} {source.dtype.name}"


def _ignored(paths):
    if paths:
        names = _some(natsorted(p.name for p in paths))
        yield f"{len(paths)} files or folders are not slices and were ignored: {names}"


def _numbering(images):
    """Notes about gaps and repeats in the one number that tells the file names apart."""
    suffixes = {p.suffix.lower() for p in images}
    if len(suffixes) > 1:
        yield f"slices of several formats in one stack: {', '.join(sorted(suffixes))}"
    parts = [re.split(r"(\d+)", p.stem) for p in images]
    if len({(len(p), *p[::2]) for p in parts}) > 1:
        yield "file names differ in more than a number; check the order of the slices"
        return
    columns = [[int(n) for n in column] for column in zip(*(p[1::2] for p in parts), strict=True)]
    varying = [c for c in columns if len(set(c)) > 1] or columns[-1:]
    if len(varying) > 1:
        yield "file names differ in several numbers; check the order of the slices"
    elif varying:
        yield from _gaps(varying[0])


def _gaps(numbers):
    repeated = [n for n, count in Counter(numbers).items() if count > 1]
    if repeated:
        yield f"slice numbers that occur twice: {_some(repeated)}"
    present = sorted(set(numbers))
    step = math.gcd(*(b - a for a, b in itertools.pairwise(present))) or 1
    if step > 1:
        yield f"slice numbers advance in steps of {step}"
    missing = [
        n
        for a, b in itertools.pairwise(present)
        for n in range(a + step, min(b, a + 1000 * step), step)
    ]
    if missing:
        yield f"gap in the slice numbers, missing: {_some(missing)}; the planes beside it adjoin"


def _some(items, shown=8):
    items = [str(i) for i in items]
    more = f" and {len(items) - shown} more" if len(items) > shown else ""
    return ", ".join(items[:shown]) + more


class _Stack:
    """Holds one file open at a time."""

    def __init__(self, images):
        self.images = images
        self.number, self.source = None, None

    def read(self, index: tuple) -> np.ndarray:
        number = index[0]
        if number != self.number:
            self.close()
            self.source, self.number = open_source(str(self.images[number])), number
        with faults(f"{self.images[number]}, z={number}"):
            values = self.source.read(index[1:])
            return values * np.uint8(255) if values.dtype.kind == "b" else values

    def close(self) -> None:
        if self.source is not None:
            self.source.close()
        self.number, self.source = None, None

"""Rows that show the same pixels and must not: told by what is read."""

import contextlib
import functools
import itertools
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from pssrflow.ingest.readers.order import in_order
from pssrflow.plugins import load
from pssrflow.run.files import input_paths
from pssrflow.volumes.regions import parse_crop

if TYPE_CHECKING:
    from pssrflow.config.samples import Row

# Stands for a size that only the file knows.
ENDLESS = sys.maxsize
# Pairs of rows that are told of those which show the same pixels.
MOST = 100
# Of slices that are stacked.
SLICES = (".tif", ".tiff", ".png", ".bmp", ".jpg", ".jpeg")
# Of files that may be parts of a set.
OME = (".ome.tif", ".ome.tiff", ".companion.ome")

# Bytes of a file that may be a copy, of each of the places that are compared; and files of one size
# beyond which none is opened: so many are the slices of a camera.
SMALLEST, BLOCK, MOST_ALIKE = 512, 4096, 2000

Crop = tuple[slice, slice, slice]


class Shown(NamedTuple):
    """What a row reads of one file.

    Attributes
    ----------
    line : int
        Of the row in the sheet.
    role : str
        Of the row.
    channels : frozenset of str or None
        As the sheet names them; None for all.
    crop : tuple of slice
        z, y, x.
    """

    line: int
    role: str
    channels: frozenset[str] | None
    crop: Crop


def leaks(rows: Mapping[int, "Row"], scale: int = 1, copies: bool = True) -> Iterator[str]:
    """Rows of different roles, or to learn from, that show the same pixels; the first hundred.

    Parameters
    ----------
    rows : mapping of int to Row
        By their lines in the sheet.
    scale : int
        HR pixels per LR pixel.
    copies : bool
        Look into files of one size, which takes longer than their names.
    """
    files: dict[tuple[str, str], list[Shown]] = {}
    sets = _sets(rows.values()) if copies else {}
    for line, row in rows.items():
        for place, shown in _shown(line, row, scale, sets):
            files.setdefault(place, []).append(shown)
    if copies:
        files = _without_copies(files)
    # Slices may be of the same two rows very often.
    pairs = (pair for found in files.values() for pair in _overlapping(found))
    for one, two in itertools.islice(dict.fromkeys(pairs), MOST):
        a, b = rows[one], rows[two]
        yield (
            f"lines {one} and {two}: {a.sample!r} ({a.role}) and {b.sample!r} ({b.role}) show "
            "the same pixels. Accepted: other files, channels or scenes (numbers or names, "
            "in both), or crops apart"
        )


def _sets(rows: Iterable["Row"]) -> dict[str, tuple[str, ...]]:
    """Parts of sets of OME-TIFFs, by each part that the sheet names: a part is read with all.

    Only folders of which rows of different roles read files are looked into.
    """
    by_folder: dict[str, dict[str, set[str]]] = {}
    for row in rows:
        for path in (row.path, row.lr_path, row.hr2_path) if row.has_hr else ():
            if path and path.lower().endswith(OME):
                for file in resolved(path):
                    of = by_folder.setdefault(os.path.dirname(file), {})
                    of.setdefault(file, set()).add(row.role)
    found = {}
    for files in by_folder.values():
        if 1 < len(files) <= MOST_ALIKE and len(set().union(*files.values())) > 1:
            # By its name: who names no such file needs no library of formats.
            parts_of = load("pssrflow.ingest.readers.tiff:parts_of")
            found.update({f: tuple(map(os.path.realpath, parts_of(Path(f)))) for f in files})
    return found


def _shown(
    line: int, row: "Row", scale: int, sets: Mapping[str, tuple[str, ...]]
) -> Iterator[tuple[tuple[str, str], Shown]]:
    """Files and scenes that a row with a truth reads, and what of them."""
    if not row.has_hr:
        return
    images = [(row.path, row.scene, row.channels, row.crop)]
    if row.hr2_path:
        images.append((row.hr2_path, row.scene, row.channels, row.crop))
    if row.lr_path:
        said = row.lr_overrides(scale)
        images.append((row.lr_path, said["scene"], said["channels"], said["crop"]))
    for path, scene, channels, crop in images:
        named = frozenset(c.strip() for c in channels.split(",")) if channels else None
        for name, box in _files(path, parse_crop(crop or ":, :", (ENDLESS,) * 3)):
            for file in sets.get(name, (name,)):
                yield (file, scene or "0"), Shown(line, row.role, named, box)


def _files(path: str, crop: Crop) -> Iterator[tuple[str, Crop]]:
    """Files that are read, and what of each: of a folder or a glob, the slices inside the crop."""
    found = resolved(path)
    if len(found) == 1 and os.path.isdir(found[0]) and not _is_zarr(found[0]):
        found = tuple(_slices(found[0]))
    elif len(found) < 2:
        yield from ((file, crop) for file in found or (path,))
        return
    z, *sides = crop
    for file in in_order(list(map(Path, found)))[z]:
        yield str(file), (slice(0, ENDLESS), sides[0], sides[1])


def _is_zarr(folder: str) -> bool:
    return any(os.path.exists(os.path.join(folder, n)) for n in ("zarr.json", ".zgroup", ".zarray"))


def _slices(folder: str) -> Iterator[str]:
    for entry in os.scandir(folder):
        if not entry.name.startswith(".") and entry.name.lower().endswith(SLICES):
            yield os.path.realpath(entry.path)


def _without_copies(
    files: Mapping[tuple[str, str], list[Shown]],
) -> dict[tuple[str, str], list[Shown]]:
    """The same, with copies of a file under the name of the first."""
    used: dict[str, set[str]] = {}
    for (file, _), shown in files.items():
        used.setdefault(file, set()).update(one.role for one in shown)
    first = dict(_copies(used))
    found: dict[tuple[str, str], list[Shown]] = {}
    for (file, scene), shown in files.items():
        found.setdefault((first.get(file, file), scene), []).extend(shown)
    return found


def _copies(used: Mapping[str, set[str]]) -> list[tuple[str, str]]:
    """Files that hold what another one holds, and the first of those.

    Files of one size that rows of different roles read are compared at a few places. A lost
    section is as black as any other, so what is of one value there is no copy.

    Parameters
    ----------
    used : mapping of str to set of str
        Roles of the rows that read a file.
    """
    by_size: dict[int, list[str]] = {}
    for file in sorted(used):
        with contextlib.suppress(OSError):
            if os.path.isfile(file) and (size := os.path.getsize(file)) >= SMALLEST:
                by_size.setdefault(size, []).append(file)
    alike = [
        group
        for group in by_size.values()
        if 1 < len(group) <= MOST_ALIKE and len(set().union(*(used[f] for f in group))) > 1
    ]
    found: dict[tuple[int, tuple[bytes, ...]], str] = {}
    copies = []
    for file in itertools.chain.from_iterable(alike):
        with contextlib.suppress(OSError), open(file, "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            content = tuple(_blocks(stream, size))
            first = found.setdefault((size, content), file)
            if first != file and all(len(set(block)) > 1 for block in content):
                copies.append((file, first))
    return copies


def _blocks(stream: BinaryIO, size: int) -> Iterator[bytes]:
    for share in (0, 1, 2, 3):
        stream.seek(max(0, size - BLOCK) * share // 3)
        yield stream.read(BLOCK)


def _overlapping(found: Sequence[Shown]) -> Iterator[tuple[int, int]]:
    """Lines of rows that read the same pixels of one file and must not.

    From top to bottom, so that only crops beside each other are compared.
    """
    above: list[Shown] = []
    for one in sorted(found, key=lambda shown: shown.crop[1].start):
        above = [other for other in above if other.crop[1].stop > one.crop[1].start]
        for other in above:
            if one.line != other.line and _leak(one, other) and _meet(one, other):
                yield min(one.line, other.line), max(one.line, other.line)
        above.append(one)


def _leak(one: Shown, two: Shown) -> bool:
    """Whether two rows must not show the same: what is learnt from must not, whatever it is for."""
    return one.role != two.role or one.role == "train"


def _meet(one: Shown, two: Shown) -> bool:
    boxes = zip(one.crop, two.crop)
    inside = all(a.start < b.stop and b.start < a.stop for a, b in boxes)
    return inside and not _channels_apart(one.channels, two.channels)


def _channels_apart(one: frozenset[str] | None, two: frozenset[str] | None) -> bool:
    """Whether two rows name different channels, both by number or both by name."""
    if one is None or two is None or one & two:
        return False
    return len({name.isdecimal() for name in one | two}) == 1


@functools.cache
def resolved(text: str) -> tuple[str, ...]:
    """Files and folders that a path names, wherever links lead."""
    return tuple(os.path.realpath(path) for path in input_paths(text))

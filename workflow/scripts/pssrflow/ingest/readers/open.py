"""Open a raw acquisition of any format as TCZYX and read rectangles of its planes.

Each format has a file in this folder, which is found by what it defines and loaded by name, so that
only the formats that a run reads count in the hash of its code:

RANK : int
    When it is asked, from 0.
NAMES : str
    What it reads, for messages.
recognises(path) -> bool
    Whether it takes a path; asked without loading the file, so it needs the standard library alone.
open_file(path, scene) -> Source
    An array with lettered axes, which `acquisition` presents as t, c, z, y, x.
parts(path) -> list of Path
    Only where it opens others, one by one, by `open_source`.
"""

import functools
import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from pssrflow.errors import InputError
from pssrflow.ingest.readers.acquisition import (
    Acquisition,
    Overrides,
    Source,
    describe,
    faults,
    present,
)
from pssrflow.plugins import choices, declared, load

FOLDER = Path(__file__).parent


def open_acquisition(path: str | os.PathLike, overrides: Overrides) -> Acquisition:
    """Open a raw acquisition lazily.

    Parameters
    ----------
    path : path-like
        A file, a folder of slices, a glob, an OME-Zarr (folder or URI).
    overrides : Overrides

    Returns
    -------
    Acquisition

    Raises
    ------
    InputError
        Nothing there, not an image, damaged, or not as the overrides say.
    """
    path, scene = str(path), overrides.scene
    with faults(path):
        _check_there(path)
        source = open_source(_expanded(path), None if scene in (None, "") else scene)
    try:
        return present(path, _as_named(source, overrides.axes, path), overrides)
    except BaseException:
        source.close()
        raise


def _check_there(path):
    if "://" in path:
        if ".zarr" not in path:
            found = "remote URIs are read only as OME-Zarr"
            raise InputError(path, found, "a local copy of the file")
    elif not (glob.has_magic(path) or Path(path).expanduser().exists()):
        raise InputError(path, "there is no such file or folder", "a path that exists")


def _expanded(path):
    return path if "://" in path else str(Path(path).expanduser())


# -- formats --------------------------------------------------------------------------------------


@functools.cache
def formats() -> tuple[str, ...]:
    """Modules that read a format, in the order in which they are asked."""
    modules = [f"{__package__}.{file.stem}" for file in sorted(FOLDER.glob("*.py"))]
    found = [module for module in modules if "recognises" in choices(module)]
    return tuple(sorted(found, key=lambda module: declared(module, "RANK")))


def format_of(path: str) -> str | None:
    """The module that reads a path, or None."""
    return next((m for m in formats() if declared(m, "recognises")(path)), None)


def readers_of(path: str) -> list[str]:
    """What of this folder reads a path: "module:Name", for the hash of the code that ingests it.

    Decided without loading any reader. A file that is yet to be made is known by its name, slices
    that are yet to be made by a glob such as ``folder/*.tif``; of what cannot be told, all readers.

    Parameters
    ----------
    path : str
        As in the sample sheet.
    """
    try:
        modules = set(_formats_below(_expanded(path)))
    except OSError:
        # A name that is too long, or a folder that may not be read.
        modules = set()
    return [f"{module}:open_file" for module in formats() if module in (modules or formats())]


def _formats_below(path) -> Iterator[str]:
    first = format_of(path)
    if first is None:
        return
    yield first
    if "parts" in choices(first):
        parts = declared(first, "parts")(path)
        # Files of one extension are of one format.
        by_suffix = {part.suffix.lower(): part for part in parts}
        for part in by_suffix.values() or [Path("0").with_suffix(Path(path).suffix)]:
            yield from filter(None, [format_of(str(part))])


def open_source(path: str, scene: int | str | None = None) -> Source:
    """Open a path with the reader that recognises it.

    Raises
    ------
    InputError
        No reader does, or the one that does refuses it.
    """
    file = Path(path)
    if file.is_file() and not file.stat().st_size:
        raise InputError(path, "an empty file (0 bytes)", accepted())
    module = format_of(path)
    if module is None:
        raise InputError(path, "neither a file nor a folder", accepted())
    return load(f"{module}:open_file")(path, scene)


def accepted() -> str:
    """What can be read, in words."""
    return ", ".join(declared(module, "NAMES") for module in formats())


# -- axes -----------------------------------------------------------------------------------------


def _as_named(source, axes, path):
    """A source whose axes are as the user names them."""
    if not axes:
        if source.unnamed:
            accepted = "an OME-Zarr image with `multiscales` metadata, or `axes` for an array"
            raise InputError(path, source.unnamed, accepted)
        return source
    letters = rename_axes(source.axes, source.sizes, axes, path)
    moved = any(
        (a in "YX" or b in "YX") and a != b for a, b in zip(source.axes, letters, strict=True)
    )
    if moved and not source.movable:
        raise InputError(
            path,
            f"axes {axes!r} puts Y and X elsewhere than the planes of the file ({source.axes})",
            f"Y and X where {source.axes!r} has them",
        )
    return replace(source, axes=letters, channels=source.channels if "C" in source.axes else ())


def rename_axes(found: str, sizes: Sequence[int], axes: str, where: str) -> str:
    """Letters for the axes of a file as the user names them.

    Parameters
    ----------
    found : str
        Letters in the file, one for each of `sizes`.
    sizes : sequence of int
    axes : str
        One letter for each axis, or for each axis longer than one.
    where : str
        For the message.

    Returns
    -------
    str
        One letter for each of `sizes`; "?" for axes of length one that `axes` leaves out.

    Raises
    ------
    InputError
        Unknown or repeated letters, no Y or X, or another number of letters than of axes.
    """
    axes = axes.strip().upper()
    has = f"the file has {len(sizes)} axes, {describe(found, sizes)}"
    accepted = "letters of T, C, Z, Y, X (S is C), each once, with Y and X, one for each axis"
    letters = axes.replace("S", "C")
    if set(letters) - set("TCZYX") or len(set(letters)) != len(letters) or {"Y", "X"} - set(axes):
        raise InputError(where, f"axes {axes!r} cannot be used; {has}", accepted)
    if len(axes) == len(sizes):
        return axes
    if "".join(a for a in axes if a in found) == found:
        return found
    long = [i for i, n in enumerate(sizes) if n > 1 or found[i] in "YX"]
    if len(axes) != len(long):
        raise InputError(where, f"axes {axes!r} has {len(axes)} letters; {has}", accepted)
    given = dict(zip(long, axes, strict=True))
    return "".join(given.get(i, "?") for i in range(len(sizes)))

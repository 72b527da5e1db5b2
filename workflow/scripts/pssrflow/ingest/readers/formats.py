"""Which files of this folder read a path; told without loading any of them.

Each format has a file of its own, found by what it defines and loaded by name, so that only those
that a run reads count in the hash of its code:

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
from collections.abc import Iterator
from pathlib import Path

from pssrflow.plugins import choices, declared

FOLDER = Path(__file__).parent


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
        modules = set(_formats_below(expanded(path)))
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


def expanded(path: str) -> str:
    """A path with the user's home in it."""
    return path if "://" in path else str(Path(path).expanduser())


def accepted() -> str:
    """What can be read, in words."""
    return ", ".join(declared(module, "NAMES") for module in formats())

"""When a rule must run again: hashes of its code and of files, which change with content alone."""

import bisect
import functools
import hashlib
import itertools
from collections.abc import Iterator
from pathlib import Path

from pssrflow.run.files import files_below
from pssrflow.run.symbols import Definition, Module, read_module

PACKAGE = Path(__file__).resolve().parents[1]
# What no result depends on: what goes on around a job, what is said of mistakes, and how a value of
# the configuration is checked or a name in it is found; values and names are parameters themselves.
NO_RESULT = ("run", "errors", "keys", "plugins")
# A file and a name that it defines, or None for all of it.
Place = tuple[Path, str | None]
# Acquisitions up to this size are fingerprinted whole, larger ones at places spread over them.
HASHED_WHOLE = 64 * 2**20
PLACES, PLACE_BYTES = 64, 65536


@functools.cache
def code_hash(script: str, *named: str) -> str:
    """Hash of what decides the result of a script: its code and all of ours that it reaches.

    Import statements are followed from definition to definition, so what an imported file holds
    besides counts for nothing. Comments, formatting, docstrings and messages (`symbols`) do not
    count, nor does what `NO_RESULT` names.

    Parameters
    ----------
    script : str
        Path of the script.
    *named : str
        What the configuration chooses by name and no import statement mentions: "module:Name".
    """
    reached = reach(Path(script).resolve(), *named)
    # Names below the folder of the scripts: moving the project is no change of its code.
    texts = [
        f"{path.relative_to(PACKAGE.parent).as_posix()} {text}"
        for path in sorted(reached)
        for text in sorted(definition.text for definition in reached[path])
    ]
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def reach(script: Path, *named: str) -> dict[Path, set[Definition]]:
    """Definitions that a script reaches, by file; without the bodies of what decides no result."""
    reached: dict[Path, set[Definition]] = {script: set()}
    waiting: list[Place | None] = [(script, None), *map(_named, named)]
    seen: set[Place] = set()
    while waiting:
        place = waiting.pop()
        if place is None or place in seen:
            continue
        seen.add(place)
        path, name = place
        module = read_module(path)
        found = _definitions(module, name)
        for definition in found - reached.setdefault(path, set()):
            reached[path].add(definition)
            waiting += _places_read(path, module, definition)
        if name is not None and name in module.imports:
            waiting.append(_imported(*module.imports[name]))
    return {path: found for path, found in reached.items() if found}


def _definitions(module: Module, name: str | None) -> set[Definition]:
    """Those of a name, and those that run at every import; of a whole module, all."""
    wanted = module.names if name is None else {name}
    return {*module.always, *(d for key in wanted for d in module.defining(key))}


def _places_read(path: Path, module: Module, definition: Definition) -> Iterator[Place | None]:
    """Files and names that a definition reads."""
    for read in definition.reads:
        if ":" in read:
            yield _named(read)
            continue
        name, _, attribute = read.partition(".")
        target = module.imports.get(name)
        if target is None:
            if name in module.names:
                yield path, name
        else:
            yield _imported(*target, attribute=attribute)


def _imported(module: str, name: str | None, attribute: str = "") -> Place | None:
    """File and name behind an import; None where it is not ours or decides nothing."""
    inside = _file(f"{module}.{name}") if name else None
    if inside:
        return inside, attribute or None
    path = _file(module)
    return (path, name or attribute or None) if path else None


def _named(text: str) -> Place | None:
    """File and name of "module:Name"; None of what decides nothing."""
    module, _, name = text.partition(":")
    if module.split(".")[1] in NO_RESULT:
        return None
    path = _file(module)
    if path is None or name not in read_module(path).names:
        raise LookupError(f"{text} is no definition of the core")
    return path, name


@functools.cache
def _file(name: str) -> Path | None:
    package, *parts = name.split(".")
    if package != PACKAGE.name or not parts or parts[0] in NO_RESULT:
        return None
    path = PACKAGE.joinpath(*parts).with_suffix(".py")
    return path if path.is_file() else None


@functools.cache
def fingerprint(paths: tuple[str, ...]) -> str:
    """Hash of what files hold, for acquisitions that may be too large to read at every start.

    Names and sizes always count; bytes count whole up to 64 MiB in all, beyond that at 64 places
    spread over all files, first and last 64 KiB among them. Time stamps never count.

    Parameters
    ----------
    paths : tuple of str
        Files, or folders with all that is in them.
    """
    # A glob may name links that lead nowhere; who reads them says so.
    files = [f for path in paths for f in files_below(Path(path)) if f.exists()]
    sizes = [f.stat().st_size for f in files]
    total = hashlib.sha256(repr([(f.name, n) for f, n in zip(files, sizes)]).encode())
    if sum(sizes) <= HASHED_WHOLE:
        for path in files:
            total.update(path.read_bytes())
    else:
        for path, offset in _places(files, sizes):
            with open(path, "rb") as stream:
                stream.seek(offset)
                total.update(stream.read(PLACE_BYTES))
    return total.hexdigest()[:16]


def _places(files: list[Path], sizes: list[int]) -> Iterator[tuple[Path, int]]:
    """Files and offsets of blocks spread evenly over all bytes."""
    ends = list(itertools.accumulate(sizes))
    last = max(0, ends[-1] - PLACE_BYTES)
    for place in (last * i // (PLACES - 1) for i in range(PLACES)):
        index = bisect.bisect_right(ends, place)
        yield files[index], place - (ends[index] - sizes[index])

"""The files of a model package of bioimage.io, read without unpacking it."""

import hashlib
import re
import stat
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Self

import yaml

from pssrflow.errors import InputError
from pssrflow.keys import Fault
from pssrflow.models.facts import BAD_ZIP

# Bytes that a package may hold unpacked; a zip can claim far more than it takes on the disk.
LARGEST = 4 << 30
# How many times its size a package may unpack to, above some megabytes: weights hardly shrink.
MOST_TIMES, SMALL = 20, 32 << 20
# Bytes of a description.
LONGEST = 1 << 20
# Values in a description; aliases of YAML can claim far more than are written down.
MOST_VALUES = 100_000
DESCRIPTIONS = ("rdf.yaml", "bioimageio.yaml")


@dataclass(frozen=True)
class Archive:
    """A package in memory, whose files are those that it describes.

    Attributes
    ----------
    path : path-like
    files : dict of str to bytes
    content : dict
        The description, as it stands there.
    """

    path: Path | str
    files: dict[str, bytes]
    content: dict[str, Any]

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """Read a package; nothing is unpacked to the disk.

        Raises
        ------
        InputError
            No package, too large, with a path that leads out of it, or with files that are missing
            or have another hash.
        """
        files = read_files(path)
        content = _content(path, files)
        refuse(path, _damage(path, content, files))
        return cls(path, files, content)


def refuse(package: Path | str, faults: Iterable[Fault]) -> None:
    """Raise one error for all faults of a package, if there are any."""
    found = [f"{fault.key}: {fault.says}" for fault in faults]
    if found:
        raise InputError(package, "\n  ".join(found))


def read_files(package: Path | str) -> dict[str, bytes]:
    """Content of every file of a zip, by name.

    Raises
    ------
    InputError
        Not a zip, too large, or with a path that leads out of it.
    """
    try:
        with zipfile.ZipFile(package) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            _check_entries(package, entries)
            return {entry.filename: archive.read(entry) for entry in entries}
    except BAD_ZIP as error:
        raise InputError(
            package, f"cannot be read as a package ({error})", "a zip of bioimage.io"
        ) from error


def _check_entries(package: Path | str, entries: list[zipfile.ZipInfo]) -> None:
    out = [repr(entry.filename) for entry in entries if _leads_out(entry)]
    if out:
        raise InputError(
            package, f"{', '.join(out)} leads out of the package", "relative paths inside it"
        )
    unpacked, packed = sum(e.file_size for e in entries), Path(package).stat().st_size
    if unpacked > min(LARGEST, SMALL + MOST_TIMES * packed):
        found = f"{packed / 1e6:.1f} MB that unpack to {unpacked / 1e6:.1f} MB"
        raise InputError(package, found, f"at most {MOST_TIMES} times as much, and 4 GiB")


def _leads_out(entry: zipfile.ZipInfo) -> bool:
    path = PurePosixPath(entry.filename)
    link = stat.S_ISLNK(entry.external_attr >> 16)
    outside = path.is_absolute() or ".." in path.parts
    return outside or link or re.search(r"[\\:]", entry.filename) is not None


class _Loader(yaml.SafeLoader):
    """Without merge keys, by which a few lines become more mappings than memory holds."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        if any(key.tag == "tag:yaml.org,2002:merge" for key, _ in node.value):
            raise yaml.constructor.ConstructorError(None, None, "a merge key", node.start_mark)
        super().flatten_mapping(node)


def _content(package: Path | str, files: dict[str, bytes]) -> dict[str, Any]:
    name = next((name for name in DESCRIPTIONS if name in files), None)
    if name is None:
        raise InputError(package, "no rdf.yaml in it", "a model package of bioimage.io")
    if len(files[name]) > LONGEST:
        found = f"a description of {len(files[name]) / 1e6:.1f} MB"
        raise InputError(f"{package}: {name}", found, "1 MB at most")
    if re.search(rb"(?:[\[{]\s*){64}", files[name]):
        raise InputError(f"{package}: {name}", "lists in lists without end", "a description")
    try:
        content = yaml.load(files[name], _Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{package}: {name}", f"not YAML that is taken ({said})") from None
    version = str(content.get("format_version")) if isinstance(content, dict) else "nothing"
    if not version.startswith("0.5.") or content.get("type") != "model":
        raise InputError(
            f"{package}: {name}", f"format_version {version}", "type model, format_version 0.5"
        )
    return dict(content)


def _damage(
    package: Path | str, content: dict[str, Any], files: dict[str, bytes]
) -> Iterator[Fault]:
    """Where a file that the description names with a hash is not there, or has another one."""
    for key, part in _mappings(package, content):
        source, expected = part.get("source"), part.get("sha256")
        if not isinstance(source, str) or not expected:
            continue
        if source not in files:
            yield Fault(f"{key}.source", f"no file {source!r} in the package")
            continue
        found = hashlib.sha256(files[source]).hexdigest()
        if found != expected:
            yield Fault(f"{key}.sha256", f"{source} has the hash {found}. Accepted: {expected}")


def _mappings(package: Path | str, content: Any) -> Iterator[tuple[str, dict[Any, Any]]]:
    """All mappings of a description, with their keys, in order."""
    waiting, seen = [("", content)], 0
    while waiting:
        key, part = waiting.pop()
        seen += 1
        if seen > MOST_VALUES:
            raise InputError(
                package, f"a description of more than {MOST_VALUES} values", "a shorter one"
            )
        if isinstance(part, list):
            part = dict(enumerate(part))
        elif isinstance(part, dict):
            yield key, part
        else:
            continue
        inside = [(f"{key}.{name}" if key else str(name), value) for name, value in part.items()]
        waiting += reversed(inside)

"""Files: written by rename, described by their content."""

import contextlib
import errno
import glob
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pssrflow.errors import InputError
from pssrflow.run.paths import parted

# Key of a JSON file that vouches for the others.
CHECKSUM = "checksum"
# Keys of a done file that differ between places of the same pixels.
ELSEWHERE = ("source", "notes", "files", "microscope")
# Bytes below which a disk is full.
FULL = 1 << 18
AGAIN = "remove the file and run the same command again, which makes it anew"


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Scratch file that takes the place of `path` when it is complete and on the disk.

    The one way in which this pipeline writes a file that somebody may read at any time.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # One name: what a kill leaves is written over.
    scratch = path.with_name(f".{path.name}")
    try:
        yield scratch
        with open(scratch, "rb") as stream:
            os.fsync(stream.fileno())
        scratch.replace(path)
    except OSError as error:
        error.filename = error.filename or str(path)
        raise
    finally:
        scratch.unlink(missing_ok=True)


def write_json(path: str | Path, content: dict[str, Any]) -> None:
    """Write `content` so that `path` either does not exist or is complete.

    Its last key is a checksum of the others, by which `read_json` knows a damaged file.
    """
    # As it will be read: JSON knows no tuples, and no numbers as names.
    content = json.loads(json.dumps(content))
    with replacing(path) as scratch:
        scratch.write_text(json.dumps(content | {CHECKSUM: _checksum(content)}, indent=2))


def _checksum(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_json(path: str | Path, format: int | None = None) -> Any:
    """Content of a JSON file that `write_json` wrote, without its checksum.

    Parameters
    ----------
    path : path-like
    format : int, optional
        What its key "format" must say.

    Raises
    ------
    InputError
        It says something else, is no JSON object, or was changed since it was written.
    """
    content = _intact(path)
    if format is not None and content.get("format") != format:
        found = f"format {content['format']}" if "format" in content else "no format"
        raise InputError(path, found, f"format {format}, as this version writes it; {AGAIN}")
    return content


def read_made(path: str | Path, *without: str) -> dict[str, Any]:
    """What a done file says of pixels: as `read_json`, without what was noted of them and where
    and in how many files they lie, which makes no other result, and without some other keys.
    """
    left_out = (*ELSEWHERE, *without)
    return {key: value for key, value in read_json(path).items() if key not in left_out}


def _intact(path: str | Path) -> dict[str, Any]:
    try:
        content = json.loads(Path(path).read_bytes())
    except (ValueError, RecursionError) as error:
        raise InputError(path, f"damaged: no JSON ({error})", f"an intact file; {AGAIN}") from None
    if not isinstance(content, dict):
        raise InputError(path, "damaged: no JSON object", f"an intact file; {AGAIN}")
    said = content.pop(CHECKSUM, None)
    if said is not None and said != _checksum(content):
        known = f"{AGAIN}. If you changed it yourself, remove its key {CHECKSUM!r}"
        raise InputError(path, "damaged: it says something else than was written", known)
    return content


def input_paths(text: str) -> list[Path]:
    """Files and folders that a path of the sample sheet names; a glob may name many.

    Parameters
    ----------
    text : str
        A file, a folder or a glob; ``~`` and ``**`` are understood.

    Returns
    -------
    list of Path
        Empty if there is nothing.
    """
    path = Path(parted(text)[0]).expanduser()
    try:
        if path.exists():
            return [path]
        folder, pattern = _literal(path)
        found = glob.glob(str(pattern), root_dir=folder, recursive=True)
        return [folder / name for name in sorted(found)]
    except OSError:
        # A name that is too long, or a folder that may not be read.
        return []


def _literal(path: Path) -> tuple[Path, Path]:
    """The longest folder of a glob that is there as it is written, and the pattern below it.

    Names of folders may hold [, ], ? and *, which are no pattern then.
    """
    for folder in path.parents:
        if folder.is_dir():
            return folder, path.relative_to(folder)
    return Path(), path


def file_hash(path: str | Path) -> str:
    """SHA-256 of a file."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def full_disk(error: BaseException, writes: str | Path) -> str | None:
    """A line about a disk that is full, if that is what an error, or one behind it, says.

    Parameters
    ----------
    error : BaseException
    writes : path-like
        What was written, where the error does not say it.
    """
    seen: BaseException | None = error
    while seen is not None and not _of_a_full_disk(seen):
        seen = seen.__cause__ or seen.__context__
    if seen is None:
        return None
    where = getattr(seen, "filename", None) or writes
    return _no_room(where)


def full_disks(folders: Iterable[str | Path]) -> list[str]:
    """A line for each folder on a disk that is full; Snakemake itself names none."""
    return [_no_room(folder) for folder in folders if _free(folder) < FULL]


def _free(path: str | Path) -> int:
    """Bytes that are free where a path lies or will."""
    there = next(p for p in (Path(path).resolve(), *Path(path).resolve().parents) if p.exists())
    return shutil.disk_usage(there).free


def _no_room(where: str | Path) -> str:
    free = f"{os.strerror(errno.ENOSPC)} ({_free(where) / 1e6:.2f} MB are free)"
    again = "room to write there; the same command then goes on where it was"
    return f"{where}: {free}. Accepted: {again}."


def _of_a_full_disk(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    # NumPy counts what it wrote; others pass on what the system said.
    said = str(error)
    return os.strerror(errno.ENOSPC) in said or bool(re.search(r"requested and \d+ written", said))


def check_file(path: str | Path, sha256: str, done: str | Path) -> None:
    """Refuse a file that its done file does not vouch for.

    Raises
    ------
    InputError
        It is gone, or was changed since it was written.
    """
    there = Path(path).is_file()
    if there and file_hash(path) == sha256:
        return
    found = "damaged: it holds something else than was written" if there else "the file is missing"
    raise InputError(path, found, f"the file made anew, by the same command after: rm {done}")


def describe_source(path: str | Path, files: Iterable[str | Path]) -> dict[str, Any]:
    """Path, number, size and SHA-256 of the files of an acquisition."""
    found = [f for root in files for f in files_below(Path(root))]
    if len(found) == 1:
        total = file_hash(found[0])
    else:
        lines = "\n".join(f"{f.name} {file_hash(f)}" for f in found)
        total = hashlib.sha256(lines.encode()).hexdigest()
    size = sum(f.stat().st_size for f in found)
    return {"path": str(path), "files": len(found), "bytes": size, "sha256": total}


def files_below(path: Path) -> list[Path]:
    """Files of a folder with all that is in it, sorted; or the file itself.

    Hidden files, which programs that show a folder leave there, are none of it; but those of Zarr.
    """
    if not path.is_dir():
        return [path]
    return sorted(f for f in path.rglob("*") if f.is_file() and not _hidden(f.name))


def _hidden(name: str) -> bool:
    return name.startswith(".") and not name.startswith(".z")


def count_files(folder: str | Path) -> int:
    """Files of a folder with all that is in it; 0 if there is none."""
    return sum(len(files) for _, _, files in os.walk(folder))

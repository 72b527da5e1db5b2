"""Files: written by rename, described by their content."""

import contextlib
import glob
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pssrflow.errors import InputError


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


def write_json(path: str | Path, content: Any) -> None:
    """Write `content` so that `path` either does not exist or is complete."""
    with replacing(path) as scratch:
        scratch.write_text(json.dumps(content, indent=2))


def read_json(path: str | Path, format: int | None = None) -> Any:
    """Content of a JSON file.

    Parameters
    ----------
    path : path-like
    format : int, optional
        What its key "format" must say.

    Raises
    ------
    InputError
        It says something else.
    """
    content = json.loads(Path(path).read_text())
    if format is not None and content.get("format") != format:
        found = f"format {content['format']}" if "format" in content else "no format"
        again = f"format {format}, as this version writes it; remove the file to have it made again"
        raise InputError(path, found, again)
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
    path = Path(text).expanduser()
    try:
        if path.exists():
            return [path]
        return [Path(p) for p in sorted(glob.glob(str(path), recursive=True))]
    except OSError:
        # A name that is too long, or a folder that may not be read.
        return []


def file_hash(path: str | Path) -> str:
    """SHA-256 of a file."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


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
    """Files of a folder with all that is in it, sorted; or the file itself."""
    return sorted(f for f in path.rglob("*") if f.is_file()) if path.is_dir() else [path]

"""The files of a raw acquisition: what identifies them."""

import bisect
import functools
import glob
import hashlib
import itertools
from pathlib import Path

# Acquisitions up to this size are fingerprinted whole, larger ones at places spread over them.
HASHED_WHOLE = 64 * 2**20
PLACES, PLACE_BYTES = 64, 65536


def input_paths(text):
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


@functools.cache
def fingerprint(paths):
    """Hash of what files hold, for acquisitions that may be too large to read at every start.

    Names and sizes always count; bytes count whole up to 64 MiB in all, beyond that at 64 places
    spread over all files, first and last 64 KiB among them. Time stamps never count.

    Parameters
    ----------
    paths : tuple of str
        Files, or folders with all that is in them.
    """
    files = [f for path in paths for f in _files_below(Path(path))]
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


def _places(files, sizes):
    """Files and offsets of blocks spread evenly over all bytes."""
    ends = list(itertools.accumulate(sizes))
    last = max(0, ends[-1] - PLACE_BYTES)
    for place in (last * i // (PLACES - 1) for i in range(PLACES)):
        index = bisect.bisect_right(ends, place)
        yield files[index], place - (ends[index] - sizes[index])


def file_hash(path):
    """SHA-256 of a file."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def describe_source(path, files):
    """Path, number, size and SHA-256 of the files of an acquisition."""
    files = [f for root in files for f in _files_below(Path(root))]
    if len(files) == 1:
        total = file_hash(files[0])
    else:
        lines = "\n".join(f"{f.name} {file_hash(f)}" for f in files)
        total = hashlib.sha256(lines.encode()).hexdigest()
    size = sum(f.stat().st_size for f in files)
    return {"path": str(path), "files": len(files), "bytes": size, "sha256": total}


def _files_below(path):
    return sorted(f for f in path.rglob("*") if f.is_file()) if path.is_dir() else [path]

"""The files of a raw acquisition: what identifies them."""

import functools
import hashlib
from pathlib import Path

# Acquisitions up to this size are fingerprinted whole, larger ones at places spread over them.
HASHED_WHOLE = 64 * 2**20
SAMPLES, SAMPLE_BYTES = 16, 65536


@functools.cache
def fingerprint(paths):
    """Hash of what files hold, for acquisitions that may be too large to read at every start.

    Sizes always count; bytes count whole up to 64 MiB in all, beyond that at 16 places of every
    file (the first and last 64 KiB among them). Time stamps never count.

    Parameters
    ----------
    paths : tuple of str
        Files, or folders with all that is in them.
    """
    files = [f for p in map(Path, paths) for f in (sorted(p.rglob("*")) if p.is_dir() else [p])]
    files = [f for f in files if f.is_file()]
    whole = sum(f.stat().st_size for f in files) <= HASHED_WHOLE
    total = hashlib.sha256()
    for path in files:
        total.update(f"{path.name} {path.stat().st_size}".encode())
        total.update(path.read_bytes() if whole else _sampled(path))
    return total.hexdigest()[:16]


def _sampled(path):
    last = max(0, path.stat().st_size - SAMPLE_BYTES)
    with open(path, "rb") as stream:
        parts = []
        for place in sorted({last * i // (SAMPLES - 1) for i in range(SAMPLES)}):
            stream.seek(place)
            parts.append(stream.read(SAMPLE_BYTES))
    return b"".join(parts)


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

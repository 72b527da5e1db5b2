"""Locks that end with the process that holds them."""

import contextlib
import fcntl
import hashlib
import logging
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from pssrflow.run.files import full_disk, replacing
from pssrflow.run.remote import is_remote

log = logging.getLogger(__name__)

_CLAIMED: list[IO[str]] = []
# Of a results folder, what names the run in the stores that belong to it.
RUN = ".run"


def claim(results: str) -> None:
    """Lock a results folder for the life of this process; refuse if another run holds it.

    The lock goes with the process, so a killed run leaves none behind. The folder gets a name that
    no other has, by which its stores are known wherever they lie.
    """
    try:
        Path(results).mkdir(parents=True, exist_ok=True)
        # Kept open on purpose: closing it would free the lock.
        stream = open(Path(results, ".lock"), "a")  # noqa: SIM115
        _name(Path(results).resolve())
    except OSError as error:
        sys.exit(full_disk(error, results) or f"{error.filename or results}: {error.strerror}")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"{results}: another run is writing here; wait for it or choose other `results`")
    except OSError:
        print(f"{results}: this file system knows no locks; run one workflow at a time")
    _CLAIMED.append(stream)


def _name(results: Path) -> None:
    """Name a run, unless it has a name that is not that of the run it was copied from."""
    file, place = results / RUN, str(results)
    with contextlib.suppress(OSError):
        named = file.read_text()
        before = named.rpartition(" ")[0]
        origin = Path(before, RUN)
        copied = before != place and origin.is_file() and origin.read_text() == named
        if named and not copied:
            return
    with replacing(file) as scratch:
        scratch.write_text(f"{place} {uuid.uuid4().hex}")


def owner(store: str | Path, done: str | Path) -> str:
    """Name of the run whose results hold the done file of a store that lies elsewhere; else empty.

    What lies in a results folder is copied and moved with it, so it needs no owner.
    """
    for folder in Path(done).resolve().parents:
        with contextlib.suppress(OSError):
            named = (folder / RUN).read_text()
            inside = not is_remote(store) and Path(store).resolve().is_relative_to(folder)
            return "" if inside else named
    return ""


def lockable(path: str | Path, log_path: str | Path) -> str | Path:
    """A path beside which a lock file can stand: for a URI, one beside the log."""
    if not is_remote(path):
        return path
    return Path(log_path).with_name(hashlib.sha256(str(path).encode()).hexdigest()[:16])


@contextlib.contextmanager
def locked(path: str | Path, kind: int) -> Iterator[None]:
    """Hold a lock file beside `path`; Snakemake does not know it, so it never removes it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.with_name(f".{path.name}.lock"), "a") as stream:
        try:
            fcntl.flock(stream, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            log.warning("an earlier run still writes %s; waiting for it to end", path)
            fcntl.flock(stream, kind)
        except OSError:
            log.warning("%s: this file system knows no locks; run one workflow at a time", path)
        yield


@contextlib.contextmanager
def one_of(names: list[str], every: float = 0.5) -> Iterator[int]:
    """Lock one of several things by name and give its index; the lock ends with the process.

    Parameters
    ----------
    names : list of str
    every : float
        Seconds between two looks, while all are taken.
    """
    folder = Path(tempfile.gettempdir(), f"pssrflow-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(open(folder / f"{name}.lock", "a")) for name in names]
        index = _first_free(streams)
        if index is None:
            log.info("all %d devices are taken by other jobs; waiting", len(names))
        while index is None:
            time.sleep(every)
            index = _first_free(streams)
        yield index


def _first_free(streams: list[Any]) -> int | None:
    return next((i for i, stream in enumerate(streams) if _lock(stream)), None)


def _lock(stream: IO[str]) -> bool:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

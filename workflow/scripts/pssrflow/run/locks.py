"""Locks that end with the process that holds them."""

import contextlib
import fcntl
import hashlib
import logging
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from pssrflow.run.remote import is_remote

log = logging.getLogger(__name__)

_CLAIMED: list[IO[str]] = []


def claim(results: str) -> None:
    """Lock a results folder for the life of this process; refuse if another run holds it.

    The lock goes with the process, so a killed run leaves none behind.
    """
    Path(results).mkdir(parents=True, exist_ok=True)
    # Kept open on purpose: closing it would free the lock.
    stream = open(Path(results, ".lock"), "a")  # noqa: SIM115
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"{results}: another run is writing here; wait for it or choose other `results`")
    except OSError:
        print(f"{results}: this file system knows no locks; run one workflow at a time")
    _CLAIMED.append(stream)


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

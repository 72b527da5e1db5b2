"""What every script needs around its work: a log, a lock, bounded threads, readable errors."""

import contextlib
import errno
import fcntl
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import zarr

from pssrflow.errors import InputError
from pssrflow.run.locks import lockable, locked
from pssrflow.run.memory import reuse_memory
from pssrflow.run.remote import of_a_server

log = logging.getLogger("pssrflow")

# Seconds after which a thread hands Python's lock over; with the usual 5 ms, threads that compute
# for 1 ms between two calls wait for each other (2 to 3 % of crappify on two cores).
HAND_OVER = 1e-4
OF_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)


@contextlib.contextmanager
def job(
    log_path: str | Path,
    threads: int,
    writes: str | Path,
    shares: str | Path | None = None,
    tensors: bool = False,
) -> Iterator[logging.Logger]:
    """Run one script's work: alone where it writes, logged, with errors that a user can read.

    A job whose Snakemake was killed may still be writing when the next run starts; that run's
    jobs wait for it to end. The locks end with their processes. Uncaught errors are logged with
    their traceback; an `InputError` without one.

    Parameters
    ----------
    log_path : path-like
    threads : int
    writes : path-like
        What this job alone may write: a store, a folder or a marker.
    shares : path-like, optional
        A store that other jobs of its kind fill at the same time.
    tensors : bool
        Whether a network's tensors, large and of many sizes, take most of the memory.
    """
    Path(log_path).parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as held, open(log_path, "w") as stream:
        _start_logging(stream)
        # Plots are written to files, never shown.
        os.environ["MPLBACKEND"] = "Agg"
        reuse_memory(tensors)
        sys.setswitchinterval(HAND_OVER)
        zarr.config.set({"threading.max_workers": threads})
        signal.signal(signal.SIGTERM, _exit_on_sigterm)
        start = time.monotonic()
        try:
            if shares is not None:
                held.enter_context(locked(lockable(shares, log_path), fcntl.LOCK_SH))
            held.enter_context(locked(lockable(writes, log_path), fcntl.LOCK_EX))
            yield log
        except (InputError, OSError) as error:
            log.error("%s", _readable(error, writes))
            sys.exit(1)
        except Exception as error:
            if of_a_server(error):
                log.error("%s", error)
                sys.exit(1)
            log.exception("this is a defect of PSSRflow; please report it with this log")
            sys.exit(1)
        log.info("done in %.1f s", time.monotonic() - start)


def _start_logging(stream: IO[str]) -> None:
    handlers = [logging.StreamHandler(stream), logging.StreamHandler(sys.stderr)]
    handlers[0].setLevel(logging.DEBUG)
    handlers[1].setLevel(logging.INFO)
    logging.basicConfig(
        format="%(asctime)s %(levelname)s %(message)s",
        datefmt="%Y-%m-%d %H:%M:%S",
        handlers=handlers,
        force=True,
    )
    log.setLevel(logging.DEBUG)
    logging.getLogger().setLevel(logging.WARNING)
    logging.captureWarnings(True)


def _exit_on_sigterm(*_: Any) -> None:
    # SystemExit unwinds `with` blocks, so scratch files go and the lock is freed.
    sys.exit(143)


def _readable(error: InputError | OSError, writes: str | Path) -> str:
    if not isinstance(error, OSError):
        return str(error)
    # A disk that fills up within a file does not say which.
    where = error.filename or (writes if error.errno in OF_WRITING else None)
    return f"{where}: {error.strerror}" if where else str(error)

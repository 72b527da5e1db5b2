"""What every script needs around its work: a log, a lock, bounded threads, readable errors."""

import contextlib
import errno
import fcntl
import io
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
from pssrflow.run.files import full_disk
from pssrflow.run.locks import lockable, locked
from pssrflow.run.memory import reuse_memory
from pssrflow.run.remote import is_remote, of_a_server, told

log = logging.getLogger("pssrflow")

# Seconds after which a thread hands Python's lock over; with the usual 5 ms, threads that compute
# for 1 ms between two calls wait for each other (2 to 3 % of crappify on two cores).
HAND_OVER = 1e-4
OF_WRITING = (errno.EROFS, errno.EFBIG)


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
    with contextlib.ExitStack() as held:
        _start_logging(held.enter_context(_log_file(log_path)))
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
        except Exception as error:
            if said := _readable(error, writes):
                log.error("%s", said)
                sys.exit(1)
            log.exception("this is a defect of PSSRflow; please report it with this log")
            sys.exit(1)
        log.info("done in %.1f s", time.monotonic() - start)


@contextlib.contextmanager
def _log_file(path: str | Path) -> Iterator[IO[str]]:
    """The log; where it cannot be written, as on a full disk, what it says goes to stderr alone."""
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        stream: IO[str] = open(path, "w")  # noqa: SIM115
    except OSError:
        stream = io.StringIO()
    try:
        yield stream
    finally:
        with contextlib.suppress(OSError):
            stream.close()


class _Handler(logging.StreamHandler[Any]):
    """Says nothing of a line that cannot be written: the work on a full disk says so itself."""

    def handleError(self, record: logging.LogRecord) -> None:
        pass


def _start_logging(stream: IO[str]) -> None:
    handlers = [_Handler(stream), _Handler(sys.stderr)]
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


def _readable(error: Exception, writes: str | Path) -> str | None:
    """What a user can mend, in a line; None for a defect of ours."""
    if isinstance(error, InputError):
        return str(error)
    if of_a_server(error):
        return f"{writes}: {told(error, str(writes)) if is_remote(writes) else error}"
    if said := full_disk(error, writes):
        return said
    if not isinstance(error, OSError):
        return None
    # A protected disk does not always say which file.
    where = error.filename or (writes if error.errno in OF_WRITING else None)
    return f"{where}: {error.strerror}" if where else str(error)

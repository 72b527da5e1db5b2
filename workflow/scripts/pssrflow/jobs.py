"""What every script needs around its work: log, lock, atomic JSON, bounded threads."""

import contextlib
import ctypes
import fcntl
import hashlib
import json
import logging
import os
import signal
import sys
import time
from pathlib import Path

import zarr

from pssrflow.errors import InputError
from pssrflow.remote import is_remote, of_a_server

log = logging.getLogger("pssrflow")

# Python, NumPy, Zarr and their threads, before any pixel is read.
INTERPRETER_MB = 300
# Of malloc.h, glibc.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
# Of sys/prctl.h, Linux.
PR_SET_PDEATHSIG = 1
# Bytes of the largest arrays whose pages are used again: more than any that a job makes. Beside the
# tensors of a network, which are large and of many sizes, a heap would grow with the field.
KEPT, KEPT_BESIDE_TENSORS = 1 << 30, 1 << 25
# Seconds after which a thread hands Python's lock over; with the usual 5 ms, threads that compute
# for 1 ms between two calls wait for each other (2 to 3 % of crappify on two cores).
HAND_OVER = 1e-4


def claim(results):
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


_CLAIMED = []


@contextlib.contextmanager
def job(log_path, threads, writes, shares=None, tensors=False):
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
        _reuse_memory(tensors)
        sys.setswitchinterval(HAND_OVER)
        zarr.config.set({"threading.max_workers": threads})
        signal.signal(signal.SIGTERM, _exit_on_sigterm)
        start = time.monotonic()
        try:
            if shares is not None:
                held.enter_context(_locked(_lockable(shares, log_path), fcntl.LOCK_SH))
            held.enter_context(_locked(_lockable(writes, log_path), fcntl.LOCK_EX))
            yield log
        except (InputError, OSError) as error:
            log.error("%s", _readable(error))
            sys.exit(1)
        except Exception as error:
            if of_a_server(error):
                log.error("%s", error)
                sys.exit(1)
            log.exception("this is a defect of PSSRflow; please report it with this log")
            sys.exit(1)
        log.info("done in %.1f s", time.monotonic() - start)


def start_worker():
    """Prepare a process that works for a job: one thread, and it ends when the job is killed."""
    _reuse_memory()
    zarr.config.set({"threading.max_workers": 1})
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def affordable(threads, mem_mb, bytes_each):
    """Workers that a job's memory holds, beside the interpreter and its libraries.

    Parameters
    ----------
    threads : int
        What the scheduler gave.
    mem_mb : int
        What the scheduler gave, megabyte.
    bytes_each : int
        Largest that one worker needs.
    """
    return max(1, min(threads, int((mem_mb - INTERPRETER_MB) * 1e6 / bytes_each)))


def write_json(path, content):
    """Write `content` so that `path` either does not exist or is complete."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    with open(scratch, "w") as stream:
        json.dump(content, stream, indent=2)
        stream.flush()
        os.fsync(stream.fileno())
    scratch.replace(path)


def read_json(path):
    """Content of a JSON file."""
    return json.loads(Path(path).read_text())


def _lockable(path, log_path):
    """A path beside which a lock file can stand: for a URI, one beside the log."""
    if not is_remote(path):
        return path
    return Path(log_path).with_name(hashlib.sha256(str(path).encode()).hexdigest()[:16])


@contextlib.contextmanager
def _locked(path, kind):
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


def _start_logging(stream):
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


def _reuse_memory(tensors=False):
    """Make threads share two heaps, and keep the pages of arrays that are freed.

    glibc else keeps a heap for each thread, which grow with the hours, and gives each array's
    pages back to a system that must clear them again: a third of the time that reading takes.
    Tensors stand on large pages beside the heaps, of which few must be cleared.
    """
    kept = KEPT_BESIDE_TENSORS if tensors else KEPT
    if tensors:
        os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(M_ARENA_MAX, 2)
        libc.mallopt(M_MMAP_THRESHOLD, kept)
        libc.mallopt(M_TRIM_THRESHOLD, kept)


def _exit_on_sigterm(*_):
    # SystemExit unwinds `with` blocks, so scratch files go and the lock is freed.
    sys.exit(143)


def _readable(error):
    if isinstance(error, InputError) or error.filename is None:
        return str(error)
    return f"{error.filename}: {error.strerror}"

"""Memory of a job: what it may use, and how pages are used again."""

import contextlib
import ctypes
import math
import mmap
import os
import signal
import weakref
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr

# Python, NumPy, Zarr and their threads, before any pixel is read.
INTERPRETER_MB = 300
# Torch itself.
TORCH_MB = 200
# Of malloc.h, glibc.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
# Of sys/prctl.h, Linux.
PR_SET_PDEATHSIG = 1
# Bytes of the largest arrays whose pages are used again: more than any that a job makes. Beside the
# tensors of a network, which are large and of many sizes, a heap would grow with the field.
KEPT, KEPT_BESIDE_TENSORS = 1 << 30, 1 << 25
# Bytes from which on an array has pages of its own.
LARGE = 1 << 18
# Pages that no array uses, by how many bytes they are.
_FREE: dict[int, list[mmap.mmap]] = defaultdict(list)


def start_worker() -> None:
    """Prepare a process that works for a job: one thread, and it ends when the job is killed."""
    reuse_memory()
    zarr.config.set({"threading.max_workers": 1})
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclass(frozen=True)
class Budget:
    """What the scheduler gave to a job.

    Attributes
    ----------
    threads : int
    mem_mb : int
        Megabyte.
    """

    threads: int
    mem_mb: int

    def workers(self, bytes_each: float) -> int:
        """Workers that the memory holds, beside the interpreter and its libraries.

        Parameters
        ----------
        bytes_each : float
            Largest that one worker needs.
        """
        held = int((self.mem_mb - INTERPRETER_MB) * 1e6 / bytes_each)
        return max(1, min(self.threads, held))


def reuse_memory(tensors: bool = False) -> None:
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


def free_bytes(mem_mb: int) -> float:
    """What a job has for pixels, beside the interpreter and its libraries."""
    return (mem_mb - INTERPRETER_MB - TORCH_MB) * 1e6


def off_heap(shape: tuple[int, ...], dtype: npt.DTypeLike) -> np.ndarray[Any, Any]:
    """An array beside the heap, of any content.

    A job reuses the heap's pages (`job.job`), and what outlives a pass of the network must not
    come to lie between them: large tensors would no longer fit in, and memory grow with the field.
    Pages come back when the array is gone; to get new ones from the system takes longer than to
    write to them.
    """
    count = math.prod(shape)
    size = count * np.dtype(dtype).itemsize
    if size < LARGE:
        return np.empty(shape, dtype)
    # Few sizes, so that the pages of one array fit the next; none is held before it is written to.
    size = 1 << (size - 1).bit_length()
    try:
        pages = _FREE[size].pop()
    except IndexError:
        pages = mmap.mmap(-1, size)
    array: np.ndarray[Any, Any] = np.frombuffer(pages, dtype, count)
    gone = weakref.finalize(array, _FREE[size].append, pages)
    gone.atexit = False  # type: ignore[misc]  # a property, which its stub does not know
    return array.reshape(shape)

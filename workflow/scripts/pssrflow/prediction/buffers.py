"""Arrays beside the heap, whose pages are used again."""

import math
import mmap
import weakref
from collections import defaultdict

import numpy as np

# Bytes from which on an array has pages of its own.
LARGE = 1 << 18
# Pages that no array uses, by how many bytes they are.
_FREE = defaultdict(list)


def off_heap(shape, dtype):
    """An array beside the heap, of any content.

    A job reuses the heap's pages (`jobs.job`), and what outlives a pass of the network must not
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
    array = np.frombuffer(pages, dtype, count)
    weakref.finalize(array, _FREE[size].append, pages).atexit = False
    return array.reshape(shape)

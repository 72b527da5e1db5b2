"""Pages of large arrays are used again, and never while somebody sees them."""

import numpy as np
import pytest
from pssrflow.run.memory import LARGE, off_heap


@pytest.mark.parametrize("size", [LARGE // 2, 3 * LARGE + 1, 4 * LARGE])
def test_pages_are_used_again_when_no_array_and_no_view_of_one_uses_them(size):
    first = off_heap((size,), np.uint8)
    first[:] = 1
    view = first[5:10].reshape(1, 5)
    place = first.ctypes.data
    del first
    second = off_heap((size,), np.uint8)
    second[:] = 2
    assert (view == 1).all() and second.ctypes.data != place
    del view
    if size >= LARGE:
        # A smaller array of another type fits the same pages.
        again = off_heap((3, size // 4), np.int8)
        assert again.ctypes.data == place

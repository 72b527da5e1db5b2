"""Where tiles come together: pages are nobody else's, and values become the nearest grey levels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pssrflow.predict.canvas import digitise
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


# The first call compiles.
@settings(deadline=None)
@given(
    seed=st.integers(0, 99),
    corner=st.tuples(st.integers(0, 5), st.integers(0, 5)),
    span=st.floats(1, 70_000, width=32),
    low=st.floats(-100, 1000, width=32),
    dtype=st.sampled_from([np.uint8, np.uint16, np.int16, np.float32]),
)
def test_values_become_the_nearest_grey_levels_that_the_type_holds(seed, corner, span, low, dtype):
    image = np.random.default_rng(seed).uniform(-0.5, 1.5, (9, 11)).astype(np.float32)
    made = np.zeros((4, 6), dtype)
    digitise(image, corner, np.float32(span), np.float32(low), made)
    rows, cols = (slice(c, c + n) for c, n in zip(corner, made.shape))
    grey = image[rows, cols] * np.float32(span) + np.float32(low)
    if dtype == np.float32:
        np.testing.assert_allclose(made, grey, rtol=1e-6)
    else:
        limits = np.iinfo(dtype)
        np.testing.assert_array_equal(made, np.rint(grey).clip(limits.min, limits.max))

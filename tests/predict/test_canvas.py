"""Tiles come together in grey levels: the nearest ones that the data type holds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pssrflow.models.input import Input
from pssrflow.predict.canvas import Canvas, digitise
from pssrflow.predict.maps import SR, STD, Map, pixel_bytes
from pssrflow.predict.order import placed_tiles
from pssrflow.predict.tiles import Cutting


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


@pytest.mark.parametrize("blend", ["none", "linear"])
def test_every_map_has_its_own_type_and_offset(blend):
    maps = (SR, STD, Map("distance", dtype="uint16", offset=False), Map("other", dtype="int16"))
    overlap = 0 if blend == "none" else 4
    cutting = Cutting((16, 16), (0, 0), (1, 32, 32), (1, 32, 32), 2, 1, 16, 0, overlap)
    canvas = Canvas(cutting, Input(((100.0, 300.0),)), maps, "uint8", blend)
    image = np.full((32, 32), 0.5, np.float32)
    [work] = placed_tiles(cutting, dict(enumerate(cutting.blocks((1, 1)))))
    kept = {one.name: canvas.keep(one.name, work, image) for one in maps}
    [(_, pixels)] = canvas.blocks([(work, kept)])
    found = {name: (values.dtype.name, values.max()) for name, values in pixels.items()}
    assert found == {
        "sr": ("uint8", 200),
        "std": ("float32", 100),
        "distance": ("uint16", 100),
        "other": ("int16", 200),
    }
    assert pixel_bytes(maps, "uint8") == 1 + 4 + 2 + 2

"""What strata are told by is the mean level and slope of what LR pixels cover."""

import numpy as np
import pytest
from pssrflow.trust.layers import layers


@pytest.mark.parametrize(("shape", "scale"), [((32, 24), 4), ((8, 6), 2), ((5, 7), 1)])
def test_level_and_slope_are_those_of_numpy(shape, scale, rng):
    sr = rng.random(shape, np.float32)
    level, slope = layers(sr, scale)
    steep = np.hypot(*np.gradient(sr.astype(float)))
    for found, fine in ((level, sr), (slope, steep)):
        height, width = (n // scale for n in shape)
        wanted = fine.reshape(height, scale, width, scale).mean((1, 3))
        np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_one_pixel_has_a_level_and_no_slope():
    level, slope = layers(np.full((1, 1), 0.5, np.float32), 1)
    assert level == 0.5 and slope == 0

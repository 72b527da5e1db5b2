"""Grey levels become what a network sees by constants of the acquisition, and come back."""

import numpy as np
import pytest
from pssrflow.models.input import Input
from pssrflow.volumes.intensity import Intensity, Range

INTENSITY = Intensity(
    (Range(0.0, 4095.0, 0.0), Range(9.0, 4104.0, 0.0)), ((100.3, 3000.9), (7.0, 8.0))
)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32])
@pytest.mark.parametrize("channel", [0, 1])
def test_one_formula_scales_every_dtype_to_the_last_bit(dtype, channel, rng):
    given = Input.of(INTENSITY)
    values = rng.integers(0, 200, (9, 11)).astype(dtype)
    low, high = INTENSITY.windows[channel]
    expected = (values.astype(np.float32) - np.float32(low)) / np.float32(high - low)
    made = given.scaled(values, channel)
    assert made.dtype == np.float32
    np.testing.assert_array_equal(made, expected)
    out = np.empty((9, 11), np.float32)
    assert given.scaled(values, channel, out=out) is out
    np.testing.assert_array_equal(out, expected)


def test_span_and_offset_lead_back(rng):
    given, values = Input.of(INTENSITY), rng.integers(0, 4095, (9, 11)).astype(np.uint16)
    grey = given.scaled(values, 0) * np.float32(given.span(0)) + np.float32(given.offset(0))
    np.testing.assert_array_equal(np.rint(grey), values)


def test_a_network_may_see_all_that_the_detector_records():
    given = Input.of(INTENSITY, "range")
    assert given.windows == ((0.0, 4095.0), (9.0, 4104.0))
    assert (given.offset(1), given.span(1)) == (9.0, 4095.0)

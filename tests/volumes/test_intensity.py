"""Histograms and scaling constants, for every dtype that a store may have."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pssrflow.volumes.intensity import Histogram, Intensity, detector_range, to_dtype


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
@given(data=st.data())
def test_percentiles_of_integers_are_exact_however_the_data_arrive(dtype, data):
    values = data.draw(hnp.arrays(dtype, st.integers(1, 200)))
    q = data.draw(st.floats(0, 100))
    histogram = Histogram(dtype)
    for piece in np.array_split(values, min(3, len(values))):
        histogram.add(piece)
    assert histogram.percentile(q) == np.percentile(values, q, method="inverted_cdf")


@given(hnp.arrays(np.float32, 100, elements=st.floats(-1e6, 1e6, width=32)), st.floats(0, 100))
def test_percentiles_of_floats_are_within_half_a_percent(values, q):
    histogram = Histogram(np.float32)
    histogram.add(values)
    expected = np.percentile(values, q, method="inverted_cdf")
    assert histogram.percentile(q) == pytest.approx(expected, rel=2**-7, abs=1e-30)


@pytest.mark.parametrize(
    ("dtype", "minimum", "maximum", "expected"),
    [
        ("uint8", 3, 90, (0, 255)),
        ("uint16", 100, 4090, (0, 4095)),
        ("uint16", 0, 4096, (0, 8191)),
        ("uint16", 0, 65535, (0, 65535)),
        ("uint16", 0, 0, (0, 255)),
        ("int16", -120, 3000, (-120, 4095)),
        ("float32", 0.1, 0.9, (0, 0.9)),
        ("float32", -2.0, 5.0, (-2, 5)),
    ],
)
def test_detector_range_takes_the_fewest_bits_that_hold_the_data(dtype, minimum, maximum, expected):
    assert detector_range(dtype, minimum, maximum) == pytest.approx(expected)


def test_a_flat_channel_still_has_a_window_that_can_be_divided_by():
    histogram = Histogram(np.uint8)
    histogram.add(np.full(10, 7, np.uint8))
    low, high = Intensity.measure([histogram], (1, 99)).windows[0]
    assert low == 7 and high > low


def test_values_are_rounded_and_clipped_as_a_digitiser_does():
    values = np.array([-3, 0.5, 1.5, 254.6, 300], np.float32)
    np.testing.assert_array_equal(to_dtype(values, np.uint8, 0, 255), [0, 0, 2, 255, 255])
    np.testing.assert_array_equal(to_dtype(values, np.float32, 0, 255), np.clip(values, 0, 255))

"""Histograms and scaling constants, for every dtype that a store may have."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pssrflow.volumes.intensity import Histogram, Intensity, to_dtype


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
def test_the_range_takes_the_fewest_bits_that_hold_the_data(dtype, minimum, maximum, expected):
    found = measured(np.array([minimum, maximum], dtype)).ranges[0]
    assert found == pytest.approx((*expected, expected[0]))


def measured(*channels, **known):
    """Constants of channels with these values."""
    histograms = [Histogram(values.dtype) for values in channels]
    for histogram, values in zip(histograms, channels, strict=True):
        histogram.add(values)
    return Intensity.measure(histograms, (1, 99), **known)


def spread(low, high, dtype=np.uint16, more=()):
    return np.concatenate([np.linspace(low, high, 100_000), more]).astype(dtype)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        # Signed pixels that were saved as unsigned ones.
        (spread(32991, 36863), (32994, 32994 + 4095, 0)),
        (spread(-32000, -28600, np.int16), (-31996, -31996 + 4095, -32000)),
        # Padding, and a dead or hot pixel, change nothing.
        (spread(500, 900, more=[0] * 9000), (500, 500 + 511, 0)),
        (spread(500, 900, more=[1, 65535]), (500, 65535, 0)),
        # Nearer to 0 than to each other: a dark specimen, or a contrast that hides black.
        (spread(100, 4000), (0, 4095, 0)),
        (spread(60, 250, np.uint8), (0, 255, 0)),
        (spread(1000.0, 1001.0, np.float32), (1000.0, 1001.0, 0)),
        # Nothing but black.
        (np.zeros(9, np.uint16), (0, 255, 0)),
        (np.zeros(9, np.float32), (0, 2**-23, 0)),
    ],
)
def test_black_is_not_0_where_grey_levels_lie_far_from_it(values, expected):
    assert measured(values).ranges[0] == pytest.approx(expected, rel=2**-7)


def test_black_is_that_of_each_channel_and_can_be_given():
    dim, offset = spread(0, 50), spread(30_000, 31_000)
    found = measured(dim, offset)
    assert [r.black for r in found.ranges] == [0, 30_000]
    assert [r.span for r in found.ranges] == [1023, 1023]
    assert measured(dim, offset, black=20.0).ranges[0][:2] == (20, 20 + 32767)


def test_constants_come_back_from_json_and_from_that_of_earlier_stores():
    intensity = measured(spread(0, 50), spread(30_000, 31_000))
    assert Intensity.from_json(intensity.to_json()) == intensity
    earlier = {"range": [-5, 255], "windows": [[0, 9], [1, 8]]}
    assert Intensity.from_json(earlier).ranges == ((-5, 255, -5),) * 2


def test_a_flat_channel_still_has_a_window_that_can_be_divided_by():
    histogram = Histogram(np.uint8)
    histogram.add(np.full(10, 7, np.uint8))
    low, high = Intensity.measure([histogram], (1, 99)).windows[0]
    assert (low, high) == (0, 7)


def test_values_are_rounded_and_clipped_as_a_digitiser_does():
    values = np.array([-3, 0.5, 1.5, 254.6, 300], np.float32)
    np.testing.assert_array_equal(to_dtype(values, np.uint8, 0, 255), [0, 0, 2, 255, 255])
    np.testing.assert_array_equal(to_dtype(values, np.float32, 0, 255), np.clip(values, 0, 255))

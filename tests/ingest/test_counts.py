"""Counts of a counting detector, shared out into two scans."""

import numpy as np
import pytest
import tifffile
from acquisitions import opened, whole
from hypothesis import given
from hypothesis import strategies as st
from pssrflow.errors import InputError
from pssrflow.ingest.readers.counts import Half
from pssrflow.volumes.regions import parse_counts

FIRST, SECOND = (Half(1.0, 0.0, second, "7 a") for second in (False, True))
PLACE = (0, 0, 3, 5, 11)


def test_halves_are_all_of_the_counts_and_none_twice(rng):
    counts = rng.poisson(30, (40, 50)).astype(np.uint16)
    first, second = (half.taken(counts, PLACE) for half in (FIRST, SECOND))
    assert first.dtype == np.uint16 and not (first % 2).any()
    np.testing.assert_array_equal(first // 2 + second // 2, counts)


@pytest.mark.parametrize("mean", [0.3, 20.0, 500.0])
def test_halves_of_poisson_counts_are_independent_poisson_counts(mean, rng):
    counts = rng.poisson(mean, (400, 400)).astype(np.uint16)
    first, second = (half.taken(counts, PLACE) / 2.0 for half in (FIRST, SECOND))
    # Standard errors of a mean, a variance and a correlation of 160,000 pixels.
    pixels = counts.size
    for half in (first, second):
        assert half.mean() == pytest.approx(mean / 2, abs=5 * np.sqrt(mean / pixels))
        spread = np.sqrt((mean / 2 + mean**2 / 2) / pixels)
        assert half.var() == pytest.approx(mean / 2, abs=5 * spread)
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 5 / np.sqrt(pixels)


@given(st.data())
def test_a_pixel_is_shared_out_alike_however_a_plane_is_cut(data):
    counts = np.random.default_rng(0).poisson(90, (30, 40)).astype(np.uint8)
    made = FIRST.taken(counts, (0, 1, 2, 0, 0))
    y, x = (data.draw(st.integers(0, n - 1)) for n in counts.shape)
    height, width = (data.draw(st.integers(1, 30)) for _ in range(2))
    part = FIRST.taken(counts[y : y + height, x : x + width], (0, 1, 2, y, x))
    np.testing.assert_array_equal(part, made[y : y + height, x : x + width])


@pytest.mark.parametrize("other", [(1, 0, 3, 5, 11), (0, 0, 4, 5, 11), (0, 1, 3, 5, 11)])
def test_no_two_planes_are_shared_out_alike(other, rng):
    counts = np.full((100, 100), 40, np.uint8)
    planes = [FIRST.taken(counts, place).ravel().astype(float) for place in (PLACE, other)]
    again = Half(1.0, 0.0, False, "7 b").taken(counts, PLACE).ravel().astype(float)
    for values in (planes[1], again):
        assert abs(np.corrcoef(planes[0], values)[0, 1]) < 0.05


def test_halves_are_as_bright_as_the_whole_and_cut_off_where_it_ends(rng):
    counts = rng.poisson(60, (200, 200))
    grey = np.minimum(2.0 * counts + 10, 255).astype(np.uint8)
    made = Half(2.0, 10.0, False, "").taken(grey, PLACE)
    assert made.mean() == pytest.approx(grey.mean(), abs=1) and made.min() >= 10
    bright = Half(1.0, 0.0, False, "").taken(np.full((50, 50), 250, np.uint8), PLACE)
    assert bright.max() == 255
    below = Half(1.0, 100.0, False, "").taken(np.full((3, 3), 60, np.uint8), PLACE)
    assert (below == 100).all()


def test_a_crop_shares_out_what_the_whole_image_does(tmp_path, rng):
    counts = rng.poisson(20, (3, 40, 50)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", counts, photometric="minisblack")
    said = {"counts": "1", "half": 1, "key": "7 a", "axes": "ZYX"}
    full = whole(tmp_path / "a.tif", **said)
    part = whole(tmp_path / "a.tif", **said, crop="1:3, 7:30, 10:")
    np.testing.assert_array_equal(part, full[..., 1:3, 7:30, 10:])
    assert "second half of its counts" in opened(tmp_path / "a.tif", **said).notes[-1]


def test_what_a_count_is_may_have_a_dark_level():
    assert parse_counts("1") == (1.0, 0.0)
    assert parse_counts(" 2.5, 100 ") == (2.5, 100.0)


@pytest.mark.parametrize("text", ["", "0", "-1", "a", "1, 2, 3", "2,", "nan", "1;2", "inf"])
def test_what_no_count_can_be_is_refused_with_what_is_accepted(text):
    with pytest.raises(InputError, match=r"counts: .* Accepted: grey levels of one count"):
        parse_counts(text)


def test_what_is_no_number_stays_none_and_is_refused_by_whoever_reads_it():
    values = np.array([[np.nan, 4.0], [np.inf, 9.0]], np.float32)
    made = [half.taken(values, PLACE) for half in (FIRST, SECOND)]
    for half in made:
        assert np.isnan(half[0, 0]) and np.isinf(half[1, 0])
    np.testing.assert_array_equal((made[0] + made[1])[:, 1] / 2, [4, 9])
    with pytest.raises(InputError, match="counts: a pixel of 1e\\+20 counts"):
        FIRST.taken(np.full((2, 2), 1e20, np.float32), PLACE)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((3.0, 0.0), "of the pixels are between two counts"),
        ((2.5, 0.0), "of the pixels are between two counts"),
        ((2.0, 250.0), "of the pixels are darker than none"),
        ((2.0, -500.0), "of the variance that such counts have"),
    ],
)
def test_counts_that_cannot_be_are_refused(given, said, rng):
    grey = (100 + 2 * rng.poisson(60, (256, 256))).astype(np.uint16)
    assert Half(2.0, 100.0, False, "").checked(grey) is None
    with pytest.raises(InputError, match=f"counts: one count of {given[0]:g} grey levels.*{said}"):
        Half(*given, False, "").checked(grey)


def test_counts_of_long_integers_which_are_kept_as_floats_may_be_rounded(rng):
    grey = np.rint(2.5 * rng.poisson(60, (256, 256)))
    assert Half(2.5, 0.0, False, "").checked(grey.astype(np.float32)) is None


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32])
def test_counts_of_any_data_type_are_taken_for_counts(dtype, rng, tissue):
    mean = tissue((1, 1, 1, 256, 256), np.float32)[0, 0, 0] * 40 + 5
    for gain, dark in ((1.0, 0.0), (2.5, 10.0)):
        grey = dark + gain * rng.poisson(mean)
        grey = grey if dtype == np.float32 else np.rint(grey)
        half = Half(gain, dark, False, "")
        assert half.checked(grey.astype(dtype)) is None
        assert half.taken(grey.astype(dtype), PLACE).dtype == dtype


def test_an_image_of_few_counts_says_too_little_of_its_noise(rng):
    assert FIRST.checked(rng.poisson(0.4, (256, 256)).astype(np.uint8)) is None
    assert FIRST.checked(np.zeros((20, 20), np.uint8)) is None


def test_noise_of_another_kind_is_noted(rng):
    analogue = (100 + 25 * rng.standard_normal((256, 256))).astype(np.uint8)
    assert "times the variance of counts" in FIRST.checked(analogue)


def test_counts_that_cannot_be_are_refused_with_the_file(tmp_path, rng):
    tifffile.imwrite(tmp_path / "a.tif", rng.poisson(20, (300, 400)).astype(np.uint16))
    with pytest.raises(InputError, match=r"a\.tif, counts: one count of 3 grey levels"):
        opened(tmp_path / "a.tif", counts="3", half=0, key="")

"""The baselines that a network must beat, and how the width of the smoothed one is chosen."""

import functools

import numpy as np
import pytest
from pssrflow.evaluate.baselines import (
    WIDTHS,
    Filtered,
    choose,
    mean_level,
    plain,
    smoothed,
)
from pssrflow.run.files import read_json
from pssrflow.volumes.interpolation import interpolate
from pssrflow.volumes.store import Store
from scipy import ndimage

PLANE = (0, 0, 0)


def of(hr, lr):
    return {"sample": "a", "hr": str(hr), "lr": str(lr), "acquired": False, "mask": None}


@pytest.fixture
def noisy(make_store, tissue, rng):
    """An HR store, and a function that gives an LR store of scale 2 with noise."""
    hr = tissue((1, 1, 1, 300, 340), sigma=4)

    def make(noise, name="lr"):
        mean = hr.reshape(1, 1, 1, 150, 2, 170, 2).mean((4, 6))
        values = (mean + noise * rng.standard_normal(mean.shape)).clip(0, 255).astype(np.uint8)
        return make_store(values, name)

    return make_store(hr), make


def test_the_width_grows_with_the_noise_and_beats_plain_interpolation(noisy, tmp_path):
    hr, make = noisy
    found = []
    for number, noise in enumerate((0, 10, 40)):
        done = tmp_path / f"{number}.json"
        choose([of(hr, make(noise, str(number)))], 2, done)
        found.append(read_json(done))
    assert found[0]["width"] < found[1]["width"] < found[2]["width"]
    best = found[2]["psnr_gain"][WIDTHS.index(found[2]["width"])]
    assert best == max(found[2]["psnr_gain"]) > 3


def test_without_rows_to_learn_from_the_width_is_half_an_lr_pixel(tmp_path):
    choose([], 4, tmp_path / "done")
    assert read_json(tmp_path / "done")["width"] == 2


def test_a_rectangle_is_smoothed_as_the_whole_plane(noisy):
    lr = Store(noisy[1](20))
    whole = smoothed(lr, PLANE, slice(0, 300), slice(0, 340), 2, 3.3)
    part = smoothed(lr, PLANE, slice(37, 120), slice(250, 333), 2, 3.3)
    np.testing.assert_allclose(part, whole[37:120, 250:333], atol=1e-3)
    values = lr.level()[0, 0, 0].astype(np.float32)
    rows, cols = slice(0, 150), slice(0, 170)
    blur = functools.partial(ndimage.gaussian_filter, sigma=1.65, mode="nearest")
    blurred = Filtered(lr, blur, 7).reader()(PLANE, rows, cols)
    np.testing.assert_allclose(blurred, ndimage.gaussian_filter(values, 1.65, mode="nearest"))
    plainly = interpolate(lr, PLANE, slice(0, 300), slice(0, 340), 2)
    np.testing.assert_array_equal(smoothed(lr, PLANE, slice(0, 300), slice(0, 340), 2, 0), plainly)


def test_the_constant_is_the_mean_of_the_plane(noisy):
    lr = Store(noisy[1](20))
    assert mean_level(lr, PLANE) == pytest.approx(lr.level()[0, 0, 0].mean())


def test_nothing_is_interpolated_at_scale_1():
    assert (plain(1), plain(2)) == ("input", "bicubic")

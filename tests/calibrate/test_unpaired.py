"""Noise of fast scans without any pair: of LR images of other fields, or of the HR images."""

import numpy as np
import pytest
from pssrflow.calibrate.scanner.unpaired import Image, fit_unpaired
from pssrflow.crappify.kernels import Downsampling

SCALE = 4
AREA = Downsampling(SCALE, "area")


@pytest.fixture
def field(tissue):
    """A noise-free field, of another place each time."""
    return lambda: tissue((1024, 1024), sigma=12).astype(np.float32) * 0.6 + 30


def scanned(mean, count_gain, read_noise, rng):
    noisy = count_gain * rng.poisson(mean / count_gain) + read_noise * rng.standard_normal(
        mean.shape
    )
    return noisy.astype(np.float32)


@pytest.mark.parametrize(("gain", "offset"), [(1.0, 0.0), (0.6, 25.0)])
def test_lr_images_of_other_fields_tell_noise_gain_and_offset(gain, offset, field, rng):
    hr = [Image("a", scanned(field(), 0.2, 1, rng), 0.0)]
    coarse = field().reshape(256, SCALE, 256, SCALE).mean((1, 3))
    lr = scanned(gain * coarse, 1.5, 3, rng) + offset
    found = fit_unpaired([Image("b", lr, 0.0)], hr, AREA, 0.0, 0)
    value = {name: found.parameters[name].value for name in ("gain", "offset")}
    assert value["gain"] == pytest.approx(gain, rel=0.2)
    assert value["offset"] == pytest.approx(offset, abs=12)
    # Where the images are as bright as they are, the noise that is added is that which was planted.
    level = float(lr.mean()) - value["offset"]
    added = found.effective["count_gain"] * level + found.effective["read_noise"] ** 2
    survives = gain**2 * (0.2 * coarse.mean() + 1) / SCALE**2
    # An upper bound: fine structure counts as noise, the more the lower the contrast is.
    assert added == pytest.approx(1.5 * gain * coarse.mean() + 9 - survives, rel=0.3)
    assert found.verdict == "cannot be checked"


def test_hr_images_alone_give_a_pixel_of_the_fast_scan_their_own_noise(field, rng):
    hr = [Image(name, scanned(field(), 0.8, 2, rng), 0.0) for name in "ab"]
    found = fit_unpaired([], hr, AREA, 0.0, 0)
    assert (found.parameters["gain"].value, found.parameters["offset"].value) == (1, 0)
    level = float(hr[0].grey.mean())
    added = found.effective["count_gain"] * level + found.effective["read_noise"] ** 2
    assert added == pytest.approx((0.8 * level + 4) * (1 - 1 / SCALE**2), rel=0.15)


def test_what_is_added_is_said_and_so_is_noise_that_no_detector_has(field, rng):
    """Fine structure in the dark: the variance falls with the grey level."""
    clean = field()
    bumpy = clean + rng.standard_normal(clean.shape) * np.clip(150 - clean, 0, None) * 0.3
    found = fit_unpaired([], [Image("a", bumpy.astype(np.float32), 0.0)], AREA, 0.0, 0)
    used = found.effective
    assert used["count_gain"] == 0 and found.parameters["count_gain"].value < 0
    said = " ".join(found.notes)
    assert f"count_gain 0, read_noise {used['read_noise']:.3g}" in said
    assert "as that of no detector does" in said
    usual = fit_unpaired([], [Image("a", scanned(clean, 0.8, 2, rng), 0.0)], AREA, 0.0, 0)
    assert "as that of no detector does" not in " ".join(usual.notes)


def test_fields_of_other_content_tell_where_black_is(field, rng):
    """An LR field that is dark background for the most part; of the HR field it is a tenth."""
    bright = np.where(np.arange(1024) < 920, field(), 30)
    hr = [Image("a", scanned(bright, 0.2, 0.3, rng), 0.0)]
    coarse = np.where(np.arange(256) < 64, field()[::SCALE, ::SCALE], 30)
    found = fit_unpaired([Image("b", scanned(coarse, 1.5, 0.3, rng), 0.0)], hr, AREA, None, 0)
    value = {name: found.parameters[name].value for name in ("dark", "gain", "offset")}
    # Grey levels of the means would put black, and all that is below it, at a third of white.
    at_black = value["gain"] * (30 - value["dark"]) + value["offset"]
    assert at_black == pytest.approx(30, abs=6)
    assert value["dark"] < 25

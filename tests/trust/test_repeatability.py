"""How finely predictions of independent LR images agree: cases whose length is known."""

import numpy as np
import pytest
from pssrflow.crappify.chain import Crappifier
from pssrflow.pairs.field import open_field
from pssrflow.trust.repeatability import agreement, scanned_again


def limited(rng, side, length):
    """White noise of frequencies below one in `length` pixels."""
    radius = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side))
    spectrum = np.fft.rfft2(rng.standard_normal((side, side))) * (radius < 1 / length)
    made = np.fft.irfft2(spectrum, (side, side))
    return made / made.std()


@pytest.mark.parametrize("length", [3.0, 6.0])
@pytest.mark.parametrize("side", [256, 187])
def test_what_is_shared_up_to_a_frequency_agrees_down_to_its_length(length, side, rng):
    pairs = []
    for _ in range(8):
        signal = limited(rng, side, length)
        pairs.append(tuple(signal + rng.standard_normal(signal.shape) for _ in range(2)))
    assert agreement(pairs) == pytest.approx(length, rel=0.1)


def test_equal_predictions_agree_in_every_pixel_and_unlike_ones_in_nothing(rng):
    one = rng.standard_normal((16, 64, 64))
    assert agreement([(image, image) for image in one]) == pytest.approx(2)
    found = agreement(list(zip(one[:8], one[8:])))
    assert found is None or found > 10


def test_no_length_without_pairs_that_show_something(rng):
    flat, image = np.zeros((64, 64)), rng.standard_normal((64, 64))
    assert agreement([]) is None and agreement([(flat, image)]) is None
    assert agreement([(image[:8], image[:8])]) is None


def test_another_scan_has_the_same_specimen_and_other_noise(pictures, make_store, rng):
    hr = pictures(1, 256)
    mean = hr[0, 0, 0].reshape(64, 4, 64, 4).mean((1, 3))
    stores = make_store(hr, "hr"), make_store(mean.astype(np.uint8)[None, None, None], "lr")
    field = open_field("a", *stores, False, 4)
    noise = [{"name": "gaussian", "intensity": 6}]
    crappifier = Crappifier.from_config(scale=4, downsample="bilinear", noise=noise)
    box = slice(0, 64), slice(8, 64)
    one, other = (
        scanned_again(field, crappifier, seed, (0, 0, 0), box).astype(float) for seed in (0, 1)
    )
    assert (one - other).std() == pytest.approx(np.sqrt(2) * 6, rel=0.05)
    assert (one + other).mean() / 2 == pytest.approx(mean[:, 8:].mean(), abs=0.5)


def test_a_promise_tells_how_finely_crappified_rows_repeat(promise_of):
    # Noise of 6 grey levels hides the finest detail of what was smoothed by 5 pixels; were one of
    # both LR images without it, the length would be 10.1.
    assert promise_of().about["repeatable_px"] == pytest.approx(11.3, abs=0.5)

"""How finely predictions of independent LR images agree: cases whose length is known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from pssrflow.crappify.chain import Crappifier
from pssrflow.networks.registry import build
from pssrflow.pairs.field import open_field
from pssrflow.pairs.patches import Drawing
from pssrflow.predict.inference import Inference
from pssrflow.trust.learn import Learner
from pssrflow.trust.promise import Promise
from pssrflow.trust.repeatability import agreement, scanned_again
from pssrflow.volumes.store import Store


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
    # Noise of 6 grey levels hides the finest detail of what was smoothed by 5 pixels.
    assert 4 < promise_of().about["repeatable_px"] < 40


def test_what_is_predicted_again_has_noise_of_its_own(pictures, make_store):
    hr = pictures(1, 256)
    lr = make_store(np.ascontiguousarray(hr[..., ::4, ::4]), "lr")
    field = replace(open_field("a", make_store(hr, "hr"), lr, False, 4), lr=Store(lr))
    inference = Inference(build("bicubic", 4, {}, 1), torch.device("cpu"), "32")
    noise = [{"name": "gaussian", "intensity": 6}]
    crappify = {"scale": 4, "downsample": "bilinear", "noise": noise}
    learner = Learner(inference, Promise.nothing(0.9, "window", crappify), Drawing(), 0)
    block = field.seen_by("window"), (0, 0, 0), slice(0, 32), slice(0, 32)
    one, other = (replace(learner, seed=seed)._again(*block) for seed in (0, 1))
    low, high = field.lr_intensity.windows[0]
    # Interpolation leaves some of the noise of both.
    assert 4 < (one - other).std() * (high - low) < 6 * np.sqrt(2)

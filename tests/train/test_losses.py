"""Losses: those that PSSR2 has give its values; weights count as they say.

tests/data/pssr2_losses.json was made by benchmarks/pssr2/losses.py, which runs PSSR2 itself.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from pssrflow.plugins import choices, load
from pssrflow.train.losses import Loss

LOSSES = {name: load(f"pssrflow.train.losses:{name}") for name in choices("pssrflow.train.losses")}
REFERENCE = json.loads(
    Path(__file__).parents[1].joinpath("data").joinpath("pssr2_losses.json").read_text()
)
OF_PSSR2 = ("ms_ssim_l1", "ms_ssim", "ssim", "gaussian_l1")


def images(count, height, width):
    n, y, x = np.ogrid[:count, :height, :width]
    truth = 0.5 + 0.25 * np.sin(x / 3 + n) * np.cos(y / 5) + 0.2 * np.sin(x * y / 400)
    predicted = truth + 0.08 * np.sin(x * 1.7 + y * 2.3 + n)
    made = (np.clip(i, 0, 1).astype(np.float32)[:, None] for i in (predicted, truth))
    return tuple(map(torch.from_numpy, made))


@pytest.mark.parametrize("entry", REFERENCE, ids=lambda e: str(e["shape"]))
@pytest.mark.parametrize("loss", OF_PSSR2)
def test_losses_of_pssr2_have_its_values(entry, loss):
    found = LOSSES[loss](*images(*entry["shape"])).item()
    assert found == pytest.approx(entry[loss], abs=5e-6)


@pytest.mark.parametrize("loss", OF_PSSR2)
def test_channels_count_as_images_do(loss):
    predicted, truth = images(3, 176, 176)
    channels = LOSSES[loss](predicted.transpose(0, 1), truth.transpose(0, 1))
    torch.testing.assert_close(channels, LOSSES[loss](predicted, truth))


@pytest.mark.parametrize("loss", LOSSES)
def test_the_truth_itself_is_the_smallest_loss(loss):
    predicted, truth = images(1, 176, 176)
    assert LOSSES[loss](truth, truth).item() == pytest.approx(0, abs=0.011)
    assert LOSSES[loss](truth, truth) < LOSSES[loss](predicted, truth)


@pytest.mark.parametrize("loss", LOSSES)
def test_weights_of_one_change_nothing_and_larger_ones_pull(loss):
    predicted, truth = images(1, 176, 176)
    plain = LOSSES[loss](predicted, truth)
    weight = torch.ones_like(truth)
    torch.testing.assert_close(LOSSES[loss](predicted, truth, weight), plain)
    if "ssim" not in loss:
        assert LOSSES[loss](predicted, truth, 2 * weight) > plain


def test_several_losses_are_summed_with_their_weights():
    pair = images(1, 64, 64)
    expected = 2 * LOSSES["mse"](*pair) + 0.1 * LOSSES["fourier"](*pair)
    torch.testing.assert_close(Loss({"mse": 2, "fourier": 0.1})(*pair), expected)


def test_small_patches_have_fewer_scales_of_the_same_sum_and_it_is_said():
    exponents = [load("pssrflow.train.losses:_scale_exponents")(size) for size in (161, 160, 60)]
    assert [len(found) for found in exponents[:2]] == [5, 4]
    assert sum(exponents[2]) == pytest.approx(1, abs=1e-3)
    assert Loss("ms_ssim_l1").note(192) is None
    assert "4 instead of 5 scales" in Loss("ms_ssim_l1").note(160)
    assert Loss("mse").note(8) is None

"""The width network says the same without torch, of whatever part of an image."""

import numpy as np
import pytest
import torch
from pssrflow.trust.head import LEAST, MOST, REACH, Head


def head_of(specimen):
    torch.manual_seed(0)
    return Head(specimen).eval().requires_grad_(False)


@pytest.mark.parametrize("specimen", [False, True])
@pytest.mark.parametrize("shape", [(70, 45), (1, 1), (2, 9), (3, 1)])
def test_scales_are_those_of_torch(shape, specimen, rng):
    head, given = head_of(specimen), [3 * rng.random(shape, np.float32) - 1 for _ in range(3)]
    with torch.inference_mode():
        logs = head(*(torch.from_numpy(values)[None, None] for values in given))[0]
    wanted = logs.exp().clamp(LEAST, MOST).numpy()
    found = head.scales(*given)
    assert found.dtype == np.float32 and found.shape == (1 + specimen, *shape)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_a_part_of_an_image_has_the_same_scales_to_the_bit(rng):
    head, given = head_of(True), [rng.random((90, 80), np.float32) for _ in range(3)]
    part, rim = np.s_[20:60, 30:70], np.s_[20 - REACH : 60 + REACH, 30 - REACH : 70 + REACH]
    alone = head.scales(*(values[rim] for values in given))[:, REACH:-REACH, REACH:-REACH]
    np.testing.assert_array_equal(alone, head.scales(*given)[:, *part])

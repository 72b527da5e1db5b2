"""A restored image that is unlike those learnt from is said to be."""

import numpy as np
import pytest
from pssrflow.report.domain import differences
from pssrflow.run.layout import Sample

SAMPLES = [Sample("learnt", "train"), Sample("asked", "predict")]


@pytest.fixture
def lr(make_store, tissue, rng, layout):
    """Function that writes the LR image of a sample, with noise of some grey levels."""
    clean = tissue((1, 1, 1, 128, 128), sigma=6)

    def write(sample, nm, noise):
        values = np.clip(clean * 0.6 + 50 + rng.normal(0, noise, clean.shape), 0, 255)
        size = (None, nm and nm / 1000, nm and nm / 1000)
        make_store(values.astype(np.uint8), f"results/{sample}/lr", pixel_size=size)

    return write


@pytest.mark.parametrize(
    ("nm", "noise", "said"),
    [
        (18.4, 6, []),
        (1040, 6, ["LR pixels of 1040 nm; the networks learnt from LR pixels of 18.4 nm"]),
        (9, 6, ["LR pixels of 9 nm"]),
        (18.4, 20, ["too noisy"]),
        (18.4, 0.5, ["too smooth"]),
        (None, 6, ["The pixel size of this image is not known"]),
    ],
)
def test_other_pixels_and_other_noise_than_were_learnt_are_said(nm, noise, said, lr, layout):
    lr("learnt", 18.4, 6)
    lr("asked", nm, noise)
    found = differences(layout, SAMPLES).get("asked", [])
    assert len(found) == len(said)
    assert all(part in text for part, text in zip(said, found)), found


def test_nothing_is_said_where_nothing_was_learnt_in_this_run(lr, layout):
    lr("asked", 1040, 6)
    assert differences(layout, SAMPLES[1:]) == {}

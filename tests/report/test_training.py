"""What the report says of a training."""

import math

from pssrflow.report.training import training_of


def test_a_training_that_still_rises_says_so(model, layout):
    model("slow", losses=[0.1] * 10, psnr=[20 + 0.1 * i for i in range(10)])
    found = training_of(layout, "slow")
    assert found.trained and found.picture is not None
    assert found.last["step"] == 100 and found.last["loss"] == 0.1
    assert "still rose by 0.20 dB" in found.text
    assert "100 steps, 14.3 passes over the training pixels, 10.0 minutes" in found.text


def test_a_training_that_has_settled_says_nothing_more(model, layout):
    model("done", losses=[0.1] * 10, psnr=[20.0] * 10)
    assert "still rose" not in training_of(layout, "done").text


def test_weights_that_were_not_trained_here_have_no_curve(model, layout):
    model("adopted", losses=[math.nan], psnr=[21.0])
    found = training_of(layout, "adopted")
    assert not found.trained and found.picture is None
    assert "Not trained in this run" in found.text

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


def test_a_short_training_is_judged_by_the_curve_between_its_validations(model, layout):
    model("short", losses=[0.1] * 2, psnr=[20.0, 22.0])
    # Steps 10 and 20; a rise of 2 dB in 10 steps is one of 0.8 in the last fifth.
    assert "still rose by 0.80 dB" in training_of(layout, "short").text
    model("once", losses=[0.1], psnr=[20.0])
    assert "validated once: whether it still rises, nobody" in training_of(layout, "once").text
    model("never", losses=[0.1] * 3, psnr=[math.nan] * 3)
    found = training_of(layout, "never").text
    assert "still" not in found


def test_a_training_that_has_settled_says_nothing_more(model, layout):
    model("done", losses=[0.1] * 10, psnr=[20.0] * 10)
    assert "still rose" not in training_of(layout, "done").text


def test_weights_that_were_not_trained_here_have_no_curve(model, layout):
    model("adopted", losses=[math.nan], psnr=[21.0])
    found = training_of(layout, "adopted")
    assert not found.trained and found.picture is None
    assert "Not trained in this run" in found.text

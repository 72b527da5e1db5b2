"""Schedules: a warm-up, then a fall to a hundredth at most."""

import pytest
from pssrflow.plugins import choices
from pssrflow.train.schedules import FLOOR, LearningRate, Moment
from pssrflow.train.settings import Settings

LATE = Moment(spent=1.0, epoch=1000.0, drops=1000)


@pytest.mark.parametrize("schedule", choices("pssrflow.train.schedules"))
def test_the_step_size_warms_up_and_keeps_a_hundredth(schedule):
    rate = LearningRate(Settings(schedule=schedule, learning_rate=1, warmup=10))
    assert rate(4, Moment(0.0, 0.0, 0)) == pytest.approx(0.5)
    assert rate(9, Moment(0.0, 0.0, 0)) == pytest.approx(1)
    assert rate(10**6, LATE) == pytest.approx(1.0 if schedule == "constant" else FLOOR)


def test_only_what_decides_the_result_is_the_identity_of_a_training():
    one = Settings(max_steps=10)
    assert one.identity({"a": 1}) == one.changed(
        max_time="2h", resume=False, preview_every=9
    ).identity({"a": 1})
    assert one.identity({"a": 1}) != one.changed(batch=9).identity({"a": 1})
    assert one.identity({"a": 1}) != one.identity({"a": 2})


def test_devices_share_the_patches_of_a_step():
    recipe = Settings(batch=2, accumulate=3)
    alone = [n for numbers in Settings(batch=4, accumulate=3).numbers(5, 0, 1) for n in numbers]
    both = [n for rank in (0, 1) for numbers in recipe.numbers(5, rank, 2) for n in numbers]
    assert sorted(both) == sorted(alone)

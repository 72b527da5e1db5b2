"""Promises hold on new blocks, and p-values are those of their definition."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pssrflow.trust.conformal import (
    BLOCKS,
    EDGES,
    beyond,
    counted,
    covered,
    discoveries,
    left_out,
    multiplier,
    multipliers,
    p_values,
)


def blocks_of(rng, count, pixels=400, spread=0.4):
    """Histograms of blocks, some of which have larger errors than others."""
    sizes = np.exp(spread * rng.standard_normal(count))
    errors = np.abs(rng.standard_normal((count, pixels)) * sizes[:, None])
    return errors, np.stack([counted(block) for block in errors])


def histograms(rng, size):
    """Those of the three strata of a block, whose errors are of some size."""
    return np.stack([counted(size * np.abs(rng.standard_normal(2000))) for _ in range(3)])


@pytest.mark.parametrize(("count", "level"), [(20, 0.8), (50, 0.9), (200, 0.9)])
def test_new_blocks_keep_the_promise_on_average(count, level):
    """The mean miss over calibrations is at most what was promised, and hardly less than it."""
    rng, missed = np.random.default_rng(count), []
    for _ in range(150):
        errors, histograms = blocks_of(rng, count + 1)
        missed.append((errors[-1] > multiplier(histograms[:-1], level)).mean())
    assert np.mean(missed) <= 1 - level + 2 * np.std(missed) / math.sqrt(len(missed))
    assert np.mean(missed) >= (1 - level) - 1 / (count + 1) - 0.035


def test_too_few_blocks_promise_nothing(rng):
    _, histograms = blocks_of(rng, 8)
    assert multiplier(histograms, 0.9) == math.inf
    assert multiplier(histograms[:0], 0.9) == math.inf
    assert multiplier(np.stack([counted(np.ones(5))] * 8), 0.9) == math.inf
    assert multiplier(np.stack([counted(np.ones(5))] * 9), 0.9) == pytest.approx(1, rel=0.03)


def test_a_larger_share_needs_a_wider_interval(rng):
    _, histograms = blocks_of(rng, 60)
    found = [multiplier(histograms, level) for level in (0.5, 0.8, 0.9, 0.97)]
    assert found == sorted(found) and found[0] < found[-1]


def test_strata_that_few_blocks_hold_are_taken_together(rng):
    errors, flat = blocks_of(rng, 40)
    strata = np.zeros((40, 2, flat.shape[1]), np.int64)
    strata[:, 0] = flat
    # Ten times as large, but in fewer blocks than a promise needs.
    strata[: BLOCKS - 1, 1] = [counted(10 * e) for e in errors[: BLOCKS - 1]]
    low, pooled = multipliers(strata, 0.9)
    assert low < pooled == multiplier(strata.sum(1), 0.9)
    strata[:BLOCKS, 1] = [counted(10 * e) for e in errors[:BLOCKS]]
    assert multipliers(strata, 0.9)[1] > 4 * low


@given(st.lists(st.floats(0, 2000), min_size=1, max_size=50))
@settings(deadline=None)
def test_every_ratio_is_counted_in_its_bin(values):
    found = counted(np.array(values))
    assert found.sum() == len(values)
    for value in values:
        if EDGES[0] < value <= EDGES[-1]:
            one = int(np.flatnonzero(counted(np.array([value])))[0])
            assert EDGES[one] * (1 - 1e-6) <= value <= EDGES[one + 1] * (1 + 1e-6)


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=30), st.integers(-6, 6))
def test_a_p_value_is_the_share_that_is_at_least_as_strange(known, score):
    found = p_values(np.array([score]), np.sort(known))[0]
    assert found == (1 + sum(k >= score for k in known)) / (len(known) + 1)


def test_p_values_of_what_is_alike_are_spread_evenly(rng):
    known = np.sort(rng.standard_normal(500))
    p = p_values(rng.standard_normal(4000), known)
    assert abs((p < 0.1).mean() - 0.1) < 0.04 and abs(p.mean() - 0.5) < 0.04


def test_what_lies_far_beyond_all_that_is_known_is_stranger_than_what_lies_near(rng):
    known = np.sort(rng.chisquare(10, 60))
    inside, near, far = beyond(np.array([known[30], known[-1] * 1.1, known[-1] * 10]), known)
    assert inside == p_values(known[30:31], known)[0]
    assert 1 / 61 > near > far and near > 0.003 and far < 1e-3
    few = known[:5]
    assert beyond(few[-1:] * 10, few)[0] == 1 / 6


def test_discoveries_are_those_of_benjamini_and_hochberg(rng):
    p = np.concatenate([rng.uniform(0, 1, 900), rng.uniform(0, 0.004, 100)])
    levels = np.bincount(np.rint(p * 255).astype(int), minlength=256)
    count, largest = discoveries(levels, 0.1)
    ordered = np.sort(p)
    passed = np.flatnonzero(ordered <= 0.1 * np.arange(1, 1001) / 1000)
    assert abs(count - (passed[-1] + 1)) < 40 and largest < 0.03
    assert discoveries(np.bincount([255] * 50, minlength=256), 0.1) == (0, 0.0)
    assert discoveries(np.zeros(256, int), 0.1) == (0, 0.0)


def test_an_image_that_is_unlike_the_others_is_told_by_leaving_it_out(rng):
    # Errors of the last image are twice as large as its scales say.
    images = np.repeat([0, 1, 2], 15)
    blocks = np.stack([histograms(rng, 1 + (image == 2)) for image in images])
    held = left_out(blocks, images, 0.9)
    assert held[2] < 0.7 and min(held[0], held[1]) > 0.9
    same = left_out(np.stack([histograms(rng, 1) for _ in images]), images, 0.9)
    assert all(0.88 < share < 0.96 for share in same.values())


def test_what_cannot_be_left_out_says_nothing(rng):
    blocks = np.stack([histograms(rng, 1) for _ in range(15)])
    assert left_out(blocks, np.zeros(15, int), 0.9) == {}
    # The one is too small, and the others are too few.
    assert left_out(blocks, np.array([0] * 12 + [1] * 3), 0.9) == {}
    twice = np.concatenate([blocks] * 2)
    assert set(left_out(twice, np.array([0] * 22 + [1] * 8), 0.9)) == {1}
    # Fifteen blocks promise something, but so wide that anything lies within.
    assert left_out(twice, np.array([0] * 15 + [1] * 15), 0.9) == {}


@pytest.mark.parametrize("factor", [0.5, 1.7, 4.0])
def test_what_lies_within_some_factors_is_counted_as_it_was(factor, rng):
    errors = np.abs(rng.standard_normal((3, 20_000)))
    blocks = np.stack([counted(e) for e in errors])[None]
    edge = EDGES[np.searchsorted(EDGES, factor)]
    assert covered(blocks, [edge] * 3) == pytest.approx((errors <= edge).mean(), abs=1e-9)

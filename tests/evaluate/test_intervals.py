"""Intervals over blocks hold as often as they say, alike or not as the blocks are."""

import json
import math

import numpy as np
import pytest
from pssrflow.evaluate.intervals import (
    FEWEST,
    Bootstrap,
    block_sums,
    ends,
    from_json,
    of_few,
    to_json,
    widened,
)
from scipy import ndimage


def test_blocks_count_what_is_known(rng):
    values = rng.standard_normal((500, 700))
    values[:100, :200] = np.nan
    sums = block_sums(values, np.ones_like(values)).sum((0, 1))
    assert sums[0] == sums[2] == np.count_nonzero(~np.isnan(values))
    assert sums[1] == pytest.approx(np.nansum(values))


def stack(planes):
    """Planes along z, of one piece each."""
    return {(0, 0, z): [plane] for z, plane in enumerate(planes)}


def interval(planes):
    """Of the mean over blocks of arrays (planes, rows, columns)."""
    sums = stack([np.stack([np.ones_like(p), p], -1) for p in planes])
    draws, value = Bootstrap.of(sums).sums(sums), float(planes.mean())
    residuals = stack([p - value for p in planes])
    return ends(draws[:, 1] / draws[:, 0], value, widened(residuals))


def alike(rng, shape, reach):
    """Blocks whose neighbours are alike along some axes, each of variance 1."""
    wide = [n + 8 * math.ceil(r) for n, r in zip(shape, reach)]
    made = ndimage.gaussian_filter(rng.standard_normal(wide), reach)
    inside = tuple(slice(4 * math.ceil(r), n + 4 * math.ceil(r)) for n, r in zip(shape, reach))
    return made[inside] / made.std()


@pytest.mark.parametrize(
    ("shape", "reach"),
    [
        ((1, 3, 4), (0, 0, 0)),
        ((1, 10, 10), (0, 0, 0)),
        ((1, 12, 12), (0, 0.7, 0.7)),
        ((30, 4, 4), (1.0, 0, 0)),
        ((20, 8, 8), (0.8, 0.6, 0.6)),
    ],
)
def test_the_mean_of_all_lies_within_nine_of_ten_intervals_and_more(shape, reach, rng):
    held = []
    for _ in range(200):
        low, high = interval(alike(rng, shape, reach))
        held.append(low <= 0 <= high)
    assert 0.88 <= np.mean(held) <= 0.995


def test_neighbours_that_are_alike_widen_an_interval(rng):
    single, same = alike(rng, (20, 6, 6), (0, 0, 0)), alike(rng, (20, 6, 6), (0, 0, 0))
    same[:] = same[:1]
    alone, repeated = (widened(stack(planes)) for planes in (single, same))
    assert 1 <= alone < 1.2
    # Twenty copies of one plane say no more than one does, as far as that can be told.
    assert repeated > 2.5
    # Of fewer planes blocks are drawn.
    assert 1.9 < widened(stack(same[:4])) / of_few(4 * 36) < 2.6


def test_a_few_neighbours_among_scattered_blocks_widen_little(rng):
    """As objects are, of which most blocks hold none: what few pairs have in common is chance."""
    made = []
    for _ in range(100):
        blocks = np.full(64, np.nan)
        blocks[rng.permutation(64)[:12]] = rng.standard_normal(12)
        made.append(widened(stack([blocks.reshape(8, 8)])) / of_few(12))
    assert np.median(made) < 1.2 and max(made) < 2.5


def test_planes_are_neighbours_where_they_lie_beside_each_other(rng):
    """Of a time lapse along t and along z; not where planes between them are left out."""
    once = rng.standard_normal((3, 6, 6))
    lapse = {(t, 0, z): [once[z]] for t in range(12) for z in range(3)}
    assert widened(lapse) > 2.5
    apart = {(0, 0, 2 * z): [once[0]] for z in range(12)}
    assert widened(apart) == of_few(12)


def test_residuals_are_the_same_again_from_json(rng):
    blocks = rng.standard_normal((3, 4, 5))
    blocks[0, 1, 2] = np.nan
    again = from_json(json.loads(json.dumps(to_json(stack(blocks)))))
    np.testing.assert_allclose([p[0] for p in again.values()], blocks, rtol=1e-4)
    many = {(0, 0, z): [blocks[z % 3]] for z in range(FEWEST)}
    shorter = from_json(to_json(many))
    assert all(piece.shape == (1, 1) for [piece] in shorter.values())
    assert widened(shorter) == pytest.approx(widened(many), rel=1e-3)


def test_draws_of_many_blocks_take_little_memory():
    assert Bootstrap(20_000).drawn.nbytes < 50e6


def test_what_a_mask_leaves_out_tells_nothing(rng):
    blocks = rng.standard_normal((5, 6))
    holes = np.where(rng.random((5, 6)) < 0.3, np.nan, blocks)
    both = {(0, 0, 0): [blocks, holes], (0, 0, 1): [holes]}
    assert math.isfinite(widened(stack([holes]))) and math.isfinite(widened(both))
    assert math.isnan(widened(stack([np.full((5, 6), np.nan)])))


def test_few_blocks_tell_a_wide_interval_and_fewer_none():
    assert math.isnan(of_few(FEWEST - 1)) and of_few(FEWEST) > of_few(50) > of_few(5000) > 1
    assert of_few(10**6) == pytest.approx(1, abs=1e-4)
    assert math.isnan(ends(np.arange(5.0), 2.0, math.nan)[0])


def test_a_gain_that_all_blocks_show_is_certain():
    assert widened(stack([np.zeros((4, 4))])) == of_few(16)

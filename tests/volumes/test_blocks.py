"""Cutting: every pixel once, in whole shards, dealt to parts without loss."""

import itertools
import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from pssrflow.volumes.blocks import cut, share, spans

sizes = st.integers(1, 40)


@given(st.tuples(sizes, sizes, sizes), st.tuples(sizes, sizes, sizes))
def test_cut_covers_every_pixel_once_in_boxes_on_the_grid(shape, size):
    hits = np.zeros(shape, int)
    for region in cut(shape, size):
        hits[region.slices] += 1
        assert all(a % s == 0 for a, s in zip(region.start, size))
        assert all(0 < n <= s for n, s in zip(region.shape, size))
    assert (hits == 1).all()


@given(st.integers(0, 50), st.integers(1, 60))
def test_share_deals_every_item_once_in_order_and_evenly(count, parts):
    dealt = share(range(count), parts)
    assert [item for part in dealt for item in part] == list(range(count))
    assert len(dealt) == parts
    assert max(map(len, dealt)) - min(map(len, dealt)) <= 1


@given(st.integers(0, 100), st.integers(1, 100), st.integers(1, 30))
def test_spans_cut_only_at_multiples(start, length, step):
    cuts = spans(start, start + length, step)
    assert cuts[0][0] == start and cuts[-1][1] == start + length
    assert all(b == c for (_, b), (c, _) in itertools.pairwise(cuts))
    assert all(edge % step == 0 for _, edge in cuts[:-1])
    assert len(cuts) <= math.ceil(length / step) + 1

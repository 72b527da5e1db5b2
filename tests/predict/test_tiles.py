"""Tiles and blocks cover a volume once, in whole shards, with a halo around what they keep."""

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pssrflow.predict.maps import kept
from pssrflow.predict.plan import Plan
from pssrflow.predict.tiles import Cutting
from pssrflow.volumes.blocks import cut


@st.composite
def cuttings(draw, blended):
    """Planes of any size, or a region of them, for networks and shards of any size."""
    scale, stride = draw(st.integers(1, 5)), draw(st.sampled_from([1, 2, 3, 4]))
    lr_shape = draw(st.tuples(st.integers(1, 90), st.integers(1, 90)))
    origin = tuple(draw(st.integers(0, n - 1)) for n in lr_shape)
    sizes = tuple(draw(st.integers(1, n - o)) for n, o in zip(lr_shape, origin))
    tile = draw(st.integers(1, 64))
    most = max(0, tile // 2 // stride - 1) * stride
    assume(most or not blended)
    return Cutting(
        lr_shape=lr_shape,
        origin=origin,
        sr_shape=(draw(st.integers(1, 3)), *(n * scale for n in sizes)),
        shard=(draw(st.integers(1, 2)), *(draw(st.sampled_from([16, 50, 64])) for _ in "yx")),
        scale=scale,
        stride=stride,
        tile=tile,
        halo=draw(st.integers(0, 20)),
        overlap=draw(st.integers(1, most)) if blended else 0,
    )


@settings(max_examples=80, deadline=None)
@given(cuttings(blended=False), st.integers(1, 9))
def test_blocks_and_tiles_cover_a_volume_once_in_whole_shards(cutting, parts):
    plan = Plan(cutting, (1, 2), 0, parts, "none", False, None, kept(False), 0.0, 0.0)
    hits = np.zeros((1, 2, *cutting.sr_shape), int)
    shards = set(cut(hits.shape, (1, 1, *cutting.shard)))
    for part in range(parts):
        for block in plan.part(part).values():
            inside = cut(block.stop, (1, 1, *cutting.shard), block.start)
            assert shards.issuperset(inside)
            shards.difference_update(inside)
            for tile in cutting.tiles(*block.slices[3:]):
                hits[(*block.slices[:3], *tile.write)] += 1
    assert not shards and (hits == 1).all()


@settings(max_examples=80, deadline=None)
@given(cuttings(blended=False))
def test_a_tile_keeps_what_it_reads_a_halo_around(cutting):
    for tile in cutting.tiles(*(slice(0, n) for n in cutting.sr_shape[1:])):
        for axis, (read, keep, write) in enumerate(zip(tile.read, tile.keep, tile.write)):
            length, origin = cutting.lr_shape[axis], cutting.origin[axis]
            assert 0 <= read.start < read.stop <= length and read.start % cutting.stride == 0
            assert read.stop == length or (read.stop - read.start) % cutting.stride == 0
            assert (
                keep.stop - keep.start
                == write.stop - write.start
                <= (cutting.tile + cutting.stride) * cutting.scale
            )
            # What is kept lies where it is written, and a halo away from the edge of the read.
            assert read.start * cutting.scale + keep.start == origin * cutting.scale + write.start
            around = cutting.halo * cutting.scale
            assert keep.start >= around or read.start == 0
            assert (
                read.stop - read.start
            ) * cutting.scale - keep.stop >= around or read.stop == length


@settings(max_examples=80, deadline=None)
@given(cuttings(blended=True), st.sampled_from(["linear", "gaussian"]))
def test_weights_of_blended_tiles_sum_to_one_in_every_block(cutting, blend):
    total = np.zeros(cutting.sr_shape[1:])
    for block in cutting.blocks((1, 1)):
        if block.start[2]:
            continue
        for tile in cutting.tiles(*block.slices[3:]):
            down, along = cutting.weights(tile, blend)
            total[tile.write] += down[:, None] * along
    np.testing.assert_allclose(total, 1, atol=1e-6)

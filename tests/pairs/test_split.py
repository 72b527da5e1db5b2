"""What is learnt from, validated on and kept for trust: never the same pixels."""

import itertools
from types import SimpleNamespace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pssrflow.errors import InputError
from pssrflow.networks.frames import ONE, Frames
from pssrflow.pairs.split import BLOCK, Splitting, in_all, patch_size, split_field
from pssrflow.volumes.blocks import Region


def whole(shape):
    return Region((0,) * 5, shape)


@given(
    st.tuples(*(st.integers(1, n) for n in (4, 2, 8, 300, 300))),
    st.floats(0.01, 0.5),
    st.integers(8, 64),
    st.integers(1, 20),
)
def test_training_and_validation_share_no_pixel_nor_guard_band(shape, fraction, patch, guard):
    assume(min(shape[3:]) >= patch)
    try:
        split = split_field(whole(shape), fraction, patch, guard, "s")
    except InputError:
        assert (
            shape[3] < patch + max(16, fraction * shape[3]) + guard + 1
            and max(shape[0], shape[2]) < 3
        )
        return
    assert all(n > 0 for n in (*split.train.shape, *split.validation.shape))
    # Along one axis validation begins after training has ended, a guard later.
    assert any(
        split.validation.start[axis] - split.train.stop[axis] >= (guard if axis > 2 else 1)
        for axis in (0, 2, 3)
    )


def test_a_field_too_small_to_split_says_what_would_do():
    with pytest.raises(InputError, match=r"sample 'tiny'.*train\.validation: 0"):
        split_field(whole((1, 1, 1, 60, 60)), 0.1, 56, 8, "tiny")


def test_patches_shrink_to_the_smallest_field_on_the_grid_of_the_network():
    regions = [whole((1, 1, 1, 300, 63)), whole((1, 1, 1, 100, 100))]
    assert patch_size(regions, 128, 8) == 56
    assert patch_size(regions, 48, 8) == 48


def splits_of(shapes, kept=0.15, guard=8, validation=0.1):
    fields = [SimpleNamespace(sample=str(i), region=whole(s)) for i, s in enumerate(shapes)]
    return Splitting(32, validation, kept, guard, 4, ONE).of(fields)[1]


@pytest.mark.parametrize("planes", [1, 3, 4, 5, 6, 40])
@pytest.mark.parametrize("axis", ["z", "t"])
def test_neighbours_are_learnt_from_where_a_stack_is_short(planes, axis):
    # No room for a patch of 48 rows besides those that are held out.
    shape = (1, 1, planes, 63, 63) if axis == "z" else (planes, 1, 1, 63, 63)
    field = SimpleNamespace(sample="a", region=whole(shape))
    for along in (1, 5):
        frames = Frames.parse({"axis": axis, "in": along}, "frames")
        try:
            size, (split,) = Splitting(48, 0.1, 0.0, 4, 4, frames).of([field])
        except InputError:
            assert planes == 1 and along == 1
            continue
        left = max(split.train.shape[0], split.train.shape[2])
        assert left >= min(planes, along) and size >= 40


@given(
    st.tuples(st.integers(1, 3), st.just(1), *(st.integers(1, n) for n in (30, 300, 300))),
    st.floats(0.01, 0.5),
    st.integers(1, 40),
)
def test_what_trust_is_calibrated_on_was_not_seen_before(shape, kept, guard):
    assume(min(shape[3:]) >= 32)
    try:
        (split,) = splits_of([shape], kept, guard)
    except InputError:
        return
    assert split.train is not None
    seen = [region for region in (split.train, split.validation) if region is not None]
    for one in seen if split.calibration else ():
        # Planes that a network sees beside one are apart, too.
        assert any(
            split.calibration.start[axis] - one.stop[axis] >= (guard if axis == 3 else 2)
            for axis in (0, 2, 3)
        )


SMALL, LARGE = (1, 1, 1, 100, 100), (1, 1, 1, 400, 100)


@pytest.mark.parametrize(("count", "kept"), [(3, 0), (4, 1), (10, 3), (40, 6)])
def test_of_many_small_images_some_are_kept_as_a_whole(count, kept):
    splits = splits_of([SMALL] * count)
    whole_ones = [i for i, split in enumerate(splits) if split.train is None]
    assert len(whole_ones) == kept
    for i, split in enumerate(splits):
        assert split.calibration == (whole(SMALL) if i in whole_ones else None)
        assert (split.validation is None) == (i in whole_ones)
    # Far from each other, as images of one animal often lie together in a sheet.
    gaps = [b - a for a, b in itertools.pairwise(whole_ones)]
    assert all(gap >= count // kept - 1 for gap in gaps)


def test_none_is_kept_where_they_could_promise_nothing():
    # Four blocks each, of seven two at most.
    splits = splits_of([(1, 1, 1, 75, 75)] * 7)
    assert all(split.calibration is None and split.train is not None for split in splits)
    assert sum(s.train is None for s in splits_of([SMALL] * 30, kept=0.45)) == 10


@pytest.mark.parametrize("strides", [(8, 32), (32, 8)])
def test_what_networks_of_an_ensemble_have_kept_none_of_them_has_learnt(strides):
    """One cuts images that another one keeps as a whole."""
    fields = [SimpleNamespace(sample=str(i), region=whole((1, 1, 1, 230, 230))) for i in range(6)]
    splits = [Splitting(32, 0.1, 0.15, 2 + s, s, ONE).of(fields)[1] for s in strides]
    kept = [in_all(several) for several in zip(*splits)]
    assert any(kept)
    for region, several in zip(kept, zip(*splits)):
        for split in several if region else ():
            assert split.train is None or region.start[3] >= split.train.stop[3] + 2


def test_no_image_is_kept_as_a_whole_where_parts_of_one_can_be():
    splits = splits_of([SMALL] * 9 + [LARGE])
    assert [split.calibration is not None for split in splits] == [False] * 9 + [True]
    assert all(split.train is not None for split in splits)


@pytest.mark.parametrize(
    ("shapes", "kept"), [([SMALL] * 10, 0.0), ([(1, 1, 1, 90, BLOCK // 2 - 4)] * 10, 0.15)]
)
def test_nothing_is_kept_that_is_not_asked_for_or_too_small(shapes, kept):
    splits = Splitting(16, 0.0, kept, 8, 4, ONE).of(
        [SimpleNamespace(sample=str(i), region=whole(s)) for i, s in enumerate(shapes)]
    )[1]
    assert all(s.calibration is None and s.train is not None for s in splits)

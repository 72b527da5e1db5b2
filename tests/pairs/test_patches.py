"""Training patches: a split that cannot leak, draws that depend on their number alone."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pssrflow.crappify.chain import Crappifier, crappify_patch
from pssrflow.crappify.kernels import Downsampling
from pssrflow.crappify.noise import Poisson
from pssrflow.crappify.scanner import Counts, Lag, Readout
from pssrflow.errors import InputError
from pssrflow.networks.frames import Frames
from pssrflow.pairs.aligned import STILL
from pssrflow.pairs.field import open_field
from pssrflow.pairs.orientation import orient
from pssrflow.pairs.patches import Drawing, Patches, prefetch
from pssrflow.volumes.blocks import Region
from pssrflow.volumes.store import Store

POISSON = Crappifier(Downsampling(4), (Poisson(intensity=1),))


@pytest.fixture
def fields(make_store, tissue):
    values = tissue((1, 2, 3, 256, 320))
    stores = make_store(values, "a"), make_store(values[..., ::4, ::4], "a-lr")
    return [open_field("a", *stores, False, 4)]


def test_a_number_always_draws_the_same_patch_and_others_differ(fields):
    patches = Patches(fields, [fields[0].region], POISSON, 16, 0, "train")
    again = Patches(fields, [fields[0].region], POISSON, 16, 0, "train")
    first, second = patches.batch(range(8)), again.batch(range(8))
    for a, b in zip(first, second):
        np.testing.assert_array_equal(a, b)
    assert len({patch.tobytes() for patch in first[0]}) == 8
    assert first[0].shape == (8, 1, 16, 16) and first[1].shape == (8, 1, 64, 64)


def test_lr_and_hr_of_a_patch_show_the_same_place_in_every_orientation(fields):
    quiet = Crappifier(Downsampling(4, "area"))
    patches = Patches(fields, [fields[0].region], quiet, 16, 0, "train")
    for number in range(32):
        (lr,), (hr,) = patches.draw(number)
        mean = hr.reshape(16, 4, 16, 4).mean((1, 3))
        # The LR patch was rounded to grey levels; the window spans more than 100 of them.
        np.testing.assert_allclose(lr, mean, atol=0.01)


def test_patches_stay_inside_their_region(fields):
    region = Region((0, 0, 1, 20, 24), (1, 1, 2, 40, 48))
    patches = Patches(fields, [region], POISSON, 16, 0, "train")
    for number in range(50):
        plane, rows, cols = patches._place(np.random.default_rng(number), region)
        assert plane == (0, 0, 1)
        assert rows.start >= 20 and rows.stop <= 40 and cols.start >= 24 and cols.stop <= 48


def test_the_noise_is_fresh_in_every_epoch(fields):
    patches = Patches(fields, [Region((0, 0, 0, 0, 0), (1, 1, 1, 16, 16))], POISSON, 16, 0, "train")
    drawn = [patches.draw(number) for number in range(40)]
    truths, noisy = ({p[i].tobytes() for p in drawn} for i in (1, 0))
    assert len(truths) <= 8 and len(noisy) == 40


def test_an_acquired_lr_image_is_used_as_it_is_at_the_registered_place(make_store, tissue):
    hr, lr = tissue((1, 1, 1, 256, 256)), tissue((1, 1, 1, 64, 64))
    stores = make_store(hr, "hr"), make_store(lr, "lr")
    field = open_field("p", *stores, True, 4, beside=((-3, 6), STILL))
    assert field.region.start[3:] == (1, 0) and field.region.stop[3:] == (64, 62)
    patches = Patches([field], [field.region], POISSON, 8, 0, "train")
    low, high = field.lr_intensity.windows[0]
    for number in range(20):
        (found,), (truth,) = patches.draw(number)
        raw = np.rint(found * (high - low) + low)
        views = np.lib.stride_tricks.sliding_window_view(lr[0, 0, 0], (8, 8))
        assert any((orient(raw, k)[None, None] == views).all((2, 3)).any() for k in range(8))
        assert truth.shape == (32, 32)


def test_weights_lie_where_their_hr_pixels_do_and_are_1_elsewhere(make_store, tissue):
    values = tissue((1, 2, 2, 256, 320))
    stores = make_store(values, "hr"), make_store(values[..., ::4, ::4], "lr")
    # A map that shows the specimen itself lies right if it equals the truth.
    weighted = open_field("w", *stores, False, 4, weight=make_store(values[:, :1] // 2, "weight"))
    plain = open_field("p", *stores, False, 4)
    one_channel = Region((0,) * 5, (1, 1, 2, 64, 80))
    patches = Patches([weighted, plain], [one_channel] * 2, POISSON, 16, 0, "train")
    low, high = weighted.hr_intensity.windows[0]
    seen = set()
    for number in range(32):
        _, (truth,), (weight,) = patches.draw(number)
        seen.add(bool((weight == 1).all()))
        if not (weight == 1).all():
            levels = np.rint(truth * (high - low) + low) // 2
            np.testing.assert_allclose(weight * weighted.heaviest, levels, atol=1e-3)
    assert seen == {True, False}
    assert [a.shape for a in patches.batch(range(3))] == [(3, 1, 16, 16)] + [(3, 1, 64, 64)] * 2


def test_a_map_of_weights_of_another_size_or_below_zero_is_refused(make_store, tissue):
    values = tissue((1, 1, 1, 256, 256))
    stores = make_store(values, "hr"), make_store(values[..., ::4, ::4], "lr")
    with pytest.raises(InputError, match=r"weight_path.*64, 64.*256, 256"):
        open_field("s", *stores, False, 4, weight=stores[1])
    below = make_store(values.astype(np.float32) - 100, "below")
    with pytest.raises(InputError, match=r"weight_path.*a weight of"):
        open_field("s", *stores, False, 4, weight=below)


def test_the_eight_orientations_differ_and_keep_every_pixel():
    image = np.arange(6).reshape(2, 3)
    turned = [orient(image, k) for k in range(8)]
    assert len({(t.shape, t.tobytes()) for t in turned}) == 8
    assert all(sorted(t.ravel()) == list(range(6)) for t in turned)


@given(st.integers(0, 30), st.integers(1, 6))
def test_prefetching_keeps_the_order_and_passes_errors_on(count, depth):
    assert list(prefetch(lambda n: n * n, range(count), depth)) == [n * n for n in range(count)]
    with pytest.raises(ZeroDivisionError):
        list(prefetch(lambda n: 1 // (count - n), range(count + 1), depth))


def test_prefetching_ends_with_its_consumer():
    made = []
    numbers = prefetch(lambda n: made.append(n) or n, itertools.count(), depth=2)
    assert next(numbers) == 0
    numbers.close()
    assert len(made) <= 4


def test_a_patch_has_the_bytes_of_a_single_call_with_its_key(make_store, tissue, monkeypatch):
    hr = make_store(tissue((1, 1, 2, 402, 355)))
    crappifier = Crappifier(
        Downsampling(4),
        (
            Counts(dwell_us=1, counts_per_us=90),
            Lag(pixels=0.6),
            Readout(gain=1, offset=3, read_noise=2),
        ),
    )
    field = open_field("s", hr, hr, False, 4)
    patches = Patches([field], [Region((0,) * 5, (1, 1, 2, 100, 88))], crappifier, 32, 3, "train")
    calls = []

    def noted(*given):
        calls.append(given)
        return crappify_patch(*given)

    monkeypatch.setattr("pssrflow.pairs.patches.crappify_patch", noted)
    for number in range(24):
        (found,), (truth,) = patches.draw(number)
        turned, chain, key, rows, cols = calls[-1]
        assert (key.seed, key.sample, key.realisation) == (3, "s", f"train {number}")
        low, high = field.lr_intensity.windows[0]
        plane = Store(hr).level()[0, 0, key.z, :400, :352]
        same = []
        for turn in range(8):
            seen = orient(plane, turn)
            box = tuple(slice(4 * r.start, 4 * r.stop) for r in (rows, cols))
            if seen.shape == turned.shape and np.allclose((seen[box] - low) / (high - low), truth):
                held = replace(turned, read=lambda r, c, seen=seen: seen[r, c])
                alone = crappify_patch(held, chain, key, rows, cols)
                same.append(
                    np.array_equal((alone - np.float32(low)) / np.float32(high - low), found)
                )
        assert same == [True]


@pytest.mark.parametrize("acquired", [False, True])
def test_frames_are_planes_of_the_region_each_with_its_own_noise(acquired, make_store, tissue):
    values = tissue((1, 1, 5, 128, 128))
    stores = make_store(values, "a"), make_store(values[..., ::4, ::4], "a-lr")
    field = open_field("a", *stores, acquired, 4)
    region = Region((0, 0, 1, 0, 0), (1, 1, 5, 32, 32))
    seen = Frames.model_validate({"in": 5})
    patches = Patches([field], [region], POISSON, 16, 0, "train", Drawing(frames=seen))
    single = Patches([field], [region], POISSON, 16, 0, "train")
    for number in range(20):
        (lr, hr), (middle, truth) = patches.draw(number), single.draw(number)
        assert lr.shape == (5, 16, 16) and hr.shape == (1, 64, 64)
        # The plane that is made is drawn as ever.
        np.testing.assert_array_equal(lr[2:3], middle)
        np.testing.assert_array_equal(hr, truth)
        z = patches._choose(number)[3][2]
        around = [
            p for _, _, p in seen.around((0, 0, z), patches._stack(number, region, (0, 0, z)))
        ]
        assert min(around) >= 1
        same = [(i, j) for i in range(5) for j in range(i) if (lr[i] == lr[j]).all()]
        assert all(around[i] == around[j] for i, j in same)
    assert patches.batch(range(3))[0].shape == (3, 5, 16, 16)


@pytest.mark.parametrize("acquired", [False, True])
def test_with_a_focus_patches_show_structure_more_often(acquired, make_store, rng):
    values = rng.integers(60, 140, (1, 1, 1, 512, 512)).astype(np.uint8)
    # A cell in a sixteenth of the field.
    values[..., 200:328, 200:328] = rng.integers(0, 250, (128, 128))
    stores = make_store(values, "a"), make_store(values[..., ::4, ::4], "a-lr")
    field = open_field("a", *stores, acquired, 4)

    def share(focus):
        drawing = Drawing(focus=focus)
        patches = Patches([field], [field.region], POISSON, 16, 0, "train", drawing)
        places = [patches._choose(number)[4:6] for number in range(300)]
        return np.mean([all(s.start < 82 and s.stop > 50 for s in place) for place in places])

    assert share(0) + 0.1 < share(0.5) and share(0.5) < share(1)
    # The same number always draws the same place.
    assert share(1) == share(1)


def test_a_field_without_any_structure_is_drawn_with_a_focus_too(make_store):
    values = np.full((1, 1, 1, 128, 128), 10, np.uint8)
    stores = make_store(values, "a"), make_store(values[..., ::4, ::4], "a-lr")
    field = open_field("a", *stores, True, 4)
    patches = Patches([field], [field.region], POISSON, 16, 0, "train", Drawing(focus=1))
    assert len({patches._choose(number)[4] for number in range(40)}) > 3


def test_a_row_with_a_larger_share_is_drawn_more_often(make_store, tissue):
    fields = []
    for name, side in (("small", 64), ("large", 256)):
        values = tissue((1, 1, 1, side, side))
        stores = make_store(values, name), make_store(values[..., ::4, ::4], f"{name}-lr")
        fields.append(open_field(name, *stores, name == "small", 4))
    regions = [field.region for field in fields]

    def drawn(share):
        some = [replace(fields[0], share=share), fields[1]]
        patches = Patches(some, regions, POISSON, 8, 0, "train")
        return np.mean([patches._choose(n)[0].sample == "small" for n in range(400)]), patches

    assert drawn(1)[0] < 0.15 and 0.35 < drawn(16)[0] < 0.65
    # An epoch is as long as its pixels.
    assert drawn(1)[1].pixels == drawn(16)[1].pixels


def test_some_patches_are_drawn_as_if_the_stack_ended_there(make_store, tissue):
    values = tissue((1, 1, 9, 64, 64))
    field = open_field("a", make_store(values, "a"), make_store(values, "lr"), True, 1)
    seen = Frames.model_validate({"in": 5})
    patches = Patches(
        [field], [field.region], POISSON, 16, 0, "train", Drawing(frames=seen, ends=0.25)
    )
    ends = [patches._stack(number, field.region, (0, 0, 4)) for number in range(400)]
    cut = [end for end in ends if end != field.region]
    assert 0.15 < len(cut) / 400 < 0.35
    # Before and behind, and never the plane itself.
    assert {end.start[2] for end in cut} >= {0, 3, 4} and {end.stop[2] for end in cut} >= {5, 6, 9}
    assert all(end.start[2] <= 4 < end.stop[2] for end in cut)

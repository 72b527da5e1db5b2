"""A mask, as large as the LR or the HR image, leaves out what does not count, in every stage."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pssrflow.calibrate.detectors import Scans, by_detector
from pssrflow.crappify.chain import Crappifier, crappify_plane
from pssrflow.crappify.kernels import Downsampling
from pssrflow.crappify.noise import Poisson
from pssrflow.crappify.squares import NoiseKey
from pssrflow.errors import InputError
from pssrflow.evaluate.baselines import WIDTHS, mean_level, psnr_by_width
from pssrflow.evaluate.judged import Judged
from pssrflow.evaluate.stage import evaluate, measure
from pssrflow.pairs.aligned import STILL
from pssrflow.pairs.field import open_field
from pssrflow.pairs.mask import largest_rectangle, open_mask
from pssrflow.pairs.patches import Drawing, Patches
from pssrflow.pairs.registration import register
from pssrflow.volumes.store import Store
from scipy import ndimage

SCALE, SHIFT = 4, (3, -5)
NOISY = Crappifier(Downsampling(SCALE), (Poisson(intensity=1),))
# HR pixels of the field, and of an inset that somebody burnt into both images.
SIDE, INSET = 400, np.s_[240:400, 0:200]


@pytest.fixture
def burnt(make_store, tissue):
    """Stores of a pair with the same inset, and of a mask of it in HR and in LR pixels."""
    scene = tissue((SIDE, SIDE), sigma=4)
    moved = ndimage.shift(scene, [-v for v in SHIFT], order=0, mode="reflect")
    bars = np.where(np.indices((SIDE, SIDE)).sum(0) % 20 < 10, 0, 255).astype(np.uint8)
    scene[INSET], moved[INSET] = bars[INSET], bars[INSET]
    lr = crappify_plane(moved, NOISY, NoiseKey(0, "s", 0, 0, 0, 0), 0, 255)
    mask = np.ones((SIDE, SIDE), np.uint8)
    mask[INSET] = 0
    images = {"hr": scene, "lr": lr, "fine": mask, "coarse": mask[::SCALE, ::SCALE]}
    return {name: make_store(image[None, None, None], name) for name, image in images.items()}


@pytest.mark.parametrize("mask", ["fine", "coarse"])
def test_an_inset_does_not_pull_the_registration(mask, burnt, tmp_path):
    hr, lr = Store(burnt["hr"]), Store(burnt["lr"])
    found = {}
    for name, path in (("without", None), ("with", burnt[mask])):
        register(hr, lr, SCALE, "s", tmp_path / name, path)
        found[name] = json.loads((tmp_path / name).read_text())["subpixel"]
    assert np.abs(np.subtract(found["with"], SHIFT)).max() < 0.5
    # Bars that lie over each other say that nothing moved.
    assert np.abs(np.subtract(found["without"], SHIFT)).max() > 1


def test_a_mask_of_zeros_or_of_another_size_is_refused(burnt, make_store, tmp_path):
    pair = Store(burnt["hr"]), Store(burnt["lr"]), SCALE, "s", tmp_path / "r"
    nothing = make_store(np.zeros((1, 1, 1, SIDE, SIDE), np.uint8), "nothing")
    with pytest.raises(InputError, match=r"mask_path.*0 all over the middle plane"):
        register(*pair, nothing)
    for shape in ((1, 1, 1, SIDE - 4, SIDE), (1, 1, 2, SIDE, SIDE), (1, 3, 1, 100, 100)):
        other = make_store(np.ones(shape, np.uint8), "other")
        with pytest.raises(InputError, match=r"mask_path.*as large as the LR or the HR image"):
            register(*pair, other)


@pytest.mark.parametrize("fine", [True, False])
def test_pixels_are_where_the_lr_image_shows_them(fine, make_store, rng):
    values = (rng.random((24, 32)) < 0.5).astype(np.uint8)
    path = make_store(values[None, None, None], "mask")
    lr, hr = ((1, 1, 1, 6, 8), (1, 1, 1, 24, 32)) if fine else ((1, 1, 1, 24, 32), None)
    mask = open_mask(path, lr, SCALE, hr, (2, -3))
    big = values if fine else values.repeat(SCALE, 0).repeat(SCALE, 1)
    around = np.pad(big, 64)
    y, x = (2, -3) if fine else (0, 0)
    for rows, cols in ((slice(-5, 9), slice(3, 40)), (slice(1, 2), slice(7, 30))):
        wanted = around[
            rows.start + 64 + y : rows.stop + 64 + y, cols.start + 64 + x : cols.stop + 64 + x
        ]
        np.testing.assert_array_equal(mask.valid((0, 0, 0), rows, cols), wanted != 0)
    lr_rows, lr_cols = slice(1, 4), slice(2, 6)
    blocks = mask.valid((0, 0, 0), slice(4, 16), slice(8, 24)).reshape(3, SCALE, 4, SCALE)
    for made, each in ((mask.touched, blocks.any((1, 3))), (mask.whole, blocks.all((1, 3)))):
        np.testing.assert_array_equal(made((0, 0, 0), lr_rows, lr_cols), each)


def test_one_plane_holds_for_all(make_store):
    planes = np.stack([np.zeros((8, 8)), np.ones((8, 8))]).astype(np.uint8)
    everywhere = slice(0, 8), slice(0, 8)
    of_each = open_mask(make_store(planes[None, None], "each"), (3, 2, 2, 8, 8), SCALE)
    for t, c, z in itertools.product(range(3), range(2), range(2)):
        assert (of_each.valid((t, c, z), *everywhere) == bool(z)).all()


@pytest.mark.parametrize("mask", ["fine", "coarse"])
def test_nothing_is_learnt_from_what_a_mask_leaves_out(mask, burnt):
    stores = burnt["hr"], burnt["lr"]
    field = open_field("p", *stores, True, SCALE, (SHIFT, STILL), None, burnt[mask])
    weights = burnt["fine"] if mask == "fine" else None
    patches = Patches([field], [field.region], NOISY, 16, 0, "train")
    shares = set()
    for number in range(40):
        rows, cols = patches._choose(number)[4:6]
        *_, (weight,) = patches.draw(number)
        shift = SHIFT if weights else (0, 0)
        whole = np.ones((SIDE, SIDE), np.float32)
        whole[INSET] = 0
        seen = whole[
            rows.start * SCALE + shift[0] : rows.stop * SCALE + shift[0],
            cols.start * SCALE + shift[1] : cols.stop * SCALE + shift[1],
        ]
        assert weight.shape == (64, 64) and weight.mean() == pytest.approx(seen.mean())
        shares.add(float(weight.mean()))
    assert {0.0, 1.0} < shares


def test_a_weight_and_a_mask_count_together(burnt, make_store):
    heavy = make_store(np.full((1, 1, 1, SIDE, SIDE), 200, np.uint8), "weight")
    lr = Store(burnt["lr"]).level()[:]
    field = open_field("p", burnt["hr"], make_store(lr, "made"), False, SCALE, weight=heavy)
    field = replace(field, heaviest=400.0, mask=open_mask(burnt["fine"], lr.shape, SCALE))
    patches = Patches([field], [field.region], NOISY, 16, 0, "train", Drawing((0.8, 1.25)))
    found = {float(v) for number in range(30) for v in np.unique(patches.draw(number)[2])}
    assert found == {0.0, 0.5}


@pytest.mark.parametrize("mask", ["fine", "coarse"])
def test_figures_are_those_of_what_counts(mask, burnt, tmp_path):
    hr, lr = Store(burnt["hr"]), Store(burnt["lr"])
    shapes = lr.volume.shape, SCALE, hr.volume.shape
    truth = hr.level()[0, 0, 0].astype(np.float32)
    judged = Judged(hr, lr, hr, SCALE, (0, 0), mask=open_mask(burnt[mask], *shapes))
    (plane,) = [row for row in measure(judged) if row["method"] == "constant"]
    counted = np.ones((SIDE, SIDE), bool)
    counted[INSET] = False
    assert plane["psnr_affine"] == pytest.approx(10 * np.log10(255**2 / truth[counted].var()))
    level = mean_level(lr, (0, 0, 0), judged.mask)
    assert plane["pixel_error"] == pytest.approx(np.abs(truth[counted] - level).mean(), rel=1e-5)
    assert np.isfinite(plane["ssim"]) and np.isnan(plane["ms_ssim"])
    row = {"sample": "p", "hr": hr.path, "lr": lr.path, "acquired": False}
    widths = psnr_by_width(row | {"mask": burnt[mask]}, SCALE)
    assert widths != psnr_by_width(row | {"mask": None}, SCALE) and len(widths) == len(WIDTHS)


def test_what_does_not_count_changes_no_figure(burnt):
    hr, lr = Store(burnt["hr"]), Store(burnt["lr"])
    shapes = lr.volume.shape, SCALE, hr.volume.shape
    judged = Judged(hr, lr, hr, SCALE, mask=open_mask(burnt["fine"], *shapes))
    values = hr.level(mode="r+")
    before = {row["method"]: row for row in measure(judged)}
    values[(0, 0, 0, *INSET)] = 255 - values[(0, 0, 0, *INSET)]
    for row in measure(Judged(hr, lr, Store(burnt["hr"]), SCALE, mask=judged.mask)):
        for name in ("psnr", "ssim", "psnr_affine", "nrmse"):
            assert row[name] == before[row["method"]][name]


def test_planes_without_a_pixel_that_counts_have_no_row(make_store, tissue, tmp_path):
    hr, lr = make_store(tissue((1, 1, 2, 64, 64))), make_store(tissue((1, 1, 2, 16, 16)), "lr")
    values = np.ones((1, 1, 2, 16, 16), np.uint8)
    values[0, 0, 1] = 0
    judged = Judged(Store(hr), Store(lr), Store(hr), SCALE)
    some = open_mask(make_store(values, "some"), (1, 1, 2, 16, 16), SCALE)
    assert {row["z"] for row in measure(replace(judged, mask=some))} == {0}
    none = open_mask(make_store(values * 0, "none"), (1, 1, 2, 16, 16), SCALE)
    with pytest.raises(InputError, match="mask that leaves nothing to compare"):
        evaluate(replace(judged, mask=none), "s", "m", tmp_path / "t.csv", tmp_path / "done")


def test_noise_is_measured_where_nothing_is_left_out(burnt):
    hr, lr = str(burnt["hr"]), str(burnt["lr"])
    for mask in ("fine", "coarse"):
        (one,) = by_detector([Scans("p", hr, lr, str(burnt[mask]))], SCALE, 1, [])
        # Of 100 LR pixels 60 rows lie above the inset and 50 columns beside it; cells have 8.
        assert one.pairs[0].lr.shape == (56, 96) and one.pairs[0].hr.shape == (224, 384)
        (alone,) = by_detector([Scans("p", hr, None, str(burnt[mask]))], SCALE, 1, [])
        assert alone.hr[0].grey.shape == (240, 400)


@given(arrays(bool, st.tuples(st.integers(1, 7), st.integers(1, 7))))
def test_no_other_rectangle_is_larger(valid):
    rows, cols = largest_rectangle(valid, 1)
    assert valid[rows, cols].all()
    height, width = valid.shape
    most = 0
    for y, x in itertools.product(range(height), range(width)):
        for b, r in itertools.product(range(y + 1, height + 1), range(x + 1, width + 1)):
            most = max(most, (b - y) * (r - x) * bool(valid[y:b, x:r].all()))
    assert valid[rows, cols].size == most

"""Pictures of all resolutions show the same place, in grey levels of the truth."""

import numpy as np
import pytest
from pssrflow.report.comparison import OVERVIEW, Comparison
from pssrflow.run.layout import Sample
from pssrflow.volumes.store import Store

SCALE = 4
MADE, SCANNED = Sample("made", "test"), Sample("scanned", "test", paired=True)


def compared(layout, sample):
    return Comparison(layout, sample, "net", SCALE)


@pytest.mark.parametrize("sample", [MADE, SCANNED])
def test_all_images_show_the_same_place(sample, field, layout):
    field(sample)
    view = compared(layout, sample)
    box = slice(20, 60), slice(40, 72)
    images = view.images(box)
    assert list(images) == ["LR", "bicubic", "SR", "HR"]
    assert images["LR"].shape == (10, 8)
    truth = images["HR"]
    cells = truth.reshape(10, SCALE, 8, SCALE).mean((1, 3))
    for image, other in ((images["SR"], truth), (images["LR"], cells)):
        assert image.dtype == np.float32
        assert np.corrcoef(image.ravel(), other.ravel())[0, 1] > 0.98


@pytest.mark.parametrize("sample", [MADE, SCANNED])
def test_the_common_field_is_whole_lr_pixels_that_all_images_have(sample, field, layout):
    field(sample)
    view = compared(layout, sample)
    assert all(s.start % SCALE == 0 and s.stop % SCALE == 0 for s in view.whole)
    assert {i.shape for n, i in view.images(view.whole).items() if n != "LR"} == {(96, 104)}


def test_grey_levels_of_an_acquired_image_become_those_of_the_truth(field, layout):
    field(SCANNED, gain=1.6)
    view = compared(layout, SCANNED)
    images = view.images(view.middle)
    truth = images["HR"].astype(float)
    # Each by a fit of its own: one of the noisy LR image would flatten what is clean.
    for name in ("SR", "bicubic"):
        gain = np.cov(images[name].ravel(), truth.ravel())[0, 1] / images[name].var()
        assert gain == pytest.approx(1, abs=0.01), name
        assert images[name].mean() == pytest.approx(truth.mean(), abs=0.5), name


def test_without_a_truth_the_image_keeps_its_grey_levels(field, layout):
    field(MADE)
    view = compared(layout, Sample("made", "predict"))
    box = slice(0, 8), slice(0, 8)
    images = view.images(box)
    assert list(images) == ["LR", "bicubic", "SR"]
    sr = Store(layout.map_store("sr", "made", "net")).level()[0, 0, 1, :8, :8]
    assert (images["SR"] == sr).all()


def test_the_middle_section_is_shown(field, layout):
    field(MADE)
    assert compared(layout, MADE).plane == (0, 0, 1)


def test_the_magnified_place_is_where_the_lr_image_varies_most(make_store, layout):
    lr = np.full((1, 1, 1, 60, 80), 100, np.uint8)
    lr[..., 40:50, 60:70] = np.random.default_rng(0).integers(0, 255, (10, 10))
    make_store(lr, "results/made/lr")
    make_store(np.zeros((1, 1, 1, 240, 320), np.uint8), "results/made/net/sr")
    rows, cols = compared(layout, Sample("made", "predict")).most_detailed(10)
    assert rows.stop - rows.start == cols.stop - cols.start == 40
    assert rows.start < 200 and rows.stop > 160 and cols.start < 280 and cols.stop > 240


def test_a_bright_speck_is_not_what_is_shown(make_store, layout):
    lr = np.full((1, 1, 1, 60, 80), 9, np.uint8)
    lr[..., 40:50, 60:70] = np.random.default_rng(0).integers(0, 60, (10, 10))
    lr[..., 5:7, 5:7] = 255
    make_store(lr, "results/made/lr")
    make_store(np.zeros((1, 1, 1, 240, 320), np.uint8), "results/made/net/sr")
    rows, cols = compared(layout, Sample("made", "predict")).most_detailed(10)
    assert rows.stop > 160 and cols.stop > 240


def test_a_large_plane_is_shown_around_its_middle(make_store, layout):
    make_store(np.zeros((1, 1, 1, 300, 40), np.uint8), "results/made/lr")
    make_store(np.zeros((1, 1, 1, 1200, 160), np.uint8), "results/made/net/sr")
    rows, cols = compared(layout, Sample("made", "predict")).middle
    assert rows.stop - rows.start == OVERVIEW and rows.start == 88
    assert cols == slice(0, 160)

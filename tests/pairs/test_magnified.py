"""Patches at other magnifications: structure as large as in the images that are asked for."""

import numpy as np
import pytest
from pssrflow.crappify.chain import Crappifier
from pssrflow.crappify.kernels import Downsampling
from pssrflow.pairs.field import open_field
from pssrflow.pairs.magnification import Asked, choose_zoom
from pssrflow.pairs.magnified import Magnified
from pssrflow.pairs.patches import Drawing, Patches, magnified
from pssrflow.run.files import read_json
from pssrflow.train.settings import Settings
from pssrflow.volumes.blocks import Region
from pydantic import ValidationError

SIDE, SCALE = 256, 2


def wave(period):
    y, x = np.mgrid[:SIDE, :SIDE]
    return 127 + 80 * np.sin(2 * np.pi * x / period) * np.cos(2 * np.pi * y / period)


@pytest.mark.parametrize("zoom", [0.5, 0.8, 1.0, 1.7])
def test_structure_is_larger_by_the_factor_and_stays_where_it_was(zoom):
    image = wave(24).astype(np.uint8)
    plane = Magnified(lambda r, c: image[r, c], image.shape, zoom)
    assert plane.shape == (int(SIDE * zoom),) * 2
    found = plane(slice(20, 100), slice(30, 110))
    assert found.dtype == np.uint8
    y, x = ((np.arange(a, a + 80) + 0.5) / zoom - 0.5 for a in (20, 30))
    expected = 127 + 80 * np.sin(2 * np.pi * x / 24) * np.cos(2 * np.pi * y[:, None] / 24)
    assert np.abs(found - expected).mean() < 6
    whole = plane(slice(0, plane.shape[0]), slice(0, plane.shape[1]))
    assert np.abs(found.astype(int) - whole[20:100, 30:110]).max() <= 1


@pytest.fixture
def field(make_store):
    values = wave(24).astype(np.uint8)[None, None, None]
    hr, lr = make_store(values), make_store(values[..., ::SCALE, ::SCALE], "lr")
    return open_field("a", hr, lr, False, SCALE)


def drawn(field, region, zoom, size=16):
    crappifier = Crappifier(Downsampling(SCALE, "area"))
    return Patches([field], [region], crappifier, size, 0, "train", Drawing(zoom))


def test_patches_are_drawn_over_the_range_and_as_before_without_one(field):
    region = Region((0, 0, 0, 0, 0), (1, 1, 1, 128, 128))
    plain, zoomed = drawn(field, region, (1.0, 1.0)), drawn(field, region, (0.5, 2.0))
    zooms = [zoomed._choose(number)[2] for number in range(200)]
    assert min(zooms) < 0.6 and max(zooms) > 1.7
    # Every factor is as likely: half of them enlarge.
    assert 0.35 < np.mean(np.array(zooms) > 1) < 0.65
    assert {plain._choose(number)[2] for number in range(20)} == {1.0}
    for number in range(30):
        (lr,), (hr,) = zoomed.draw(number)
        assert lr.shape == (16, 16) and hr.shape == (32, 32)
        # LR is HR, averaged: both are of one magnification and one place.
        coarse = hr.reshape(16, 2, 16, 2).mean((1, 3))
        assert np.corrcoef(lr.ravel(), coarse.ravel())[0, 1] > 0.995
        again = zoomed.draw(number)
        assert (again[0] == lr).all() and (again[1] == hr).all()


@pytest.mark.parametrize("zoom", [0.5, 0.77, 1.3, 2.0])
def test_what_a_patch_covers_lies_in_its_region(zoom):
    region = Region((0, 0, 0, 10, 20), (1, 1, 1, 90, 100))
    there = magnified(region, zoom)
    for axis in (3, 4):
        assert there.start[axis] / zoom >= region.start[axis]
        assert there.stop[axis] / zoom <= region.stop[axis]


def test_a_field_that_is_too_small_to_shrink_is_not(field):
    region = Region((0, 0, 0, 0, 0), (1, 1, 1, 20, 128))
    patches = drawn(field, region, (0.25, 1.0))
    zooms = [patches._choose(number)[2] for number in range(50)]
    assert min(zooms) >= 18 / 20
    # Nor is one that holds no patch at any of them enlarged beyond what is asked for.
    thin = drawn(field, Region((0, 0, 0, 0, 0), (1, 1, 1, 10, 128)), (0.5, 1.2))
    assert {thin._choose(number)[2] for number in range(20)} == {1.0}
    for number in range(20):
        assert patches.draw(number)[0].shape == (1, 16, 16)


def sized(make_store, name, nm):
    size = (None, nm and nm / 1000, nm and nm / 1000)
    return str(make_store(np.ones((1, 1, 1, 64, 64), np.uint8) + 4, name, pixel_size=size))


@pytest.mark.parametrize(
    ("asked", "zoom", "said"),
    [
        # Names say nothing; an LR image of 16 nm at scale 4 is restored to 4 nm.
        ([("a", 16, True)], [1, 1], []),
        ([("a", 8, True)], [1, 2], ["2 times larger"]),
        ([("a", 8, True), ("b", 20, True)], [0.8, 2], ["2 times larger"]),
        ([("a", 3, False)], [1, 1.3333], []),
        ([("a", 1040, True)], [1, 1], ["too far to resample"]),
        ([("a", None, True)], [1, 1], ["a: the pixel size of it is not known"]),
    ],
)
def test_pixel_sizes_say_the_range(asked, zoom, said, make_store, tmp_path):
    learnt = [sized(make_store, "learnt", 4)]
    rows = [Asked(name, sized(make_store, name, nm), lr) for name, nm, lr in asked]
    choose_zoom(learnt, rows, 4, tmp_path / "m.json")
    found = read_json(tmp_path / "m.json")
    assert found["zoom"] == zoom
    assert len(found["warnings"]) == len(said)
    assert all(part in text for part, text in zip(said, found["warnings"]))


def test_the_configuration_goes_before_pixel_sizes():
    for zoom, chosen, used in (
        ("auto", [0.5, 1], (0.5, 1)),
        ("auto", None, (1, 1)),
        (1, [0.5, 1], (1, 1)),
        ([0.7, 1.2], None, (0.7, 1.2)),
    ):
        assert Settings(zoom=zoom).magnifications(chosen) == used
    with pytest.raises(ValidationError, match="a low, then a higher one"):
        Settings(zoom=[2, 1])

"""Pixels of a training row are known again in a test row, whatever became of them."""

import io

import numpy as np
import pytest
from PIL import Image
from pssrflow.ingest.readers.counts import Half
from pssrflow.pairs.copies import copies, points_of
from pssrflow.volumes.store import Store


@pytest.fixture
def tissue_like(rng):
    """Function that gives sections: structures that change slowly, and noise of their own."""
    from scipy.ndimage import gaussian_filter

    def make(shape=(4, 420, 440), noise=9):
        z, y, x = shape
        structure = gaussian_filter(rng.normal(size=(z + 8, y, x)), (3, 2.5, 2.5))[4:-4]
        values = 120 + 40 * structure / structure.std() + rng.normal(0, noise, shape)
        return values.clip(0, 255).astype(np.uint8)

    return make


@pytest.fixture
def found(make_store):
    """Function: copies between two stacks (z, y, x)."""

    def find(one, two):
        stores = [
            Store(make_store(np.asarray(v)[None, None], name))
            for v, name in ((one, "a"), (two, "b"))
        ]
        points = [points_of(store) for store in stores]
        return list(copies(stores[0], points[0], stores[1], points[1]))

    return find


def jpeg(image, quality=80):
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "jpeg", quality=quality)
    return np.asarray(Image.open(stream))


CHANGES = {
    "copy": lambda v: v[2:3],
    "crop of 200 pixels": lambda v: v[2:3, 113:313, 150:350],
    "mirrored": lambda v: v[2:3, :, ::-1],
    "upside down": lambda v: v[2:3, ::-1],
    "turned": lambda v: np.rot90(v[2:3], 1, (1, 2)),
    "turned and mirrored": lambda v: np.rot90(v[2:3, 60:300, 50:320], 1, (1, 2))[:, ::-1],
    "encoded anew": lambda v: jpeg(v[2])[None],
    "in 16 bit": lambda v: v[2:3].astype(np.uint16) * 257,
    "half of its counts": lambda v: Half(0.7, 0.0, False, "").taken(v[2], (0,) * 5)[None],
    "darker": lambda v: (v[2:3] * 0.7 + 12).astype(np.uint8),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_same_pixels_are_found_with_both_places(change, tissue_like, found):
    values = tissue_like()
    copied = np.ascontiguousarray(CHANGES[change](values))
    [copy] = found(values, copied)
    assert copy.here[2] == 2 and copy.there[2] == 0
    if change in ("copy", "in 16 bit", "darker", "encoded anew"):
        assert np.abs(np.subtract(copy.here[3:], copy.there[3:])).max() <= 1


def test_neighbouring_sections_are_no_copies(tissue_like, found):
    values = tissue_like((12, 420, 440))
    assert not found(values[:6], values[6:])


def test_what_two_images_have_in_common_beside_the_specimen_is_no_copy(tissue_like, found):
    one, two = tissue_like(), tissue_like()
    # A caption, and a black border.
    for stack in (one, two):
        stack[:, 380:] = 0
        stack[:, 390:410, 20:200:7] = 255
    assert not found(one, two)


@pytest.mark.parametrize("values", [np.zeros((1, 100, 100)), np.zeros((2, 9, 9))])
def test_an_image_without_points_is_of_nobody(values, tissue_like, found):
    assert not found(values.astype(np.uint8), tissue_like((1, 120, 120)))


def test_blurred_images_whose_points_are_all_alike_are_compared_in_little_memory(rng):
    from pssrflow.pairs.copies import _alike

    blob = rng.normal(size=225)
    many = blob + rng.normal(0, 0.05, (6000, 225))
    many = (many / np.linalg.norm(many, axis=1, keepdims=True)).astype(np.float32)
    pairs = list(_alike(many[:5000], many[1000:]))
    # Each has one partner at most, and what is there itself is it.
    assert len(pairs) == 5000
    assert all(j == i - 1000 for i, j in pairs if i >= 1000)

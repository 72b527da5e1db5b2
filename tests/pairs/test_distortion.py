"""Drift, tilt and another zoom of an acquired pair are measured where they are, and only there."""

import json

import numpy as np
import pytest
from pssrflow.pairs.aligned import Warp, aligned, read_shift
from pssrflow.pairs.registration import register
from pssrflow.volumes.store import Store
from scipy import ndimage

SIDE, SCALE = 768, 2


def tilted(y, x):
    """Half a degree and half a per cent."""
    y, x = y - SIDE / 2, x - SIDE / 2
    return 0.005 * y + 0.008 * x, -0.008 * y + 0.005 * x


def drifting(y, x):
    """A stage that drifts while it is scanned, fast at first."""
    return 6 * np.exp(-y / 150), 4 * np.sin(2 * np.pi * y / SIDE)


def still(y, x):
    return np.full_like(y, 1.3), np.full_like(x, -0.4)


@pytest.fixture
def pair(make_store, rng):
    """Function: HR store, LR store of the same field as it lies elsewhere, and where it lies."""

    def make(motion):
        structure = ndimage.gaussian_filter(rng.normal(size=(SIDE, SIDE)), 2.5)
        image = 120 + 35 * structure / structure.std()
        y, x = np.mgrid[:SIDE, :SIDE].astype(float)
        moved = np.stack(motion(y, x))
        seen = ndimage.map_coordinates(image, [y + moved[0], x + moved[1]], order=3, mode="nearest")
        coarse = seen.reshape(SIDE // SCALE, SCALE, SIDE // SCALE, SCALE).mean((1, 3))
        hr, lr = (
            (v + rng.normal(0, n, v.shape)).clip(0, 255).astype(np.uint8)[None, None, None]
            for v, n in ((image, 4), (coarse, 8))
        )
        return Store(make_store(hr, "hr")), Store(make_store(lr, "lr")), moved

    return make


@pytest.mark.parametrize(
    ("motion", "kind"), [(still, None), (tilted, "affine"), (drifting, "smooth")]
)
def test_a_map_is_taken_where_a_shift_is_not_all(motion, kind, pair, tmp_path):
    hr, lr, moved = pair(motion)
    register(hr, lr, SCALE, "s", tmp_path / "r.json")
    warp = json.loads((tmp_path / "r.json").read_text())["warp"]
    assert (warp and warp["kind"]) == kind
    (dy, dx), found = read_shift(tmp_path / "r.json")
    rest = found.over(slice(dy, SIDE + dy), slice(dx, SIDE + dx))
    away = rest + np.array([dy, dx])[:, None, None] - moved
    inner = (slice(None), *[slice(60, -60)] * 2)
    assert np.sqrt((away[inner] ** 2).mean()) < 0.35


def test_the_truth_is_read_where_the_lr_image_shows_it_however_it_is_cut(make_store, rng):
    image = ndimage.gaussian_filter(rng.normal(size=(200, 220)), 2)
    hr = Store(make_store(((image - image.min()) * 90).astype(np.float32)[None, None, None], "hr"))
    warp = Warp.of(rng.normal(0, 3, (4, 4, 2)), (200, 220))
    read = aligned(hr, warp)
    whole = read((0, 0, 0), slice(0, 200), slice(0, 220))
    part = read((0, 0, 0), slice(31, 120), slice(77, 200))
    np.testing.assert_allclose(part, whole[31:120, 77:200], atol=1e-3)
    y, x = np.mgrid[:200, :220] + warp.over(slice(0, 200), slice(0, 220))
    expected = ndimage.map_coordinates(hr.level()[0, 0, 0], [y, x], order=3, mode="nearest")
    np.testing.assert_allclose(whole, expected, atol=1e-3)

"""Acquired pairs: the planted shift is found, and another field is refused."""

import json

import numpy as np
import pytest
from pssrflow.crappifier import Crappifier, Downsampling, NoiseKey, Poisson, crappify_plane
from pssrflow.errors import InputError
from pssrflow.ingest import ingest
from pssrflow.registration import register
from scipy import ndimage

NOISY = Crappifier(Downsampling(4), (Poisson(1),))


@pytest.mark.parametrize("shift", [(0, 0), (3, -5), (-11, 8)])
def test_a_planted_shift_is_found_to_the_pixel(shift, make_store, tissue, tmp_path):
    scene = tissue((400, 440), sigma=4)
    moved = ndimage.shift(scene, [-v for v in shift], order=0, mode="reflect")
    lr = crappify_plane(moved, NOISY, NoiseKey(0, "s", 0, 0, 0, 0), 0, 255)
    hr_store, lr_store = make_store(scene[None, None, None]), make_store(lr[None, None, None], "lr")
    register(hr_store, lr_store, 4, "s", tmp_path / "registration.json")
    found = json.loads((tmp_path / "registration.json").read_text())
    assert found["shift"] == list(shift)
    assert found["correlation"] > 0.8


def test_another_field_is_refused(make_store, tissue, tmp_path):
    hr = make_store(tissue((1, 1, 1, 256, 256)))
    lr = make_store(tissue((1, 1, 1, 64, 64)), "lr")
    with pytest.raises(InputError, match="do not show the same field"):
        register(hr, lr, 4, "s", tmp_path / "registration.json")


def test_a_pair_of_another_scale_is_refused_with_both_sizes(make_store, tissue, tmp_path):
    hr = make_store(tissue((1, 1, 1, 256, 256)))
    lr = make_store(tissue((1, 1, 1, 128, 128)), "lr")
    with pytest.raises(InputError, match=r"256, 256.*128, 128.*scale, 4"):
        register(hr, lr, 4, "s", tmp_path / "registration.json")


def test_the_real_confocal_pair_is_registered_to_the_pixel(real_data, tmp_path):
    folder = real_data / "paired_confocal_sr_caco2"
    stores = []
    for name in ("div1", "div4"):
        stores.append(tmp_path / f"{name}.ome.zarr")
        done = tmp_path / f"{name}.json"
        sizes = (1, 64, 64), (1, 512, 512), (1, 99)
        ingest(str(folder / f"{name}.tif"), stores[-1], done, *sizes, None, 1, 4000)
    register(*stores, 4, "caco2", tmp_path / "registration.json")
    # Its README: move HR by (+1, -6) pixels to meet the LR image.
    shift = json.loads((tmp_path / "registration.json").read_text())["shift"]
    np.testing.assert_allclose(shift, (-1, 6), atol=1)


def test_a_plane_without_structure_is_refused_not_registered(make_store, tissue, tmp_path):
    hr, lr = tissue((1, 1, 3, 256, 256)), tissue((1, 1, 3, 64, 64))
    hr[0, 0, 1] = lr[0, 0, 1] = 7
    with pytest.raises(InputError, match="do not show the same field"):
        register(make_store(hr), make_store(lr, "lr"), 4, "s", tmp_path / "registration.json")

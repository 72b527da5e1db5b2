"""Acquired pairs: the planted shift is found, and another field is refused."""

import json

import numpy as np
import pytest
from pssrflow.crappify.chain import Crappifier, crappify_plane
from pssrflow.crappify.kernels import Downsampling
from pssrflow.crappify.noise import Poisson
from pssrflow.crappify.squares import NoiseKey
from pssrflow.errors import InputError
from pssrflow.ingest.readers.acquisition import Overrides
from pssrflow.ingest.settings import Settings
from pssrflow.ingest.stage import Work, ingest
from pssrflow.pairs.registration import measure_shift, register
from pssrflow.run.memory import Budget
from pssrflow.simulate.microscope import detect, sample
from pssrflow.simulate.settings import Microscope
from pssrflow.volumes.store import Store
from scipy import ndimage

NOISY = Crappifier(Downsampling(4), (Poisson(intensity=1),))


@pytest.mark.parametrize("shift", [(0, 0), (3, -5), (-11, 8)])
def test_a_planted_shift_is_found_to_the_pixel(shift, make_store, tissue, tmp_path):
    scene = tissue((400, 440), sigma=4)
    moved = ndimage.shift(scene, [-v for v in shift], order=0, mode="reflect")
    lr = crappify_plane(moved, NOISY, NoiseKey(0, "s", 0, 0, 0, 0), 0, 255)
    hr_store, lr_store = make_store(scene[None, None, None]), make_store(lr[None, None, None], "lr")
    register(Store(hr_store), Store(lr_store), 4, "s", tmp_path / "registration.json")
    found = json.loads((tmp_path / "registration.json").read_text())
    assert found["shift"] == list(shift)
    assert found["correlation"] > 0.8


def test_another_field_is_refused(make_store, tissue, tmp_path):
    hr = make_store(tissue((1, 1, 1, 256, 256)))
    lr = make_store(tissue((1, 1, 1, 64, 64)), "lr")
    with pytest.raises(InputError, match="do not show the same field"):
        register(Store(hr), Store(lr), 4, "s", tmp_path / "registration.json")


def test_a_pair_of_another_scale_is_refused_with_both_sizes(make_store, tissue, tmp_path):
    hr = make_store(tissue((1, 1, 1, 256, 256)))
    lr = make_store(tissue((1, 1, 1, 128, 128)), "lr")
    with pytest.raises(InputError, match=r"256, 256.*128, 128.*scale, 4"):
        register(Store(hr), Store(lr), 4, "s", tmp_path / "registration.json")


def test_the_real_confocal_pair_is_registered_to_the_pixel(real_data, tmp_path):
    folder = real_data / "paired_confocal_sr_caco2"
    stores = []
    for name in ("div1", "div4"):
        stores.append(Store(tmp_path / f"{name}.ome.zarr"))
        done = tmp_path / f"{name}.json"
        sizes = Settings(chunk=(1, 64, 64), shard=(1, 512, 512))
        ingest(Work(folder / f"{name}.tif", stores[-1], done, sizes, Overrides()), Budget(1, 4000))
    register(*stores, 4, "caco2", tmp_path / "registration.json")
    # Its README: move HR by (+1, -6) pixels to meet the LR image.
    shift = json.loads((tmp_path / "registration.json").read_text())["shift"]
    np.testing.assert_allclose(shift, (-1, 6), atol=1)


def test_a_plane_without_structure_is_refused_not_registered(make_store, tissue, tmp_path):
    hr, lr = tissue((1, 1, 3, 256, 256)), tissue((1, 1, 3, 64, 64))
    hr[0, 0, 1] = lr[0, 0, 1] = 7
    pair = Store(make_store(hr)), Store(make_store(lr, "lr"))
    with pytest.raises(InputError, match="do not show the same field"):
        register(*pair, 4, "s", tmp_path / "registration.json")


def simulated(seed, shift, rng, size=160):
    """HR frame and interpolated LR frame of a noisy simulated pair; `shift` in HR pixels."""
    signals = (
        sample(seed, Microscope(), 0, (0.0, 0.0), (4 * size, 4 * size)),
        sample(seed, LR, 0, tuple(4.0 * v for v in shift), (size, size)),
    )
    hr, lr = (detect(s, m, rng).astype(np.float32) for s, m in zip(signals, (Microscope(), LR)))
    return hr, ndimage.zoom(lr, 4, order=3, grid_mode=True, mode="nearest")


LR = Microscope(step_nm=16, spot_nm=8, dwell_us=1, gain=6, offset=20)


@pytest.mark.parametrize("shift", [(0.0, 0.0), (2.5, -1.25), (-11.0, 7.3)])
def test_a_fraction_of_a_pixel_is_measured(shift, rng):
    found = [measure_shift(*simulated(seed, shift, rng), 4) for seed in range(4)]
    error = np.array([m.subpixel for m in found]) - shift
    assert np.sqrt((error**2).mean()) < 0.1
    assert all(np.abs(np.subtract(m.shift, shift)).max() <= 0.6 for m in found)


def test_a_match_stands_out_where_chance_correlation_is_high(tissue, rng):
    """Coarse textures agree by chance; their correlation alone would pass for a match."""
    scene, other = (tissue((256, 256), sigma=12) for _ in range(2))
    noisy = scene + 60 * rng.standard_normal(scene.shape)
    chance, match = measure_shift(other, scene, 4), measure_shift(scene, noisy, 4)
    spectra = [np.fft.fft2((i - i.mean()) / i.std()) for i in (scene, other)]
    assert np.fft.ifft2(spectra[0] * spectra[1].conj()).real.max() > 0.2 * scene.size
    assert not chance.same_field
    assert match.same_field


def test_other_tissue_of_the_same_kind_never_passes(rng):
    frames = [simulated(seed, (0, 0), rng, 96) for seed in range(4)]
    for i, (hr, _) in enumerate(frames):
        matches = [measure_shift(hr, coarse, 4) for _, coarse in frames]
        assert [m.same_field for m in matches] == [i == k for k in range(len(frames))]


def test_the_file_says_how_far_the_match_stands_out(make_store, tissue, tmp_path):
    scene = tissue((400, 440), sigma=4)
    lr = crappify_plane(scene, NOISY, NoiseKey(0, "s", 0, 0, 0, 0), 0, 255)
    stores = make_store(scene[None, None, None]), make_store(lr[None, None, None], "lr")
    register(*map(Store, stores), 4, "s", tmp_path / "registration.json")
    found = json.loads((tmp_path / "registration.json").read_text())
    assert found["format"] == 1
    assert found["significance"] > 20
    np.testing.assert_allclose(found["subpixel"], found["shift"], atol=0.2)
    assert all(isinstance(v, int) for v in found["shift"])

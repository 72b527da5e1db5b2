"""Fixtures that several test files share."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from pssrflow.volumes.done import finish
from pssrflow.volumes.intensity import Histogram, Intensity
from pssrflow.volumes.store import Store, write_shard
from pssrflow.volumes.volume import Volume

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def root():
    """Folder of the project."""
    return ROOT


@pytest.fixture(scope="session")
def real_data():
    """Folder of real microscopy; tests that need it are skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("no folder of real images beside the project")
    return SHARED


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def make_store(tmp_path):
    """Function that writes an array (TCZYX) as a finished store; returns its path."""

    def make(
        values,
        name="hr",
        chunk=(1, 64, 64),
        shard=(1, 128, 128),
        pixel_size=(None, 0.004, 0.004),
        black=None,
    ):
        values = np.asarray(values)
        histograms = [Histogram(values.dtype) for _ in range(values.shape[1])]
        for channel, histogram in enumerate(histograms):
            histogram.add(values[:, channel])
        volume = Volume(
            shape=values.shape,
            dtype=str(values.dtype),
            chunk=chunk,
            shard=shard,
            pixel_size=pixel_size,
            channels=tuple(map(str, range(values.shape[1]))),
            intensity=Intensity.measure(histograms, (1, 99), black=black),
        )
        path = tmp_path / f"{name}.ome.zarr"
        Store(path).create(volume)
        array = Store(path).level(mode="r+")
        digests = {r: write_shard(array, r, values[r.slices]) for r in volume.shards()}
        finish(Store(path), tmp_path / f"{name}.done.json", digests, threads=1)
        return path

    return make


@pytest.fixture
def tissue(rng):
    """Function (shape, dtype) -> smooth random texture that fills the range of the dtype."""
    from scipy import ndimage

    def make(shape, dtype=np.uint8, sigma=3):
        noise = ndimage.gaussian_filter(
            rng.standard_normal(shape), (*(0,) * (len(shape) - 2), sigma, sigma)
        )
        unit = (noise - noise.min()) / (noise.max() - noise.min())
        top = np.iinfo(dtype).max if np.dtype(dtype).kind in "ui" else 1.0
        return (unit * top).astype(dtype)

    return make


@pytest.fixture
def write_tiff(tmp_path):
    """Function that writes an array as TIFF and returns its path as text."""

    def write(name, values, **options):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(path, values, photometric="minisblack", **options)
        return str(path)

    return write

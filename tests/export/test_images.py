"""A volume comes back as an OME-TIFF: the same pixels at every level, sizes and names."""

import numpy as np
import pytest
import tifffile
from pssrflow.export.images import write_image
from pssrflow.ingest.readers.acquisition import Overrides
from pssrflow.ingest.readers.open import open_acquisition
from pssrflow.volumes.store import Store


@pytest.fixture
def written(make_store, tmp_path):
    """Function that stores an array, writes it as an image, and gives the store and the path."""

    def write(values, **options):
        store = Store(make_store(values, "s/sr", **options))
        path = tmp_path / "sr.ome.tif"
        write_image(store, path, threads=2)
        return store, path

    return write


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
@pytest.mark.parametrize("shape", [(1, 1, 1, 700, 1030), (2, 3, 2, 40, 50)])
def test_every_level_has_the_pixels_of_the_store(written, shape, dtype, rng):
    values = rng.integers(0, 250, shape).astype(dtype)
    store, path = written(values)
    with tifffile.TiffFile(path) as file:
        assert file.is_bigtiff and file.is_ome and file.pages[0].is_tiled
        [series] = file.series
        assert series.axes.endswith("YX")
        assert len(series.levels) == len(store.volume.level_shapes())
        for number, level in enumerate(series.levels):
            stored = store.level(number)[:]
            np.testing.assert_array_equal(np.reshape(level.asarray(), stored.shape), stored)


def test_our_own_reader_finds_sizes_and_names_again(written, rng):
    values = rng.integers(0, 250, (1, 1, 3, 40, 50)).astype(np.uint8)
    store, path = written(values)
    with open_acquisition(path, Overrides()) as found:
        assert found.shape == (1, 1, 3, 40, 50)
        assert found.pixel_size == pytest.approx(store.volume.pixel_size)
        assert found.channels == store.volume.channels


def test_what_is_cut_short_leaves_nothing(written, rng, tmp_path, monkeypatch):
    from pssrflow.export import images

    def broken(array):
        yield np.zeros((40, 50), np.uint8)
        raise OSError(28, "no space left")

    monkeypatch.setattr(images, "_tiles", broken)
    with pytest.raises(OSError, match="no space"):
        written(rng.integers(0, 250, (1, 1, 3, 40, 50)).astype(np.uint8))
    assert not list(tmp_path.glob("*.ome.tif")) and not list(tmp_path.glob(".*.ome.tif"))

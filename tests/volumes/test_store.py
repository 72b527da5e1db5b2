"""Stores: valid OME-Zarr that others read, whole shards, and damage that is found."""

import json

import numpy as np
import ome_zarr.io
import ome_zarr.reader
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from ome_zarr_models.v05 import Image
from pssrflow.errors import InputError
from pssrflow.volumes.blocks import Region
from pssrflow.volumes.done import finish
from pssrflow.volumes.intensity import Intensity
from pssrflow.volumes.pyramid import children, halve, roots
from pssrflow.volumes.store import Store, digest, write_shard
from pssrflow.volumes.volume import Volume


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_public_validators_and_readers_accept_a_store(dtype, make_store, rng):
    values = (rng.random((2, 2, 3, 150, 270)) * 100).astype(dtype)
    path = make_store(values)
    Image.from_zarr(zarr.open_group(path, mode="r"))
    [node] = list(ome_zarr.reader.Reader(ome_zarr.io.parse_url(path))())
    np.testing.assert_array_equal(np.asarray(node.data[0]), values)
    assert [a["name"] for a in node.metadata["axes"]] == list("tczyx")


def test_metadata_say_pixel_size_unit_window_and_axis_names(make_store, tissue):
    path = make_store(tissue((1, 2, 1, 300, 200), np.uint16), pixel_size=(0.05, 0.004, 0.004))
    ome = json.loads((path / "zarr.json").read_text())["attributes"]["ome"]
    [multiscale] = ome["multiscales"]
    assert ome["version"] == "0.5"
    assert [a.get("unit") for a in multiscale["axes"]] == [None, None, *["micrometer"] * 3]
    scale, translation = multiscale["datasets"][1]["coordinateTransformations"]
    assert scale["scale"] == [1, 1, 0.05, 0.008, 0.008]
    # A pixel of level 1 is centred between two pixels of level 0.
    assert translation["translation"] == pytest.approx([0, 0, 0, 0.002, 0.002])
    assert ome["omero"]["channels"][0]["window"]["max"] == 65535
    assert Store(path).level().metadata.dimension_names == ("t", "c", "z", "y", "x")


def test_an_unknown_pixel_size_has_no_unit(make_store, tissue):
    path = make_store(tissue((1, 1, 1, 64, 64)), pixel_size=(None, None, None))
    axes = json.loads((path / "zarr.json").read_text())["attributes"]["ome"]["multiscales"][0][
        "axes"
    ]
    assert all("unit" not in axis for axis in axes)
    assert Store(path).volume.pixel_size == (None, None, None)


def test_the_pyramid_halves_until_a_level_fits_one_chunk(make_store, tissue):
    values = tissue((1, 1, 1, 300, 131))
    path = make_store(values)
    shapes = [Store(path).level(k).shape[3:] for k in range(4)]
    assert shapes == [(300, 131), (150, 66), (75, 33), (38, 17)]
    plane = values[0, 0, 0]
    np.testing.assert_array_equal(Store(path).level(1)[0, 0, 0], halve(plane))
    np.testing.assert_array_equal(Store(path).level(3)[0, 0, 0], halve(halve(halve(plane))))


def test_halving_takes_the_rounded_mean_and_keeps_the_last_odd_row():
    values = np.array([[0, 1, 9], [2, 3, 9], [5, 5, 5]], np.uint8)
    np.testing.assert_array_equal(halve(values), [[2, 9], [5, 5]])


@pytest.mark.parametrize(
    "region",
    [
        Region((0, 0, 0, 0, 0), (1, 1, 1, 64, 128)),
        Region((0, 0, 0, 64, 0), (1, 1, 1, 192, 128)),
    ],
)
def test_writing_less_than_a_shard_is_refused(region, make_store, tissue):
    path = make_store(tissue((1, 1, 1, 256, 256)))
    with pytest.raises(AssertionError, match="not a whole shard"):
        write_shard(Store(path).level(mode="r+"), region, np.zeros(region.shape, np.uint8))


def unfinished(path):
    """Digests of the shards as they are, which `finish` must hold the store to."""
    array = Store(path).level()
    return {r: digest(array[r.slices]) for r in Store(path).volume.shards()}


@pytest.mark.parametrize("damage", ["truncated", "deleted", "changed"])
def test_finish_names_the_damaged_shard_and_writes_no_done_file(
    damage, make_store, tissue, tmp_path
):
    path = make_store(tissue((1, 1, 1, 256, 256)))
    digests, done = unfinished(path), tmp_path / "again.json"
    shard = path / "0/c/0/0/0/1/0"
    if damage == "truncated":
        shard.write_bytes(shard.read_bytes()[: shard.stat().st_size // 2])
    elif damage == "deleted":
        shard.unlink()
    else:
        shard.write_bytes((path / "0/c/0/0/0/0/0").read_bytes())
    with pytest.raises(InputError, match=r"0, 0, 0, 128, 0"):
        finish(Store(path), done, digests, threads=2)
    assert not done.exists()


def test_the_content_hash_depends_on_pixels_alone(make_store, tissue, tmp_path):
    values = tissue((1, 1, 2, 150, 150))
    for name in ("a", "b"):
        make_store(values, name)
    changed = values.copy()
    changed[0, 0, 1, 149, 149] ^= 1
    make_store(changed, "c")
    a, b, c = (json.loads((tmp_path / f"{n}.done.json").read_text())["content"] for n in "abc")
    assert a == b != c


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(*(st.integers(1, n) for n in (2, 2, 3, 900, 900))),
    st.sampled_from([16, 32, 50]),
    st.integers(1, 4),
    st.integers(1, 40),
)
def test_pieces_of_a_pyramid_share_no_shard_and_leave_none_out(shape, chunk, chunks, pieces):
    nothing = Intensity.unknown(shape[1])
    sizes = (1, chunk, chunk), (2, chunk * chunks, chunk * chunks)
    volume = Volume(shape, "uint8", *sizes, (None,) * 3, ("0",) * shape[1], nothing)
    level, found = roots(volume, pieces)
    assert level == 0 or len(found) >= pieces
    for below in range(level, 0, -1):
        found = [child for region in found for child in children(volume, below, region)]
        assert len(set(found)) == len(found)
        assert set(found) == set(volume.shards(below - 1))

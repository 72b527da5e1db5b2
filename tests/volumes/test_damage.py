"""What reads pixels notices every shard that is gone, cut short or changed."""

import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from pssrflow.errors import InputError
from pssrflow.volumes.rectangles import DamagedShard, ranges
from pssrflow.volumes.seal import broken
from pssrflow.volumes.store import Store


@pytest.fixture
def sparse(make_store, tissue):
    """A store of 2 x 3 shards, one of which is nothing but zeros; its path and pixels."""
    values = tissue((1, 1, 1, 256, 384))
    values[..., 128:, 128:256] = 0
    return make_store(values), values


def whole(path):
    return Store(path).reader()((0, 0, 0), slice(0, 256), slice(0, 384))


def test_an_empty_shard_is_no_file_and_reads_as_zeros(sparse):
    path, values = sparse
    assert not (path / "0/c/0/0/0/1/1").exists()
    np.testing.assert_array_equal(whole(path), values[0, 0, 0])


def test_a_shard_that_is_gone_is_named_with_the_command_that_makes_it_anew(sparse, tmp_path):
    path, values = sparse
    shard = path / "0/c/0/0/0/0/1"
    shard.unlink()
    with pytest.raises(DamagedShard) as raised:
        whole(path)
    said = str(raised.value)
    assert "hr.ome.zarr/0 at t,c,z,y,x = (0, 0, 0, 0, 128)" in said and "c/0/0/0/0/1" in said
    assert "its file is missing" in said and f"rm {tmp_path / 'hr.done.json'}" in said
    assert "\n" not in said
    # What lies beside it is read.
    read = Store(path).reader()
    np.testing.assert_array_equal(
        read((0, 0, 0), slice(0, 256), slice(0, 128)), values[0, 0, 0, :, :128]
    )


def test_zeros_of_a_shard_that_is_there_are_pixels(make_store, tissue):
    values = tissue((1, 1, 1, 128, 128))
    values[..., :64, :64] = 0
    read = Store(make_store(values)).reader()
    assert not read((0, 0, 0), slice(0, 64), slice(0, 64)).any()


def test_no_byte_of_a_shard_changes_without_notice(sparse, rng):
    path, values = sparse
    shard = path / "0/c/0/0/0/1/0"
    sound = shard.read_bytes()
    # The header of a chunk, the index at the end, and anything between them.
    places = {*range(40), *range(len(sound) - 80, len(sound)), *rng.integers(len(sound), size=400)}
    for place in sorted(map(int, places)):
        changed = bytearray(sound)
        changed[place] ^= 1 << int(rng.integers(8))
        shard.write_bytes(changed)
        try:
            np.testing.assert_array_equal(whole(path), values[0, 0, 0], err_msg=f"byte {place}")
        except DamagedShard as error:
            assert error.region.start == (0, 0, 0, 128, 0)


@pytest.mark.parametrize("share", [0, 0.3, 0.99])
def test_a_shard_that_was_cut_short_is_named(share, sparse):
    path, _ = sparse
    shard = path / "0/c/0/0/0/0/2"
    shard.write_bytes(shard.read_bytes()[: int(share * shard.stat().st_size)])
    with pytest.raises(DamagedShard, match=r"= \(0, 0, 0, 0, 256\): .*cannot be read"):
        whole(path)


def test_all_shards_of_a_level_may_be_gone(sparse):
    path, _ = sparse
    shutil.rmtree(path / "0/c")
    with pytest.raises(DamagedShard, match="missing"):
        whole(path)


@given(st.sets(st.integers(0, 60)))
def test_ranges_hold_what_they_are_made_of(numbers):
    found = ranges(sorted(numbers))
    assert [n for first, count in found for n in range(first, first + count)] == sorted(numbers)
    assert all(a + n < b for (a, n), (b, _) in itertools.pairwise(found))


def flipped(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("zarr.json", lambda path: path.write_bytes(path.read_bytes()[:300])),
        ("zarr.json", lambda path: path.write_bytes(b"")),
        ("zarr.json", lambda path: path.write_bytes(b"\xff\xfe")),
        # A digit of a window, a size, a name: it can be read, and says something else.
        ("zarr.json", lambda path: flipped(path, "0.004", "0.005")),
        ("zarr.json", lambda path: flipped(path, "windows", "window_")),
        ("0/zarr.json", lambda path: path.write_bytes(path.read_bytes()[:300])),
        ("0/zarr.json", lambda path: flipped(path, "256", "266")),
        ("0/zarr.json", lambda path: flipped(path, "uint8", "int8")),
    ],
)
def test_damaged_metadata_are_no_other_ones(name, damage, make_store, tissue):
    path = make_store(tissue((1, 1, 1, 256, 256)))
    assert Store(path).volume.shape == (1, 1, 1, 256, 256) and broken(path) is None
    damage(path / name)
    assert name in broken(path)
    done = str(path).removesuffix(".ome.zarr") + ".done.json"
    with pytest.raises(InputError, match=rf"{name}: damaged: .*the same command after: rm {done}"):
        Store(path).volume  # noqa: B018


def test_a_store_with_damaged_metadata_is_made_anew_and_nobody_elses_is(make_store, tissue):
    path = make_store(tissue((1, 1, 1, 256, 256)))
    volume = Store(path).volume
    for damage in (lambda file: file.write_bytes(b"{"), Path.unlink):
        damage(path / "zarr.json")
        Store(path).create(volume)
        assert Store(path).volume == volume
    content = json.loads((path / "zarr.json").read_text())
    del content["attributes"]["pssrflow"]
    (path / "zarr.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="something that PSSRflow did not write"):
        Store(path).create(volume)


def test_whoever_adds_to_the_attributes_of_a_store_may(make_store, tissue):
    path = make_store(tissue((1, 1, 1, 256, 256)))
    group = zarr.open_group(path, mode="r+")
    group.attrs["labels"] = ["cells"]
    assert broken(path) is None and Store(path).volume.shape[3:] == (256, 256)

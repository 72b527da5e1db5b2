"""Ingest: pixels arrive unchanged whatever the format, and bad pixels have a clear outcome."""

import json

import numpy as np
import pytest
from pssrflow.errors import InputError
from pssrflow.ingest.readers.acquisition import Overrides
from pssrflow.ingest.settings import Settings
from pssrflow.ingest.stage import Work, begin, complete, fill, ingest
from pssrflow.run.memory import Budget
from pssrflow.run.shares import Shares
from pssrflow.volumes.store import Store


@pytest.fixture
def run(tmp_path):
    """Function that ingests a path and returns the store and its done file."""

    def ingested(
        path, name="hr", chunk=(1, 64, 64), shard=(1, 128, 128), threads=2, keys=None, **overrides
    ):
        store, done = tmp_path / f"{name}.ome.zarr", tmp_path / f"{name}.done.json"
        settings = Settings(chunk=chunk, shard=shard, **(keys or {}))
        budget = Budget(threads, 4000)
        ingest(Work(path, Store(store), done, settings, Overrides(**overrides)), budget)
        return store, json.loads(done.read_text())

    return ingested


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_pixels_and_dtype_are_kept(dtype, run, write_tiff, rng):
    values = (rng.random((3, 200, 260)) * 100).astype(dtype)
    store, done = run(write_tiff("a.tif", values, metadata={"axes": "ZYX"}))
    np.testing.assert_array_equal(Store(store).level()[0, 0], values)
    assert done["dtype"] == dtype and done["shape"] == [1, 1, 3, 200, 260]


def test_shards_may_hold_several_planes(run, write_tiff, rng):
    values = rng.integers(0, 255, (5, 130, 70), np.uint8)
    path = write_tiff("a.tif", values, metadata={"axes": "ZYX"})
    store, _ = run(path, chunk=(2, 64, 64), shard=(4, 128, 128))
    np.testing.assert_array_equal(Store(store).level()[0, 0], values)


def test_slices_are_stacked_in_natural_order(run, write_tiff, rng):
    values = rng.integers(0, 255, (12, 40, 50), np.uint8)
    for z, plane in enumerate(values, start=1):
        path = write_tiff(f"stack/slice_{z}.tif", plane)
    store, _ = run(path.rsplit("/", 1)[0])
    np.testing.assert_array_equal(Store(store).level()[0, 0], values)


def test_an_ome_zarr_is_taken_in_again_unchanged(run, make_store, tissue):
    values = tissue((2, 2, 3, 150, 70), np.uint16)
    store, done = run(make_store(values, "source"), "again", pixel_size="50, 4, 4 nm")
    np.testing.assert_array_equal(Store(store).level()[:], values)
    assert done["pixel_size_um"] == pytest.approx([0.05, 0.004, 0.004])


def test_content_is_the_same_for_any_number_of_threads(run, write_tiff, tissue):
    path = write_tiff("a.tif", tissue((300, 310)))
    assert run(path, "a", threads=1)[1]["content"] == run(path, "b", threads=4)[1]["content"]


def test_window_and_range_come_from_the_pixels_of_each_channel(run, write_tiff):
    ramp = np.arange(10000, dtype=np.uint16).reshape(100, 100) // 4
    path = write_tiff("a.ome.tif", np.stack([ramp, ramp // 2]), metadata={"axes": "CYX"}, ome=True)
    intensity = Store(run(path)[0]).volume.intensity
    assert intensity.ranges == ((0, 4095, 0),) * 2
    np.testing.assert_allclose(intensity.windows, ((24, 2474), (12, 1237)), atol=2)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_pixels_that_are_not_finite_are_refused_with_their_place(bad, run, write_tiff, tmp_path):
    values = np.ones((3, 300, 300), np.float32)
    values[1, 200, 5] = bad
    values[0, 0, 0] = 2
    path = write_tiff("a.tif", values, metadata={"axes": "ZYX"})
    with pytest.raises(InputError, match=r"a\.tif, plane t=0 c=0 z=1.*row 200.*Accepted: finite"):
        run(path)
    assert not (tmp_path / "hr.done.json").exists()


def test_a_constant_plane_is_noted_and_a_constant_volume_refused(run, write_tiff, tissue):
    values = tissue((4, 64, 64))
    values[2] = 9
    _, done = run(write_tiff("a.tif", values, metadata={"axes": "ZYX"}))
    assert any("constant planes" in note and "z=2" in note for note in done["notes"])
    with pytest.raises(InputError, match="every pixel of every plane has one value"):
        run(write_tiff("b.tif", np.full((64, 64), 7, np.uint8)))


def test_a_mask_of_ones_is_a_mask(run, write_tiff):
    path = write_tiff("a.tif", np.full((64, 64), 7, np.uint8))
    store, done = run(path, flat=True)
    assert Store(store).volume.intensity.windows == ((0, 7),)
    assert not any("constant" in note for note in done["notes"])


def test_a_missing_pixel_size_is_noted_and_the_sheet_can_give_it(run, write_tiff, tissue):
    path = write_tiff("a.tif", tissue((64, 64)))
    _, done = run(path)
    assert done["pixel_size_um"] == [None, None, None]
    assert any("pixel size" in note for note in done["notes"])
    _, done = run(path, pixel_size="4.6 nm")
    assert done["pixel_size_um"] == [None, 0.0046, 0.0046]
    assert not any("pixel size" in note for note in done["notes"])


def test_a_hot_pixel_is_noted_and_the_depth_can_be_given(run, write_tiff, tissue):
    values = tissue((128, 128), np.uint16) // 16
    _, done = run(write_tiff("a.tif", values), keys={"bits": 14})
    assert done["range"] == [0, 2**14 - 1]
    values[5, 5] = 65535
    _, done = run(write_tiff("b.tif", values))
    assert done["range"] == [0, 65535]
    assert any("65535" in note and "ingest.bits" in note for note in done["notes"])


@pytest.mark.parametrize(
    ("calibration", "keys", "black", "why"),
    [
        # ImageJ saves signed pixels so.
        ({"cf": 0, "c0": -32768.0, "c1": 1.0}, {}, 32768, "as the file says"),
        ({"cf": 0, "c0": -65536.0, "c1": 2.0}, {}, 32768, "as the file says"),
        # Neither a straight line nor one that falls says where black is.
        ({"cf": 3, "c0": -32768.0, "c1": 1.0}, {}, None, "the low end of grey levels"),
        ({"cf": 0, "c0": 9.0, "c1": -1.0}, {}, None, "the low end of grey levels"),
        ({}, {}, None, "the low end of grey levels"),
        ({"cf": 0, "c0": -32768.0, "c1": 1.0}, {"black": 30000}, 30000, "as `ingest.black` says"),
    ],
)
def test_black_of_a_detector_with_an_offset(calibration, keys, black, why, run, write_tiff, tissue):
    values = (32991 + tissue((256, 256)).astype(float) * 3872 / 255).astype(np.uint16)
    path = write_tiff("a.tif", values, imagej=True, metadata={"axes": "YX", **calibration})
    store, done = run(path, keys=keys)
    found = Store(store).volume.intensity.ranges[0]
    assert found.black == (black or np.percentile(values, 0.01, method="inverted_cdf"))
    assert (found.span, found.lowest) == (8191 if keys else 4095, 0)
    assert any(note.startswith("black is at") and why in note for note in done["notes"])


def test_black_above_every_pixel_is_refused(run, write_tiff, tissue):
    path = write_tiff("a.tif", tissue((64, 64)))
    message = r"a\.tif, ingest\.black: black at 300, but no pixel above 255\. Accepted: auto"
    with pytest.raises(InputError, match=message):
        run(path, keys={"black": 300})


def test_black_is_0_and_nothing_is_said_of_it_where_it_always_was(run, write_tiff, tissue):
    store, done = run(write_tiff("a.tif", tissue((64, 64))))
    assert Store(store).volume.intensity.ranges == ((0, 255, 0),)
    assert not any("black" in note for note in done["notes"])


def test_sparse_fluorescence_is_scaled_by_its_range_not_by_its_background(run, write_tiff):
    values = np.zeros((200, 200), np.uint16)
    values[3, :50] = 3000
    store, _ = run(write_tiff("a.tif", values))
    assert Store(store).volume.intensity.windows == ((0, 3000),)


def test_a_store_that_something_else_wrote_is_not_removed(run, write_tiff, tissue, tmp_path):
    import zarr

    zarr.create_array(str(tmp_path / "hr.ome.zarr"), shape=(4, 4), dtype="uint8")
    with pytest.raises(InputError, match="something that PSSRflow did not write"):
        run(write_tiff("a.tif", tissue((64, 64))))
    assert (tmp_path / "hr.ome.zarr" / "zarr.json").exists()


def test_a_truncated_file_is_refused_by_name(run, write_tiff, tissue, tmp_path):
    path = write_tiff("cut.tif", tissue((3, 256, 256)), metadata={"axes": "ZYX"})
    with open(path, "r+b") as stream:
        stream.truncate(100_000)
    with pytest.raises(InputError, match=r"cut\.tif"):
        run(path)


@pytest.mark.parametrize(
    ("odd", "found"),
    [(np.zeros((40, 41), np.uint8), "41"), (np.zeros((40, 50), np.uint16), "uint16")],
)
def test_slices_of_mixed_shape_or_dtype_are_refused_with_both_files(
    odd, found, run, write_tiff, rng
):
    write_tiff("stack/s1.tif", rng.integers(0, 255, (40, 50), np.uint8))
    path = write_tiff("stack/s2.tif", odd)
    with pytest.raises(InputError, match=r"s[12]\.tif.*" + found):
        run(path.rsplit("/", 1)[0])


def test_the_source_is_recorded_with_its_hash(run, write_tiff, tissue):
    path = write_tiff("a.tif", tissue((64, 64)))
    _, done = run(path)
    assert done["source"]["files"] == 1 and len(done["source"]["sha256"]) == 64


@pytest.mark.parametrize(
    ("path", "shape", "dtype"),
    [
        ("em_fibsem_drosophila_medulla_ts1/*.png", [1, 1, 160, 250, 250], "uint8"),
        ("fluo_multiframe/cells3d_nuclei_z20-39.tif", [1, 1, 20, 256, 256], "uint16"),
        ("tem_mammalian_cell/EM2022_190_K2Box37_03_03_66.tif", [1, 1, 1, 2008, 2008], "uint8"),
    ],
)
def test_real_acquisitions_are_ingested(path, shape, dtype, run, real_data):
    _, done = run(real_data / path, shard=(1, 256, 256))
    assert (done["shape"], done["dtype"]) == (shape, dtype)


@pytest.mark.parametrize("parts", [1, 4, 16, 40])
@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_parts_store_the_bytes_of_one_job(parts, dtype, run, write_tiff, rng, tmp_path):
    values = (rng.random((2, 3, 300, 330)) * 1000).astype(dtype)
    # A plane of one grey level lies in several parts, and so does a hot pixel's.
    values[0, 1] = 7
    path = write_tiff("a.ome.tif", values, metadata={"axes": "CZYX"})
    _, whole = run(path, "whole")
    store, done = Store(tmp_path / "shared.ome.zarr"), tmp_path / "shared.done.json"
    settings = Settings(chunk=(1, 64, 64), shard=(1, 128, 128))
    work = Work(path, store, done, settings, Overrides())
    shares = Shares(tmp_path / "parts", "")
    begin(work, shares, parts)
    for part in reversed(range(parts)):
        # What no job has reported, the last one makes.
        if part != 2:
            fill(work, shares, part, Budget(2, 4000))
    complete(work, shares, Budget(2, 4000))
    shared = json.loads(done.read_text())
    differ = {key for key in whole if whole[key] != shared[key]}
    assert differ == {"store", "checksum"} and any(
        "constant planes" in note for note in shared["notes"]
    )


def test_a_shard_that_is_lost_between_its_part_and_the_end_is_made_anew(write_tiff, rng, tmp_path):
    path = write_tiff("a.ome.tif", rng.integers(0, 255, (300, 330), np.uint8))
    store, done = Store(tmp_path / "a.ome.zarr"), tmp_path / "a.done.json"
    work = Work(path, store, done, Settings(chunk=(1, 64, 64), shard=(1, 128, 128)), Overrides())
    shares, budget = Shares(tmp_path / "parts", ""), Budget(2, 4000)
    begin(work, shares, 2)
    for part in range(2):
        fill(work, shares, part, budget)
    (tmp_path / "a.ome.zarr/0/c/0/0/0/1/1").unlink()
    with pytest.raises(InputError, match="missing or holds other pixels"):
        complete(work, shares, budget)
    # Nobody trusts the reports any more.
    assert shares.parts == 0 and not done.exists()
    begin(work, shares, 2)
    complete(work, shares, budget)
    assert done.exists()

"""Prediction: tiles cover once and match an undivided pass, however the work is cut."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pssrflow.errors import InputError
from pssrflow.networks import build, receptive_halo, save_weights
from pssrflow.predict import finalise, initialise, measure_halo, run_part
from pssrflow.store import open_level, read_volume
from pssrflow.tiles import plan_tiles

OPTIONS = {"widths": [8, 12], "blocks": 1}
STRIDE = 2


@settings(max_examples=60)
@given(st.data())
def test_tiles_cover_a_rectangle_once_and_read_inside_the_plane(data):
    scale, stride = data.draw(st.integers(1, 5)), data.draw(st.sampled_from([1, 2, 4]))
    lr_shape = data.draw(st.tuples(st.integers(1, 90), st.integers(1, 90)))
    tile, halo = stride * data.draw(st.integers(1, 16)), stride * data.draw(st.integers(0, 8))
    box = []
    for length in lr_shape:
        start = data.draw(st.integers(0, length * scale - 1))
        box.append(slice(start, data.draw(st.integers(start + 1, length * scale))))
    hits = np.zeros([n * scale for n in lr_shape], int)
    for planned in plan_tiles(*box, lr_shape, scale, tile, halo, stride):
        hits[planned.write] += 1
        for read, keep, write, length in zip(planned.read, planned.keep, planned.write, lr_shape):
            assert 0 <= read.start < read.stop <= length and read.start % stride == 0
            assert keep.stop - keep.start == write.stop - write.start
            # What is kept lies where it is written, and a halo away from the edge of the read.
            assert read.start * scale + keep.start == write.start
            assert keep.start >= scale * halo or read.start == 0
            assert (
                read.stop - read.start
            ) * scale - keep.stop >= scale * halo or read.stop == length
    assert hits[tuple(box)].all() and hits.sum() == np.prod([b.stop - b.start for b in box])


@pytest.fixture
def network():
    torch.manual_seed(1)
    network = build("unet", 4, **OPTIONS)
    torch.nn.init.normal_(network.tail.weight, std=0.05)
    return network.eval()


@pytest.fixture
def predict(tmp_path, network, make_store):
    """Function that predicts an LR array and returns store, SR pixels and the done file."""
    weights = tmp_path / "w.safetensors"
    save_weights(weights, network, {"arch": "unet", "scale": 4, "options": OPTIONS})

    def run(values, name="sr", tile=32, halo="auto", parts=1, shard=128, precision="32"):
        lr, sr = make_store(values, f"lr-{name}"), tmp_path / f"{name}.ome.zarr"
        plan, done = tmp_path / f"{name}.plan.json", tmp_path / f"{name}.done.json"
        folder, sizes = tmp_path / f"{name}.parts", ((2, 64, 64), (2, shard, shard))
        initialise(lr, weights, sr, plan, folder, done, tile, halo, parts, *sizes)
        markers = [folder / f"{part}.json" for part in range(parts)]
        for part, marker in enumerate(markers):
            run_part(lr, weights, sr, plan, part, marker, 1, precision)
        finalise(sr, plan, markers, done, 1)
        return sr, open_level(sr)[:], json.loads(done.read_text())

    return run


def undivided(network, values, window):
    low, high = window
    with torch.inference_mode():
        image = (torch.from_numpy(values.astype(np.float32))[None, None] - low) / (high - low)
        return (network(image)[0, 0] * (high - low) + low).numpy()


@pytest.mark.parametrize("shape", [(1, 1), (1, 45), (47, 31), (97, 101)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_tiles_equal_one_undivided_pass(shape, dtype, predict, network, tissue):
    values = (
        tissue((1, 1, 1, *shape), dtype)
        if min(shape) > 1
        else np.arange(shape[1]).reshape(1, 1, 1, *shape).astype(dtype)
    )
    sr, made, _ = predict(values, halo=receptive_halo(network))
    expected = undivided(network, values[0, 0, 0], read_volume(sr).intensity.windows[0])
    limits = np.iinfo(dtype) if made.dtype.kind == "u" else np.finfo(dtype)
    tolerance = 1 if made.dtype.kind == "u" else 1e-4
    assert np.abs(made[0, 0, 0] - np.clip(expected, limits.min, limits.max)).max() <= tolerance


def test_parts_and_shards_change_no_byte(predict, tissue):
    values = tissue((1, 2, 3, 70, 90))
    _, reference, done = predict(values)
    for parts in (2, 5, 40):
        _, made, again = predict(values, f"parts{parts}", parts=parts)
        np.testing.assert_array_equal(made, reference)
        assert again["content"] == done["content"]
    _, made, _ = predict(values, "shards", shard=64)
    np.testing.assert_array_equal(made, reference)


def test_the_measured_halo_keeps_tiles_within_a_grey_level(predict, network, tissue, make_store):
    values = tissue((1, 1, 1, 120, 130), sigma=1)
    halo = measure_halo(network, make_store(values))
    assert 0 < halo <= receptive_halo(network) and halo % STRIDE == 0
    _, small, _ = predict(values, "small", tile=16)
    _, large, _ = predict(values, "large", tile=128)
    assert np.abs(small.astype(int) - large.astype(int)).max() <= 1


def test_planes_that_fit_one_tile_need_no_halo_and_others_do(predict, tissue):
    values = tissue((1, 1, 1, 50, 60), sigma=1.5)
    _, sr, done = predict(values, tile=64, shard=256)
    _, whole, _ = predict(values, "whole", halo=16, tile=64, shard=256)
    assert done["halo"] == 0
    np.testing.assert_array_equal(sr, whole)
    for name, sizes in (("tiles", {"tile": 32, "shard": 256}), ("shards", {"tile": 64})):
        assert predict(values, name, **sizes)[2]["halo"] > 0


def test_sr_keeps_dtype_and_units_and_divides_the_pixel_size(predict, tissue):
    sr, made, done = predict(tissue((1, 1, 1, 40, 50), np.uint16))
    volume = read_volume(sr)
    assert made.shape == (1, 1, 1, 160, 200) and volume.dtype == "uint16"
    assert volume.pixel_size == (None, 0.001, 0.001)
    assert done["shape"] == [1, 1, 1, 160, 200]
    # The first SR pixel begins where the first LR pixel does.
    assert volume.origin[1] == -1.5


def test_finalise_refuses_shards_that_no_part_reported(predict, tissue, tmp_path):
    predict(tissue((1, 1, 1, 70, 90)), parts=3)
    markers = [tmp_path / f"sr.parts/{part}.json" for part in (0, 2)]
    with pytest.raises(InputError, match="shards were not reported"):
        finalise(
            tmp_path / "sr.ome.zarr", tmp_path / "sr.plan.json", markers, tmp_path / "x.json", 1
        )
    assert not (tmp_path / "x.json").exists()


def test_finalise_names_a_shard_that_was_cut_short(predict, tissue, tmp_path):
    sr, _, _ = predict(tissue((1, 1, 1, 70, 90)))
    shard = sr / "0/c/0/0/0/1/2"
    shard.write_bytes(shard.read_bytes()[:100])
    with pytest.raises(InputError, match="0, 0, 0, 128, 256"):
        finalise(
            sr, tmp_path / "sr.plan.json", [tmp_path / "sr.parts/0.json"], tmp_path / "x.json", 1
        )


def test_a_half_written_shard_at_the_edge_is_replaced(predict, tissue, tmp_path):
    values = tissue((1, 1, 1, 70, 90))
    sr, made, done = predict(values)
    for shard in (sr / "0/c/0/0/0/2/2", sr / "1/c/0/0/0/1/1"):
        shard.write_bytes(shard.read_bytes()[:50])
    weights, plan = tmp_path / "w.safetensors", tmp_path / "sr.plan.json"
    marker = tmp_path / "sr.parts/0.json"
    run_part(tmp_path / "lr-sr.ome.zarr", weights, sr, plan, 0, marker, 1, "32")
    finalise(sr, plan, [marker], tmp_path / "again.json", 1)
    np.testing.assert_array_equal(open_level(sr)[:], made)
    assert json.loads((tmp_path / "again.json").read_text())["content"] == done["content"]


def test_a_new_prediction_removes_the_markers_and_done_file_of_the_old_one(
    predict, tissue, tmp_path
):
    values = tissue((1, 1, 1, 40, 50))
    predict(values, parts=5)
    old = (tmp_path / "sr.plan.json").read_text()
    sizes = (32, "auto", 2, (1, 64, 64), (1, 128, 128))
    paths = (tmp_path / "sr.plan.json", tmp_path / "sr.parts", tmp_path / "sr.done.json")
    lr, weights = tmp_path / "lr-sr.ome.zarr", tmp_path / "w.safetensors"
    initialise(lr, weights, tmp_path / "sr.ome.zarr", *paths, *sizes)
    assert not paths[1].exists() and not paths[2].exists()
    assert paths[0].read_text() != old

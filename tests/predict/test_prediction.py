"""Prediction: tiles match an undivided pass, however the work is cut, and what is asked is made."""

import json

import numpy as np
import pytest
import torch
from pssrflow.errors import InputError
from pssrflow.networks.registry import build
from pssrflow.predict.inference import Inference
from pssrflow.predict.plan import Plan
from pssrflow.predict.stage import initialise, run_part
from pssrflow.run.devices import best_device


@pytest.mark.parametrize("shape", [(1, 1), (1, 45), (47, 31), (97, 101)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_tiles_equal_one_undivided_pass(shape, dtype, predict, network, undivided, tissue):
    values = (
        tissue((1, 1, 1, *shape), dtype)
        if min(shape) > 1
        else np.arange(shape[1]).reshape(1, 1, 1, *shape).astype(dtype)
    )
    prediction, made, _ = predict(values)
    window = prediction.stores["sr"].volume.intensity.windows[0]
    expected = undivided(network, values[0, 0, 0], window)
    limits = np.iinfo(dtype) if made.dtype.kind == "u" else np.finfo(dtype)
    tolerance = 1 if made.dtype.kind == "u" else 1e-4 * max(1, np.ptp(values))
    assert np.abs(made[0, 0, 0] - np.clip(expected, limits.min, limits.max)).max() <= tolerance


def test_parts_change_no_byte(predict, tissue):
    values = tissue((1, 2, 3, 70, 90))
    _, reference, done = predict(values)
    for parts in (2, 5, 40):
        _, made, again = predict(values, f"parts{parts}", parts=parts)
        np.testing.assert_array_equal(made, reference)
        assert again["content"] == done["content"]


@pytest.mark.parametrize("tile", [16, 24, 128, "auto"])
@pytest.mark.parametrize("shard", [64, 192, 1024])
def test_tiles_and_shards_change_at_most_a_grey_level(tile, shard, predict, tissue):
    values = tissue((1, 1, 1, 120, 130), sigma=1)
    _, reference, _ = predict(values)
    _, made, _ = predict(values, "cut", tile=tile, shard=shard)
    assert np.abs(made.astype(int) - reference).max() <= 1
    assert np.abs(made.astype(int) - reference).any() or tile in (32, "auto")


def test_planes_that_fit_one_tile_need_no_halo_and_others_do(predict, tissue):
    values = tissue((1, 1, 1, 50, 60), sigma=1.5)
    _, sr, done = predict(values, tile=64, shard=256)
    _, whole, _ = predict(values, "whole", halo=16, tile=64, shard=256)
    assert done["halo"] == 0
    np.testing.assert_array_equal(sr, whole)
    assert predict(values, "tiles", tile=32, shard=256)[2]["halo"] > 0


@pytest.fixture
def short_of_memory(monkeypatch):
    """Function after which a device holds no more than 48 LR pixels along x; those it refused."""
    passed, refused = Inference._once, []

    def short(self, batch):
        if batch.shape[-1] > 48:
            refused.append(batch.shape[-1])
            raise torch.OutOfMemoryError("CUDA out of memory")
        return passed(self, batch)

    return lambda: monkeypatch.setattr(Inference, "_once", short) or refused


@pytest.mark.parametrize("tile", [64, 256])
def test_a_device_short_of_memory_gets_smaller_tiles(tile, predict, tissue, short_of_memory):
    values = tissue((1, 1, 2, 120, 130), sigma=1)
    _, expected, _ = predict(values, tile=tile, sparse=False)
    refused = short_of_memory()
    _, made, _ = predict(values, "short", tile=tile, sparse=False, parts=2)
    assert refused and np.abs(made.astype(int) - expected).max() <= 1


def test_where_tiles_decide_pixels_a_device_short_of_memory_is_said(
    predict, tissue, short_of_memory
):
    short_of_memory()
    with pytest.raises(InputError, match=r"predict\.tile: a tile does not fit"):
        predict(tissue((1, 1, 1, 120, 130)), tile=64, sparse=False, blend="gaussian")


@pytest.mark.parametrize("blend", ["linear", "gaussian"])
def test_blending_changes_nothing_where_the_halo_holds_all_that_is_seen(blend, predict, tissue):
    values = tissue((1, 1, 2, 70, 90))
    _, plain, _ = predict(values)
    _, made, _ = predict(values, blend, blend=blend)
    assert np.abs(made.astype(int) - plain).max() <= 1


def test_sr_keeps_dtype_and_units_and_divides_the_pixel_size(predict, tissue):
    prediction, made, done = predict(tissue((1, 1, 1, 40, 50), np.uint16))
    volume = prediction.stores["sr"].volume
    assert made.shape == (1, 1, 1, 160, 200) and volume.dtype == "uint16"
    assert volume.pixel_size == (None, 0.001, 0.001)
    assert done["shape"] == [1, 1, 1, 160, 200]
    # The first SR pixel begins where the first LR pixel does.
    assert volume.origin[1] == -1.5


def test_a_self_ensemble_is_the_mean_of_eight_and_keeps_their_deviation(
    predict, network, undivided, tissue
):
    values = tissue((1, 1, 1, 40, 52), np.float32)
    prediction, made, _ = predict(values, self_ensemble=True, tile=64, shard=256)
    window = prediction.stores["sr"].volume.intensity.windows[0]
    eight = []
    for turns in range(4):
        for mirror in (False, True):
            image = np.rot90(values[0, 0, 0], turns)
            image = np.ascontiguousarray(image[:, ::-1] if mirror else image)
            one = undivided(network, image, window)
            eight.append(np.rot90(one[:, ::-1] if mirror else one, -turns))
    np.testing.assert_allclose(made[0, 0, 0], np.mean(eight, 0), atol=1e-5)
    std = prediction.stores["std"].level()[0, 0, 0]
    np.testing.assert_allclose(std, np.std(eight, 0), atol=1e-5)
    assert json.loads(prediction.done["std"].read_text())["dtype"] == "float32"


@pytest.mark.parametrize(
    ("empty", "interpolated"), [(None, [0, 0]), ("constant", [1, 0]), (20, [1, 1])]
)
def test_empty_tiles_are_interpolated(empty, interpolated, predict, network, undivided, tissue):
    values = tissue((1, 1, 1, 64, 96))
    values[..., :64] = 7
    values[..., 40, 40] = 20
    prediction, made, _ = predict(values, empty=empty, tile=32, halo=0)
    window = prediction.stores["sr"].volume.intensity.windows[0]
    # A tile of one grey level, and one of two.
    for place, filled in zip((0, 32), interpolated):
        inside = (slice(place, place + 32),) * 2
        plain = undivided(build("bicubic", 4, {}), values[0, 0, 0][inside], window)
        network_made = undivided(network, values[0, 0, 0][inside], window)
        expected = np.clip(plain if filled else network_made, 0, 255)
        found = made[0, 0, 0, place * 4 : place * 4 + 128, place * 4 : place * 4 + 128]
        assert np.abs(found - expected).max() < 1
        assert np.abs(plain - network_made).max() > 2


# -- what an earlier run left ---------------------------------------------------------------------


def test_a_part_goes_on_after_its_last_block_but_not_after_other_code(predict, tissue):
    prediction, made, _ = predict(tissue((1, 1, 1, 70, 90)))
    marker, planned = prediction.marker(0), Plan.read(prediction.plan)
    shards = sorted((prediction.plan.parent / "sr.ome.zarr/0/c/0/0/0").rglob("?/?"))
    digests = json.loads(marker.read_text())["digests"]["sr"]
    first = {"sr": {place: digests[place] for place in list(digests)[:1]}}
    key = f"{planned.id} code {best_device().type} 32"
    line = json.dumps({"key": key, "block": 0, "digests": first})
    for code, again in (("code", len(planned.blocks()) - 1), ("other", len(planned.blocks()))):
        # A kill cut the second line short.
        marker.with_name("0.json.journal").write_text(f"{line}\n\n{line[:30]}")
        before = {p: p.stat().st_mtime_ns for p in shards}
        run_part(prediction, 0, 1, "32", code)
        assert sum(p.stat().st_mtime_ns > before[p] for p in shards) == again
        assert json.loads(marker.read_text())["digests"]["sr"] == digests
    np.testing.assert_array_equal(prediction.stores["sr"].level()[:], made)


def test_a_new_prediction_removes_the_markers_and_done_file_of_the_old_one(
    predict, request_of, tissue
):
    prediction, _, _ = predict(tissue((1, 1, 1, 40, 50)), parts=5)
    old = prediction.plan.read_text()
    initialise(prediction, request_of(parts=2))
    assert [path.name for path in prediction.markers.iterdir()] == [prediction.kept_plan.name]
    assert not prediction.done["sr"].exists() and prediction.plan.read_text() != old


def test_a_map_that_is_no_longer_kept_goes_with_its_done_file(predict, request_of, tissue):
    prediction, _, _ = predict(tissue((1, 1, 1, 40, 50)), self_ensemble=True)
    std = prediction.plan.parent / "std.ome.zarr"
    assert std.exists() and prediction.done["std"].exists()
    initialise(prediction, request_of())
    assert not std.exists() and not prediction.done["std"].exists()
    assert [one.name for one in Plan.read(prediction.plan).maps] == ["sr"]


# -- regions and masks ----------------------------------------------------------------------------


def test_a_region_is_what_the_whole_has_there(predict, tissue):
    values = tissue((1, 1, 4, 70, 90))
    _, made, _ = predict(values, depth=1)
    region, part, _ = predict(values, "roi", depth=1, roi="1:3, 20:61, 0.08um:0.32um")
    assert part.shape == (1, 1, 2, 41 * 4, 60 * 4)
    inside = made[:, :, 1:3, 20 * 4 : 61 * 4, 20 * 4 : 80 * 4]
    # Pixels around the region are read, so its edges are no edges.
    assert np.abs(part.astype(int) - inside).max() <= 1
    volume = region.stores["sr"].volume
    assert volume.origin == (1.0, 20 * 4 - 1.5, 20 * 4 - 1.5)
    assert region.lr.volume.corner(volume, 4) == (1, 20, 20)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("0:80, 0:20", "leaves the image"),
        ("5", "1 range"),
        ("0:1parsec, 0:20", "not a length"),
        ("1um:2um, 0:5, 0:5", "pixel size along z is not known"),
    ],
)
def test_a_region_that_cannot_be_is_refused(text, found, predict, tissue):
    with pytest.raises(InputError, match=rf"predict\.roi: .*{found}.*Accepted"):
        predict(tissue((1, 1, 2, 70, 90)), roi=text)


@pytest.mark.parametrize("scale", [1, 4])
def test_tiles_outside_a_mask_are_interpolated(scale, predict, network, undivided, tissue):
    values = tissue((1, 1, 2, 64, 96))
    # As large as the LR image, or as the super-resolved one.
    mask = np.zeros((1, 1, 1, 64 * scale, 96 * scale), np.uint8)
    mask[..., 10 * scale : 20 * scale, 70 * scale : 80 * scale] = 1
    prediction, made, _ = predict(values, mask=mask, tile=32, halo=0)
    window = prediction.stores["sr"].volume.intensity.windows[0]
    for z in (0, 1):
        for rows, cols in np.ndindex(2, 3):
            inside = slice(rows * 32, rows * 32 + 32), slice(cols * 32, cols * 32 + 32)
            wanted = network if (rows, cols) == (0, 2) else build("bicubic", 4, {})
            expected = undivided(wanted, values[0, 0, z][inside], window)
            found = made[0, 0, z, rows * 128 : rows * 128 + 128, cols * 128 : cols * 128 + 128]
            assert np.abs(found - np.clip(expected, 0, 255)).max() < 1


def test_a_mask_of_another_size_is_refused(predict, tissue):
    with pytest.raises(InputError, match=r"mask_path.*a mask of .*1, 70, 80\).*2, 70, 90\)"):
        predict(tissue((1, 1, 2, 70, 90)), mask=tissue((1, 1, 1, 70, 80)))

"""Prediction: tiles cover once and match an undivided pass, however the work is cut."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pssrflow.errors import InputError
from pssrflow.models.halo import measure_halo
from pssrflow.models.weights import save_weights
from pssrflow.networks.receptive_field import receptive_halo
from pssrflow.networks.registry import build
from pssrflow.predict.assembly import build_pyramid, collect, finalise
from pssrflow.predict.forecast import forecast, table
from pssrflow.predict.memory import affordable_tile, job_bytes
from pssrflow.predict.plan import Plan
from pssrflow.predict.stage import initialise, run_part
from pssrflow.predict.tiles import Cutting
from pssrflow.run.devices import best_device
from pssrflow.volumes.blocks import cut
from pssrflow.volumes.store import Store

OPTIONS = {"widths": [8, 12], "blocks": 1}
STRIDE = 2
SETTINGS = {
    "tile": 32,
    "halo": "auto",
    "memory": 4000,
    "blend": "none",
    "overlap": 8,
    "self_ensemble": False,
    "empty": None,
}


@st.composite
def cuttings(draw, blended):
    """Planes of any size, or a region of them, for networks and shards of any size."""
    scale, stride = draw(st.integers(1, 5)), draw(st.sampled_from([1, 2, 3, 4]))
    lr_shape = draw(st.tuples(st.integers(1, 90), st.integers(1, 90)))
    origin = tuple(draw(st.integers(0, n - 1)) for n in lr_shape)
    sizes = tuple(draw(st.integers(1, n - o)) for n, o in zip(lr_shape, origin))
    tile = draw(st.integers(1, 64))
    most = max(0, tile // 2 // stride - 1) * stride
    assume(most or not blended)
    return Cutting(
        lr_shape=lr_shape,
        origin=origin,
        sr_shape=(draw(st.integers(1, 3)), *(n * scale for n in sizes)),
        shard=(draw(st.integers(1, 2)), *(draw(st.sampled_from([16, 50, 64])) for _ in "yx")),
        scale=scale,
        stride=stride,
        tile=tile,
        halo=draw(st.integers(0, 20)),
        overlap=draw(st.integers(1, most)) if blended else 0,
    )


@settings(max_examples=80, deadline=None)
@given(cuttings(blended=False), st.integers(1, 9))
def test_blocks_and_tiles_cover_a_volume_once_in_whole_shards(cutting, parts):
    plan = Plan(cutting, (1, 2), 0, parts, "none", False, None, False, 0.0, 0.0)
    hits = np.zeros((1, 2, *cutting.sr_shape), int)
    shards = set(cut(hits.shape, (1, 1, *cutting.shard)))
    for part in range(parts):
        for block in plan.part(part).values():
            inside = cut(block.stop, (1, 1, *cutting.shard), block.start)
            assert shards.issuperset(inside)
            shards.difference_update(inside)
            for tile in cutting.tiles(*block.slices[3:]):
                hits[(*block.slices[:3], *tile.write)] += 1
    assert not shards and (hits == 1).all()


@settings(max_examples=80, deadline=None)
@given(cuttings(blended=False))
def test_a_tile_keeps_what_it_reads_a_halo_around(cutting):
    for tile in cutting.tiles(*(slice(0, n) for n in cutting.sr_shape[1:])):
        for axis, (read, keep, write) in enumerate(zip(tile.read, tile.keep, tile.write)):
            length, origin = cutting.lr_shape[axis], cutting.origin[axis]
            assert 0 <= read.start < read.stop <= length and read.start % cutting.stride == 0
            assert read.stop == length or (read.stop - read.start) % cutting.stride == 0
            assert (
                keep.stop - keep.start
                == write.stop - write.start
                <= (cutting.tile + cutting.stride) * cutting.scale
            )
            # What is kept lies where it is written, and a halo away from the edge of the read.
            assert read.start * cutting.scale + keep.start == origin * cutting.scale + write.start
            around = cutting.halo * cutting.scale
            assert keep.start >= around or read.start == 0
            assert (
                read.stop - read.start
            ) * cutting.scale - keep.stop >= around or read.stop == length


@settings(max_examples=80, deadline=None)
@given(cuttings(blended=True), st.sampled_from(["linear", "gaussian"]))
def test_weights_of_blended_tiles_sum_to_one_in_every_block(cutting, blend):
    total = np.zeros(cutting.sr_shape[1:])
    for block in cutting.blocks((1, 1)):
        if block.start[2]:
            continue
        for tile in cutting.tiles(*block.slices[3:]):
            down, along = cutting.weights(tile, blend)
            total[tile.write] += down[:, None] * along
    np.testing.assert_allclose(total, 1, atol=1e-6)


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

    def run(
        values, name="sr", parts=1, shard=128, pyramids=0, depth=2, roi=None, mask=None, **settings
    ):
        lr, sr = make_store(values, f"lr-{name}"), tmp_path / f"{name}.ome.zarr"
        plan, done = tmp_path / f"{name}.plan.json", tmp_path / f"{name}.done.json"
        folder, sizes = tmp_path / f"{name}.parts", ((depth, 64, 64), (depth, shard, shard))
        std = tmp_path / f"{name}-std.ome.zarr"
        chosen = SETTINGS | settings
        initialise(lr, weights, sr, plan, folder, done, parts, *sizes, chosen, std, roi, mask)
        markers = [folder / f"{part}.json" for part in range(parts)]
        for part, marker in enumerate(markers):
            run_part(lr, weights, sr, plan, part, marker, done, 1, "32", std=std, mask=mask)
        built = [folder / f"pyramid.{part}.json" for part in range(pyramids)]
        for part, marker in enumerate(built):
            build_pyramid(sr, plan, markers, part, pyramids, marker, 1, std=std)
        finalise(sr, plan, markers, built, done, 1, std=std)
        return sr, Store(sr).level()[:], json.loads(done.read_text())

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
    sr, made, _ = predict(values)
    expected = undivided(network, values[0, 0, 0], Store(sr).volume.intensity.windows[0])
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


def test_pyramids_of_many_jobs_are_those_of_one(predict, tissue):
    values = tissue((1, 2, 3, 70, 190))
    one, _, done = predict(values)
    for pyramids in (1, 2, 7):
        many, _, again = predict(values, f"p{pyramids}", pyramids=pyramids)
        assert again["content"] == done["content"]
        for level in range(len(Store(one).volume.level_shapes())):
            np.testing.assert_array_equal(Store(many).level(level)[:], Store(one).level(level)[:])


def test_the_measured_halo_is_smaller_than_the_receptive_field(network, tissue, make_store):
    halo = measure_halo(network, make_store(tissue((1, 1, 1, 120, 130), sigma=1)))
    assert 0 < halo < receptive_halo(network) and halo % STRIDE == 0


def test_float_data_ask_for_a_larger_halo(network, tissue, make_store):
    image = tissue((1, 1, 1, 120, 130), np.float32, sigma=1)
    grey = (image * 255).astype(np.uint8)
    assert measure_halo(network, make_store(image, "f")) > measure_halo(network, make_store(grey))


def test_planes_that_fit_one_tile_need_no_halo_and_others_do(predict, tissue):
    values = tissue((1, 1, 1, 50, 60), sigma=1.5)
    _, sr, done = predict(values, tile=64, shard=256)
    _, whole, _ = predict(values, "whole", halo=16, tile=64, shard=256)
    assert done["halo"] == 0
    np.testing.assert_array_equal(sr, whole)
    assert predict(values, "tiles", tile=32, shard=256)[2]["halo"] > 0


@pytest.mark.parametrize("blend", ["linear", "gaussian"])
def test_blending_changes_nothing_where_the_halo_holds_all_that_is_seen(blend, predict, tissue):
    values = tissue((1, 1, 2, 70, 90))
    _, plain, _ = predict(values)
    _, made, _ = predict(values, blend, blend=blend)
    assert np.abs(made.astype(int) - plain).max() <= 1


def test_sr_keeps_dtype_and_units_and_divides_the_pixel_size(predict, tissue):
    sr, made, done = predict(tissue((1, 1, 1, 40, 50), np.uint16))
    volume = Store(sr).volume
    assert made.shape == (1, 1, 1, 160, 200) and volume.dtype == "uint16"
    assert volume.pixel_size == (None, 0.001, 0.001)
    assert done["shape"] == [1, 1, 1, 160, 200]
    # The first SR pixel begins where the first LR pixel does.
    assert volume.origin[1] == -1.5


def test_a_self_ensemble_is_the_mean_of_eight_and_keeps_their_deviation(
    predict, network, tissue, tmp_path
):
    values = tissue((1, 1, 1, 40, 52), np.float32)
    sr, made, _ = predict(values, self_ensemble=True, tile=64, shard=256)
    window = Store(sr).volume.intensity.windows[0]
    eight = []
    for turns in range(4):
        for mirror in (False, True):
            image = np.rot90(values[0, 0, 0], turns)
            image = np.ascontiguousarray(image[:, ::-1] if mirror else image)
            one = undivided(network, image, window)
            eight.append(np.rot90(one[:, ::-1] if mirror else one, -turns))
    np.testing.assert_allclose(made[0, 0, 0], np.mean(eight, 0), atol=1e-5)
    std = Store(tmp_path / "sr-std.ome.zarr").level()[0, 0, 0]
    np.testing.assert_allclose(std, np.std(eight, 0), atol=1e-5)
    assert json.loads((tmp_path / "std.done.json").read_text())["dtype"] == "float32"


@pytest.mark.parametrize(
    ("empty", "interpolated"), [(None, [0, 0]), ("constant", [1, 0]), (20, [1, 1])]
)
def test_empty_tiles_are_interpolated(empty, interpolated, predict, network, tissue):
    values = tissue((1, 1, 1, 64, 96))
    values[..., :64] = 7
    values[..., 40, 40] = 20
    sr, made, _ = predict(values, empty=empty, tile=32, halo=0)
    window = Store(sr).volume.intensity.windows[0]
    # A tile of one grey level, and one of two.
    for place, filled in zip((0, 32), interpolated):
        inside = (slice(place, place + 32),) * 2
        plain = undivided(build("bicubic", 4), values[0, 0, 0][inside], window)
        network_made = undivided(network, values[0, 0, 0][inside], window)
        expected = np.clip(plain if filled else network_made, 0, 255)
        found = made[0, 0, 0, place * 4 : place * 4 + 128, place * 4 : place * 4 + 128]
        assert np.abs(found - expected).max() < 1
        assert np.abs(plain - network_made).max() > 2


def test_finalise_refuses_shards_that_no_part_reported(predict, tissue, tmp_path):
    predict(tissue((1, 1, 1, 70, 90)), parts=3)
    markers = [tmp_path / f"sr.parts/{part}.json" for part in (0, 2)]
    plan, done = tmp_path / "sr.plan.json", tmp_path / "x.json"
    with pytest.raises(InputError, match=r"\(0, 0, 0, 128, 0\): 3 of 9 shards were not"):
        finalise(tmp_path / "sr.ome.zarr", plan, markers, [], done, 1)
    assert not done.exists()


@pytest.mark.parametrize("pyramids", [0, 1])
def test_a_shard_that_was_cut_short_is_named(pyramids, predict, tissue, tmp_path):
    sr, _, _ = predict(tissue((1, 1, 1, 70, 90)))
    shard = sr / "0/c/0/0/0/1/2"
    shard.write_bytes(shard.read_bytes()[:100])
    plan, markers = tmp_path / "sr.plan.json", [tmp_path / "sr.parts/0.json"]
    with pytest.raises(InputError, match="0, 0, 0, 128, 256"):
        if pyramids:
            build_pyramid(sr, plan, markers, 0, 1, tmp_path / "x.json", 1)
        else:
            finalise(sr, plan, markers, [], tmp_path / "x.json", 1)
    assert not (tmp_path / "x.json").exists()


@pytest.mark.parametrize(("parts", "collected"), [(1, False), (3, False), (3, True)])
def test_the_marker_of_a_damaged_shard_goes_and_no_other(
    parts, collected, predict, tissue, tmp_path
):
    sr, _, _ = predict(tissue((1, 1, 1, 70, 90)), parts=parts)
    plan, folder = tmp_path / "sr.plan.json", tmp_path / "sr.parts"
    markers = [folder / f"{part}.json" for part in range(parts)]
    if collected:
        collect(markers, folder / "collected.json")
    (sr / "0/c/0/0/0/1/2").unlink()
    asked = [folder / "collected.json"] if collected else markers
    with pytest.raises(InputError, match=rf"makes it again in part {parts // 2}"):
        finalise(sr, plan, [str(path) for path in asked], [], tmp_path / "x.json", 1)
    assert [path.exists() for path in markers] == [n != parts // 2 for n in range(parts)]
    assert not (folder / "collected.json").exists()


def test_a_half_written_shard_at_the_edge_is_replaced(predict, tissue, tmp_path):
    values = tissue((1, 1, 1, 70, 90))
    sr, made, done = predict(values)
    for shard in (sr / "0/c/0/0/0/2/2", sr / "1/c/0/0/0/1/1"):
        shard.write_bytes(shard.read_bytes()[:50])
    weights, plan = tmp_path / "w.safetensors", tmp_path / "sr.plan.json"
    marker = tmp_path / "sr.parts/0.json"
    what = tmp_path / "lr-sr.ome.zarr", weights, sr, plan, 0, marker, tmp_path / "sr.done.json"
    run_part(*what, 1, "32")
    assert not what[-1].exists()
    finalise(sr, plan, [marker], [], tmp_path / "again.json", 1)
    np.testing.assert_array_equal(Store(sr).level()[:], made)
    assert json.loads((tmp_path / "again.json").read_text())["content"] == done["content"]


def test_a_part_goes_on_after_its_last_block_but_not_after_other_code(predict, tissue, tmp_path):
    sr, made, _ = predict(tissue((1, 1, 1, 70, 90)))
    weights, plan = tmp_path / "w.safetensors", tmp_path / "sr.plan.json"
    marker, shards = tmp_path / "sr.parts/0.json", sorted((sr / "0/c/0/0/0").rglob("?/?"))
    blocks = Plan.read(plan).blocks()
    digests = json.loads(marker.read_text())["digests"]["sr"]
    first = {"sr": {place: digests[place] for place in list(digests)[:1]}}
    key = f"{Plan.read(plan).id} code {best_device().type} 32"
    line = json.dumps({"key": key, "block": 0, "digests": first})
    lr = tmp_path / "lr-sr.ome.zarr"
    for code, again in (("code", len(blocks) - 1), ("other", len(blocks))):
        # A kill cut the second line short.
        marker.with_name("0.json.journal").write_text(f"{line}\n\n{line[:30]}")
        before = {p: p.stat().st_mtime_ns for p in shards}
        run_part(lr, weights, sr, plan, 0, marker, tmp_path / "sr.done.json", 1, "32", code)
        assert sum(p.stat().st_mtime_ns > before[p] for p in shards) == again
        assert json.loads(marker.read_text())["digests"]["sr"] == digests
    np.testing.assert_array_equal(Store(sr).level()[:], made)


def test_a_new_prediction_removes_the_markers_and_done_file_of_the_old_one(
    predict, tissue, tmp_path
):
    predict(tissue((1, 1, 1, 40, 50)), parts=5)
    old = (tmp_path / "sr.plan.json").read_text()
    paths = (tmp_path / "sr.plan.json", tmp_path / "sr.parts", tmp_path / "sr.done.json")
    lr, weights = tmp_path / "lr-sr.ome.zarr", tmp_path / "w.safetensors"
    sizes = (2, (1, 64, 64), (1, 128, 128), SETTINGS)
    initialise(lr, weights, tmp_path / "sr.ome.zarr", *paths, *sizes)
    assert not paths[1].exists() and not paths[2].exists()
    assert paths[0].read_text() != old


# -- regions, masks, forecasts ------------------------------------------------------------------


def test_a_region_is_what_the_whole_has_there(predict, tissue, make_store, tmp_path):
    values = tissue((1, 1, 4, 70, 90))
    _, made, _ = predict(values, depth=1)
    region, part, _ = predict(values, "roi", depth=1, roi="1:3, 20:61, 0.08um:0.32um")
    assert part.shape == (1, 1, 2, 41 * 4, 60 * 4)
    inside = made[:, :, 1:3, 20 * 4 : 61 * 4, 20 * 4 : 80 * 4]
    # Pixels around the region are read, so its edges are no edges.
    assert np.abs(part.astype(int) - inside).max() <= 1
    assert Store(region).volume.origin == (1.0, 20 * 4 - 1.5, 20 * 4 - 1.5)
    lr = Store(tmp_path / "lr-roi.ome.zarr").volume
    assert lr.corner(Store(region).volume, 4) == (1, 20, 20)


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


def test_tiles_outside_a_mask_are_interpolated(predict, network, tissue, make_store):
    values = tissue((1, 1, 2, 64, 96))
    mask = np.zeros((1, 1, 1, 64, 96), np.uint8)
    mask[..., 10:20, 70:80] = 1
    mask = make_store(mask, "mask")
    sr, made, _ = predict(values, mask=mask, tile=32, halo=0)
    window = Store(sr).volume.intensity.windows[0]
    for z in (0, 1):
        for rows, cols in np.ndindex(2, 3):
            inside = slice(rows * 32, rows * 32 + 32), slice(cols * 32, cols * 32 + 32)
            wanted = network if (rows, cols) == (0, 2) else build("bicubic", 4)
            expected = undivided(wanted, values[0, 0, z][inside], window)
            found = made[0, 0, z, rows * 128 : rows * 128 + 128, cols * 128 : cols * 128 + 128]
            assert np.abs(found - np.clip(expected, 0, 255)).max() < 1


def test_a_mask_of_another_size_is_refused(predict, tissue, make_store):
    mask = make_store(tissue((1, 1, 1, 70, 80)), "mask")
    with pytest.raises(InputError, match=r"mask_path: a mask of \(1, 70, 80\).*\(2, 70, 90\)"):
        predict(tissue((1, 1, 2, 70, 90)), mask=mask)


def test_auto_tiles_shrink_with_the_memory_and_leave_blocks_for_jobs(network):
    each = 3000.0
    cutting = Cutting((4096, 4096), (0, 0), (1, 16384, 16384), (1, 2048, 2048), 4, 4, 1024, 16)
    tiles = [affordable_tile(cutting, (1, 1), each, mb, 1) for mb in (1000, 4000, 16000)]
    assert tiles == sorted(tiles) and tiles[0] < tiles[1] <= tiles[2] == 1024
    for mb, tile in zip((1000, 4000), tiles):
        needed = job_bytes(replace(cutting, tile=tile), each, 1) / 1e6
        assert needed <= mb - 500
    small = replace(cutting, lr_shape=(1024, 1024), sr_shape=(1, 4096, 4096))
    tile = affordable_tile(small, (1, 1), each, 16000, 1)
    assert len(replace(small, tile=tile).blocks((1, 1))) == 4
    assert len(replace(small, tile=tile).blocks((1, 50))) == 200


def test_a_forecast_says_what_the_prediction_then_needs(predict, network, tissue, tmp_path):
    values = tissue((1, 2, 3, 70, 190))
    sr, _, done = predict(values, parts=3, halo=8)
    lr, plan = Store(tmp_path / "lr-sr.ome.zarr").volume, Plan.read(tmp_path / "sr.plan.json")
    box = tuple(slice(0, n) for n in lr.shape[2:])
    chosen = SETTINGS | {"halo": 8}
    needed = forecast(network, lr, box, (2, 64, 64), (2, 128, 128), 3, chosen)
    assert needed.shape == tuple(done["shape"]) and needed.blocks == len(plan.blocks())
    assert needed.jobs == 3 and needed.seconds > 0
    files = [f for f in sr.rglob("*") if f.is_file()]
    # Plan, done file, markers and journals lie beside the store.
    assert needed.files == len(files) + 2 + 2 * 3
    pixels = sum(
        Store(sr).level(level).size for level in range(len(Store(sr).volume.level_shapes()))
    )
    assert needed.disk_gb == pytest.approx(pixels / 1e9)
    lines = table([("x", "default", needed), ("y", "default", needed)]).splitlines()
    assert lines[1].split()[:2] == ["x", "default"] and f"{2 * needed.files}" in lines[3].split()

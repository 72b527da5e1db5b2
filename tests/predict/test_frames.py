"""Networks that see several planes: neither a seam, nor a cut, nor the end of a stack shows."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from pssrflow.networks.frames import Frames
from pssrflow.predict import pipeline, stage
from pssrflow.predict.loader import Kept
from pssrflow.predict.stage import initialise, run_part
from pssrflow.volumes.blocks import Region
from pssrflow.volumes.store import Store


def of(axis="z", edge="repeat", stride=1, number=3):
    return Frames.model_validate({"axis": axis, "edge": edge, "stride": stride, "in": number})


THREE = pytest.mark.parametrize("frames", [of()], ids=["z"])


@pytest.fixture
def expected(network, undivided, frames):
    """Function (values, window) -> what undivided passes make of all planes of a stack."""

    def make(values, window):
        stack = Region((0,) * 5, values.shape)
        made = [
            undivided(network, np.stack([values[p] for p in frames.around(plane, stack)]), window)
            for plane in stack.planes()
        ]
        return np.clip(np.reshape(made, (*values.shape[:3], *made[0].shape)), 0, 255)

    return make


@pytest.mark.parametrize(
    "frames",
    [of(), of("t"), of("zt", "mirror"), of(stride=2), of(number=9)],
    ids=lambda frames: f"{frames.axis}-{frames.count}-{frames.stride}",
)
def test_tiles_equal_undivided_passes_to_the_ends_of_the_stack(frames, predict, expected, tissue):
    values = tissue((2, 1, 4, 47, 70))
    prediction, made, _ = predict(values)
    window = prediction.stores["sr"].volume.intensity.windows[0]
    assert np.abs(made - expected(values, window)).max() <= 1


@THREE
def test_parts_and_shards_along_z_change_no_byte(frames, predict, tissue):
    values = tissue((1, 1, 5, 70, 90))
    _, reference, done = predict(values)
    for depth in (1, 3):
        _, made, again = predict(values, f"deep{depth}", parts=5, depth=depth)
        np.testing.assert_array_equal(made, reference)
    assert again["shape"] == done["shape"]


@THREE
def test_planes_below_a_region_are_made_of_those_above_it(frames, predict, tissue):
    values = tissue((1, 1, 6, 40, 50))
    _, whole, _ = predict(values)
    _, made, _ = predict(values, "roi", roi="2:4, 0:, 0:")
    np.testing.assert_array_equal(made, whole[:, :, 2:4])


@THREE
def test_a_stack_shorter_than_the_frames_is_made_and_said(
    frames, predict, expected, tissue, caplog
):
    values = tissue((1, 1, 1, 40, 50))
    prediction, made, _ = predict(values)
    window = prediction.stores["sr"].volume.intensity.windows[0]
    assert np.abs(made - expected(values, window)).max() <= 1
    assert "1 along z where the network sees 3; the last one is repeated" in caplog.text


@THREE
def test_an_lr_tile_is_read_once_in_a_block(
    frames, prediction, request_of, make_store, tissue, monkeypatch
):
    make_store(tissue((1, 1, 8, 70, 90)), "s/lr")
    made, request = prediction(), request_of(depth=8)
    initialise(made, request)
    read, reader = [], Store.reader

    def counting(store):
        inner = reader(store)
        return lambda plane, *sides: read.append((plane, *map(str, sides))) or inner(plane, *sides)

    monkeypatch.setattr(Store, "reader", counting)
    for part in range(request.parts):
        run_part(made, part, 1, "32")
    assert stage.Plan.read(made.plan).cutting.block[0] == 8
    assert len(read) == len(set(read)) > 8


def test_a_rectangle_that_is_being_read_is_waited_for_and_few_are_kept():
    read, first = [], threading.Event()

    def slow(plane, rows, cols):
        read.append(plane)
        first.wait(10)
        return np.zeros(1)

    kept, sides = Kept(slow, 2), (slice(0, 1), slice(0, 1))
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(kept, (0, 0, 0), *sides) for _ in range(4)]
        first.set()
        assert {id(one.result()) for one in waiting} == {id(waiting[0].result())}
    assert read == [(0, 0, 0)]
    for z in (1, 2, 1, 0):
        kept((0, 0, z), *sides)
    assert read == [(0, 0, z) for z in (0, 1, 2, 0)]


def test_a_rectangle_that_cannot_be_read_fails_for_all_who_wait():
    def broken(*place):
        raise OSError("gone")

    kept = Kept(broken, 2)
    for _ in range(2):
        with pytest.raises(OSError, match="gone"):
            kept((0, 0, 0), slice(0, 1), slice(0, 1))


@THREE
def test_a_part_that_is_cut_off_goes_on_and_leaves_the_same_bytes(
    frames, prediction, request_of, make_store, tissue, monkeypatch
):
    values = tissue((1, 1, 5, 70, 90))
    made = {}
    for sample in ("calm", "cut"):
        make_store(values, f"{sample}/lr")
        made[sample] = prediction(sample)
        initialise(made[sample], request_of(depth=1))
    run_part(made["calm"], 0, 1, "32")
    written, write = [], pipeline.write_shard

    def stopping(array, region, pixels):
        if len(written) == 4:
            raise KeyboardInterrupt
        written.append(region)
        return write(array, region, pixels)

    monkeypatch.setattr(pipeline, "write_shard", stopping)
    with pytest.raises(KeyboardInterrupt):
        run_part(made["cut"], 0, 1, "32")
    monkeypatch.setattr(pipeline, "write_shard", write)
    run_part(made["cut"], 0, 1, "32")
    calm, cut = (made[sample].stores["sr"].level()[:] for sample in ("calm", "cut"))
    np.testing.assert_array_equal(cut, calm)

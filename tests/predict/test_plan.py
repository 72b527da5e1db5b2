"""A plan follows from sizes, memory and what is known of the network; all jobs read the same."""

from dataclasses import replace

import pytest
from pssrflow.errors import InputError
from pssrflow.predict.maps import SR, STD, kept
from pssrflow.predict.memory import Needs, affordable_tile
from pssrflow.predict.plan import Plan, Profile, plan_prediction
from pssrflow.predict.tiles import Cutting
from pssrflow.run.files import read_json, write_json
from pssrflow.volumes.intensity import Intensity
from pssrflow.volumes.volume import Volume

NEEDS = Needs(passed=3000.0, kept=1, maps=1)


@pytest.fixture
def lr():
    sizes = (1, 2, 3, 200, 300), "uint8", (1, 64, 64), (1, 128, 128)
    return Volume(*sizes, (None, 0.1, 0.1), ("a", "b"), Intensity.unknown(2))


@pytest.fixture
def profile():
    def unasked():
        raise AssertionError("nobody asked for a halo")

    return Profile(scale=4, stride=2, members=1, bytes_per_pixel=3000.0, halo=unasked)


def test_auto_tiles_shrink_with_the_memory_and_leave_blocks_for_jobs():
    cutting = Cutting((4096, 4096), (0, 0), (1, 16384, 16384), (1, 2048, 2048), 4, 4, 1024, 16)
    tiles = [affordable_tile(cutting, (1, 1), NEEDS, mb) for mb in (1000, 4000, 16000)]
    assert tiles == sorted(tiles) and tiles[0] < tiles[1] <= tiles[2] == 1024
    for mb, tile in zip((1000, 4000), tiles):
        needed = NEEDS.job(replace(cutting, tile=tile)) / 1e6
        assert needed <= mb - 500
    small = replace(cutting, lr_shape=(1024, 1024), sr_shape=(1, 4096, 4096))
    tile = affordable_tile(small, (1, 1), NEEDS, 16000)
    assert len(replace(small, tile=tile).blocks((1, 1))) == 4
    assert len(replace(small, tile=tile).blocks((1, 50))) == 200


def test_every_map_that_is_blended_is_summed_in_memory():
    cutting = Cutting((256, 256), (0, 0), (1, 512, 512), (1, 128, 128), 2, 1, 64, 4, 8)
    plane = 512 * 512
    one, two = (replace(NEEDS, kept=k, maps=n).job(cutting) for k, n in ((4, 1), (4, 2)))
    assert two - one == 8 * plane
    whole = replace(cutting, overlap=0)
    block = whole.block[1] * whole.block[2]
    assert replace(NEEDS, kept=5).job(whole) - NEEDS.job(whole) == 3 * 4 * block


def test_jobs_read_the_plan_that_was_written(lr, profile, request_of, tmp_path):
    planned = plan_prediction(lr, profile, request_of(halo=8, self_ensemble=True, parts=3))
    planned.write(tmp_path / "plan.json")
    assert Plan.read(tmp_path / "plan.json") == planned
    assert planned.maps == (SR, STD) and planned.stacks == (1, 2)


def test_a_plan_of_another_format_is_refused(lr, profile, request_of, tmp_path):
    path = tmp_path / "plan.json"
    plan_prediction(lr, profile, request_of(halo=8)).write(path)
    write_json(path, read_json(path) | {"format": 7})
    with pytest.raises(InputError, match=r"plan\.json: format 7\. Accepted: format 1"):
        Plan.read(path)


def test_a_halo_is_looked_for_where_tiles_have_neighbours_and_nobody_says_it(
    lr, profile, request_of
):
    looked = replace(profile, halo=lambda: 12)
    assert plan_prediction(lr, looked, request_of()).cutting.halo == 12
    assert plan_prediction(lr, profile, request_of(halo=6)).cutting.halo == 6
    # One tile holds the plane, and nothing lies around it.
    assert plan_prediction(lr, profile, request_of(tile=512, shard=2048)).cutting.halo == 0


def test_what_is_averaged_keeps_a_deviation_and_takes_more_memory(lr, profile, request_of):
    one = plan_prediction(lr, profile, request_of(halo=8))
    several = plan_prediction(lr, replace(profile, members=2), request_of(halo=8))
    assert one.maps == kept(False) and several.maps == kept(True)
    assert several.tile_bytes > one.tile_bytes and several.job_bytes > one.job_bytes


def test_tiles_are_smaller_where_some_may_be_skipped(lr, profile, request_of):
    whole = replace(lr, shape=(1, 1, 1, 8192, 8192))
    looked = replace(profile, halo=lambda: 12)
    asked = {"tile": "auto", "memory": 64_000, "shard": 1024}
    plain = plan_prediction(whole, looked, request_of(**asked)).cutting.tile
    masked = plan_prediction(whole, looked, request_of(**asked), masked=True).cutting.tile
    sparse = plan_prediction(whole, looked, request_of(empty="constant", **asked)).cutting.tile
    assert masked == sparse == plain // 4

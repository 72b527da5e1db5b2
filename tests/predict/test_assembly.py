"""Parts are put together: shards verified, pyramids built by one job or many, damage named."""

import json
import subprocess
import sys

import numpy as np
import pytest
from pssrflow.errors import InputError
from pssrflow.predict.assembly import build_pyramid, collect, finalise
from pssrflow.predict.stage import run_part
from pssrflow.run.files import write_json


def folder_of(prediction, name="sr"):
    return prediction.plan.parent / f"{name}.ome.zarr"


def test_pyramids_of_many_jobs_are_those_of_one(predict, tissue):
    values = tissue((1, 2, 3, 70, 190))
    one, _, done = predict(values)
    for pyramids in (1, 2, 7):
        many, _, again = predict(values, f"p{pyramids}", pyramids=pyramids)
        assert again["content"] == done["content"]
        for level in range(len(one.stores["sr"].volume.level_shapes())):
            found, expected = (p.stores["sr"].level(level)[:] for p in (many, one))
            np.testing.assert_array_equal(found, expected)


def test_finalise_refuses_shards_that_no_part_reported(predict, tissue):
    prediction, _, _ = predict(tissue((1, 1, 1, 70, 90)), parts=3)
    prediction.unfinish()
    markers = [prediction.marker(part) for part in (0, 2)]
    with pytest.raises(InputError, match=r"\(0, 0, 0, 128, 0\): 3 of 9 shards were not"):
        finalise(prediction, markers, [], 1)
    assert not prediction.done["sr"].exists()


@pytest.mark.parametrize("pyramids", [0, 1])
def test_a_shard_that_was_cut_short_is_named(pyramids, predict, tissue):
    prediction, _, _ = predict(tissue((1, 1, 1, 70, 90)))
    prediction.unfinish()
    shard = folder_of(prediction) / "0/c/0/0/0/1/2"
    shard.write_bytes(shard.read_bytes()[:100])
    markers = [prediction.marker(0)]
    with pytest.raises(InputError, match="0, 0, 0, 128, 256"):
        if pyramids:
            build_pyramid(prediction, markers, 0, 1, 1)
        else:
            finalise(prediction, markers, [], 1)
    assert not prediction.done["sr"].exists() and not prediction.pyramid(0).exists()


@pytest.mark.parametrize(("parts", "collected"), [(1, False), (3, False), (3, True)])
def test_the_marker_of_a_damaged_shard_goes_and_no_other(parts, collected, predict, tissue):
    prediction, _, _ = predict(tissue((1, 1, 1, 70, 90)), parts=parts)
    markers = [prediction.marker(part) for part in range(parts)]
    if collected:
        collect(prediction, markers)
    (folder_of(prediction) / "0/c/0/0/0/1/2").unlink()
    asked = [prediction.collected] if collected else markers
    with pytest.raises(InputError, match=rf"makes it again in part {parts // 2}"):
        finalise(prediction, [str(path) for path in asked], [], 1)
    assert [path.exists() for path in markers] == [n != parts // 2 for n in range(parts)]
    assert not prediction.collected.exists()


def test_a_half_written_shard_at_the_edge_is_replaced(predict, tissue):
    prediction, made, done = predict(tissue((1, 1, 1, 70, 90)))
    sr = folder_of(prediction)
    for shard in (sr / "0/c/0/0/0/2/2", sr / "1/c/0/0/0/1/1"):
        shard.write_bytes(shard.read_bytes()[:50])
    run_part(prediction, 0, 1, "32")
    assert not prediction.done["sr"].exists()
    finalise(prediction, [prediction.marker(0)], [], 1)
    np.testing.assert_array_equal(prediction.stores["sr"].level()[:], made)
    assert json.loads(prediction.done["sr"].read_text())["content"] == done["content"]


def test_the_sr_image_is_finished_last(predict, tissue):
    prediction, _, _ = predict(tissue((1, 1, 1, 70, 90)), self_ensemble=True)
    prediction.unfinish()
    (folder_of(prediction, "std") / "0/c/0/0/0/1/2").unlink()
    with pytest.raises(InputError, match=r"std\.ome\.zarr/0 at t,c,z,y,x = \(0, 0, 0, 128, 256\)"):
        finalise(prediction, [prediction.marker(0)], [], 1)
    assert not any(path.exists() for path in prediction.done.values())


@pytest.mark.parametrize(("said", "found"), [({"format": 2}, "format 2"), ({}, "no format")])
def test_a_marker_of_another_version_is_refused(said, found, predict, tissue):
    prediction, _, _ = predict(tissue((1, 1, 1, 40, 50)))
    marker = prediction.marker(0)
    write_json(marker, said | {"digests": {}})
    with pytest.raises(InputError, match=rf"0\.json: {found}\. Accepted: format 1, .*remove"):
        finalise(prediction, [marker], [], 1)


def test_what_a_prediction_writes_for_other_jobs_names_its_format(predict, tissue):
    prediction, _, _ = predict(tissue((1, 1, 1, 70, 190)), parts=2, pyramids=1)
    collect(prediction, [prediction.marker(part) for part in range(2)])
    paths = [prediction.plan, prediction.collected, prediction.marker(1), prediction.pyramid(0)]
    assert [json.loads(path.read_text())["format"] for path in paths] == [1] * 4


@pytest.mark.parametrize("module", ["plan", "assembly", "prediction", "maps", "tiles", "journal"])
def test_what_plans_and_assembles_loads_no_torch(module, root):
    code = f"import sys; import pssrflow.predict.{module}; sys.exit('torch' in sys.modules)"
    scripts = root / "workflow/scripts"
    subprocess.run([sys.executable, "-c", code], cwd=scripts, check=True)

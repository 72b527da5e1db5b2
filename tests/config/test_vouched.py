"""Done files that vouch for what is not there are removed, and no others."""

import json
import shutil
from pathlib import Path

import pytest
from pssrflow.config.vouched import Vouched
from pssrflow.errors import InputError
from pssrflow.run.files import file_hash, read_json, write_json
from pssrflow.run.layout import Layout


@pytest.fixture
def layout(tmp_path, make_store, tissue):
    """A run with one ingested image and one prediction."""
    for name in ("results/a/hr", "results/a/m/sr"):
        make_store(tissue((1, 1, 1, 256, 256)), name)
    layout = Layout.of(str(tmp_path / "results"), None)
    write_json(Path(layout.parts("a", "m"), "0.json"), {"format": 1})
    return layout


def looked_at(layout):
    vouched = Vouched(layout)
    vouched.images(["a/hr"])
    vouched.predictions(["a"], ["m"])
    vouched.registrations(["a"])
    vouched.models(["m"])
    vouched.run()
    return vouched.removed


def damaged(path):
    path.write_bytes(path.read_bytes()[:200])


@pytest.mark.parametrize("name", ["std.done.json", "std.ome.zarr/0/c/0/0/0/0/0", "std.ome.zarr"])
def test_all_maps_of_a_prediction_stand_or_fall_together(name, layout, make_store, tissue):
    make_store(tissue((1, 1, 1, 256, 256)).astype("float32"), "results/a/m/std")
    write_json(layout.plan("a", "m"), {"maps": [{"name": "sr"}, {"name": "std"}]})
    assert looked_at(layout) == {}
    lost = Path(layout.map_done("sr", "a", "m")).parent / name
    shutil.rmtree(lost) if lost.is_dir() else lost.unlink()
    assert "std" in looked_at(layout)[layout.map_done("sr", "a", "m")]
    assert not list(Path(layout.parts("a", "m")).glob("*.json"))


@pytest.mark.parametrize("name", ["zarr.json", "0/zarr.json"])
@pytest.mark.parametrize("damage", [damaged, Path.unlink])
def test_a_prediction_whose_store_cannot_be_opened_is_planned_anew(name, damage, layout):
    write_json(layout.plan("a", "m"), {"maps": [{"name": "sr"}]})
    damage(Path(layout.map_store("sr", "a", "m"), name))
    assert name in looked_at(layout)[layout.map_done("sr", "a", "m")]
    assert not Path(layout.plan("a", "m")).exists()


def test_what_is_whole_stays(layout):
    assert looked_at(layout) == {}
    assert Path(layout.done("hr", "a")).exists()


def test_a_missing_shard_of_any_level_is_noticed(layout):
    Path(layout.store("hr", "a"), "1/c/0/0/0/0/0").unlink()
    assert "1 files of" in looked_at(layout)[layout.done("hr", "a")]
    assert not Path(layout.done("hr", "a")).exists()
    assert Path(layout.map_done("sr", "a", "m")).exists()


def test_parts_of_a_damaged_prediction_look_at_their_shards_again(layout):
    Path(layout.map_store("sr", "a", "m"), "zarr.json").unlink()
    assert layout.map_done("sr", "a", "m") in looked_at(layout)
    assert not list(Path(layout.parts("a", "m")).glob("*.json"))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"checksum": "0"}', b"\xff\xfe"])
def test_a_json_file_that_says_nothing_is_removed(content, layout):
    data = content if isinstance(content, bytes) else content.encode()
    Path(layout.done("hr", "a")).write_bytes(data)
    assert layout.done("hr", "a") in looked_at(layout)


def test_a_changed_number_in_a_json_file_is_noticed(layout):
    done = Path(layout.done("hr", "a"))
    content = json.loads(done.read_text())
    done.write_text(json.dumps(content | {"shards": 5}))
    with pytest.raises(InputError, match=r"hr\.done\.json: damaged: it says something else"):
        read_json(done)
    # Who changes it on purpose says so.
    done.write_text(json.dumps({"shards": 5}))
    assert read_json(done) == {"shards": 5}


@pytest.mark.parametrize("name", ["calibration.json", "residuals.png"])
@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"cut")])
def test_what_a_calibration_left_beside_its_crappifier_is_noticed(name, damage, layout):
    fit = Path(layout.crappifier)
    fit.parent.mkdir()
    files = [fit.with_name(n) for n in ("calibration.json", "residuals.png")]
    for file in files:
        file.write_text(f"of {file.name}")
    write_json(fit, {"beside": {file.name: file_hash(file) for file in files}})
    assert looked_at(layout) == {}
    damage(fit.with_name(name))
    assert name in looked_at(layout)[layout.crappifier]
    assert not fit.exists()

"""The map of a prediction as a store, by one job or several; promises that packages bring."""

import zipfile
from dataclasses import replace

import pytest
from pssrflow.errors import InputError
from pssrflow.ingest.settings import Settings
from pssrflow.run.files import read_json, write_json
from pssrflow.run.memory import Budget
from pssrflow.run.shares import Shares
from pssrflow.trust.judge import accept, judge
from pssrflow.trust.maps import CHANNELS
from pssrflow.trust.stage import Work, begin, complete, fill, make
from pssrflow.trust.words import BAD
from pssrflow.volumes.blocks import Region
from pssrflow.volumes.store import Store

SETTINGS = Settings(chunk=(1, 32, 32), shard=(1, 64, 64))
BUDGET = Budget(2, 2000)


@pytest.fixture
def work(promise_of, looked_at, pictures, tmp_path):
    looked = looked_at(promise_of(), pictures(2, 512))
    return lambda name: Work(looked, Store(tmp_path / f"{name}.ome.zarr"), SETTINGS)


def test_the_map_lies_on_lr_pixels_and_names_its_channels(work, tmp_path):
    whole = work("whole")
    before = whole.looked.sr.level()[:].tobytes()
    make(whole, tmp_path / "whole.json", BUDGET)
    volume, lr = Store(whole.trust.path).volume, whole.looked.lr.volume
    assert volume.channels == CHANNELS[:4] and volume.dtype == "uint8"
    assert volume.shape == (1, 4, *lr.shape[2:])
    assert volume.pixel_size == pytest.approx(lr.pixel_size) and volume.origin == lr.origin
    assert volume.intensity.windows[-1] == (0, 2)
    assert whole.looked.sr.level()[:].tobytes() == before
    everything = Region((0,) * 5, (1, 1, *lr.shape[2:]))
    made = whole.looked.region(everything)[:, 0, 0]
    assert (Store(whole.trust.path).level()[0] == made).all()


@pytest.mark.parametrize("parts", [1, 4, 16])
def test_any_number_of_jobs_makes_the_same_bytes_and_verdict(parts, work, tmp_path):
    make(work("whole"), tmp_path / "whole.json", BUDGET)
    shared, shares = work("shared"), Shares(tmp_path / "parts", "")
    begin(shared, tmp_path / "shared.json", shares, parts)
    # The last part was killed: who puts them together makes it.
    for part in range(parts - 1):
        fill(shared, shares, part, BUDGET)
    complete(shared, tmp_path / "shared.json", shares, BUDGET)
    one, other = (read_json(tmp_path / f"{n}.json") for n in ("whole", "shared"))
    assert one["content"] == other["content"] and one["verdict"] == other["verdict"]


def test_small_planes_share_files_and_keep_their_pixels(work, tmp_path):
    alone = work("alone")
    shared = replace(work("together"), settings=Settings(chunk=(1, 32, 32), shard=(1, 256, 256)))
    for name, one in (("alone", alone), ("together", shared)):
        make(one, tmp_path / f"{name}.json", BUDGET)
    assert (len(alone.trust.volume.shards()), len(shared.trust.volume.shards())) == (2 * 4 * 4, 4)
    assert (alone.trust.level()[:] == shared.trust.level()[:]).all()


def test_a_run_stops_at_the_verdict_that_it_is_told_to_stop_at(work, tmp_path):
    make(work("whole"), tmp_path / "good.json", BUDGET)
    bad = read_json(tmp_path / "good.json")
    bad["verdict"] |= {"verdict": BAD, "reasons": ["unlike all that is known"]}
    write_json(tmp_path / "bad.json", bad)
    said = tmp_path / "verdict.json"
    judge([("a", "net", tmp_path / "good.json"), ("b", "net", tmp_path / "bad.json")], said)
    assert read_json(said)["verdict"] == BAD
    with pytest.raises(InputError, match=r"b, model net: do not use .unlike all") as error:
        accept(said, "do_not_use", tmp_path / "accepted.json")
    assert "a, model" not in str(error.value) and not (tmp_path / "accepted.json").exists()
    judge([("a", "net", tmp_path / "good.json")], said)
    accept(said, "do_not_use", tmp_path / "accepted.json")
    assert (tmp_path / "accepted.json").exists()


def test_what_is_no_promise_is_refused_in_words(promise_of, tmp_path):
    path = tmp_path / "trust.safetensors"
    for content in (b"", b"none", zipfile.sizeEndCentDir * b"\0"):
        path.write_bytes(content)
        with pytest.raises(InputError, match="calibrate_trust"):
            type(promise_of()).read(path)

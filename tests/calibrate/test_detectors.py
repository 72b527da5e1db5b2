"""Two detectors, or two channels, have noise of their own: measured, used and told apart."""

import json

import numpy as np
import pytest
from pssrflow.calibrate.detectors import MOST_IMAGES, MOST_ROWS, Scans, by_detector
from pssrflow.calibrate.settings import Settings
from pssrflow.calibrate.stage import calibrate
from pssrflow.crappify.chain import Crappifier
from pssrflow.crappify.settings import Settings as Degradation
from pssrflow.crappify.settings import settings_of
from pssrflow.crappify.squares import NoiseKey
from pssrflow.crappify.stage import Work, crappify
from pssrflow.errors import InputError
from pssrflow.ingest.settings import Settings as Ingest
from pssrflow.run.memory import Budget
from pssrflow.volumes.store import Store

SCALE, SIDE = 2, 512
# Grey levels of 255 a count, of two channels.
COUNT_GAIN = 0.5, 4.0


def noisy(mean, count_gain, rng):
    return np.clip(np.rint(count_gain * rng.poisson(mean / count_gain)), 0, 255)


@pytest.fixture
def channels(tissue, rng):
    """An image of two channels that differ in nothing but their noise, TCZYX."""
    mean = tissue((SIDE, SIDE), sigma=12) * 0.6 + 30.0
    return np.stack([noisy(mean, g, rng) for g in COUNT_GAIN])[None, :, None].astype(np.uint8)


@pytest.fixture
def measured(tmp_path):
    """Function (rows, **keys of crappify) -> what was measured, and the path of it."""

    def run(*rows, **keys):
        used = Degradation(scale=SCALE, downsample="area", fit="auto", **keys).plain()
        calibrate(rows, used | {"fit": "auto"}, Settings(), 0, tmp_path / "calibration")
        path = tmp_path / "calibration/crappifier.json"
        return json.loads(path.read_text()), path

    return run


def count_gain(crappifier):
    counts, *_ = crappifier["noise"]
    return 255 / counts["counts_per_us"]


def test_each_channel_is_measured_and_degraded_on_its_own(channels, make_store, measured, tmp_path):
    hr = make_store(channels)
    found, path = measured(Scans("a", str(hr), None))
    assert found["source"] == "hr"
    names = [Store(hr).volume.detector(c) for c in (0, 1)]
    # What holds for both is said once; what noise each gets is its own.
    assert len(set(found["reasons"])) == len(found["reasons"])
    own = [reason for reason in found["reasons"] if reason.startswith(tuple(names))]
    assert len(own) == 2 and all("is added" in reason for reason in own)
    assert sorted(found["detectors"]) == sorted(names)
    for name, planted in zip(names, COUNT_GAIN):
        survives = planted / SCALE**2
        added = count_gain(found["detectors"][name])
        assert added == pytest.approx(planted - survives, rel=0.25), name
    crappifier = Crappifier.from_config(**settings_of({"scale": SCALE, "fit": "auto"}, path))
    lr, done = Store(tmp_path / "lr.ome.zarr"), tmp_path / "lr.done.json"
    key = NoiseKey(0, "a", 0, 0, 0, 0)
    crappify(Work.of(Store(hr), lr, crappifier, key), done, Ingest(), Budget(1, 4000))
    values = np.asarray(lr.level()[0, :, 0]).astype(float)
    noise = np.diff(values, axis=2).std(axis=(1, 2))
    assert noise[1] > 2 * noise[0]


def test_pairs_of_another_detector_are_not_pooled(tissue, make_store, rng):
    mean = tissue((SIDE, SIDE), sigma=12) * 0.6 + 30.0
    rows = []
    for name, dtype, factor in (("a", np.uint8, 1), ("b", np.uint16, 257), ("c", np.uint16, 257)):
        hr = (noisy(mean, 0.2, rng) * factor).astype(dtype)[None, None, None]
        lr = (noisy(mean, 2, rng) * factor).astype(dtype)[None, None, None]
        stores = [str(make_store(image, f"{name}-{k}")) for k, image in (("hr", hr), ("lr", lr))]
        rows.append(Scans(name, *stores))
    notes = []
    first, second = by_detector(rows, 1, 1, notes)
    assert (first.samples, second.samples) == (["b", "c"], ["a"])
    assert "uint16" in first.name and "uint8" in second.name
    assert "2 detectors or settings, each measured on its own" in notes[0]


def test_lr_images_of_a_channel_stand_beside_the_hr_images_of_that_channel(channels, make_store):
    hr, lr = make_store(channels), make_store(channels[..., :64, :64], "lr")
    found = by_detector([Scans("a", str(hr), None), Scans("b", None, str(lr))], SCALE, 1, [])
    for one, channel in zip(found, (0, 1)):
        np.testing.assert_array_equal(one.lr[0].grey, channels[0, channel, 0, :64, :64])


def test_what_is_read_is_bounded(channels, make_store):
    hr = str(make_store(channels[:, :1]))
    (one,) = by_detector([Scans(str(i), hr, None) for i in range(40)], SCALE, 1, [])
    assert len(one.hr) == MOST_IMAGES


def test_at_scale_1_hr_images_alone_leave_it_as_configured(channels, make_store, tmp_path):
    used = Degradation(scale=1).plain()
    rows = [Scans("a", str(make_store(channels[:, :1])), None)]
    calibrate(rows, used, Settings(), 0, tmp_path)
    found = json.loads((tmp_path / "crappifier.json").read_text())
    assert (found["source"], found["verdict"]) == ("stated", "cannot be checked")
    assert found["crappifier"]["noise"] == used["noise"]
    assert any("it is as configured" in reason for reason in found["reasons"])


def test_python_of_a_detector_is_refused_as_that_of_a_crappifier(tmp_path):
    path = tmp_path / "crappifier.json"
    step = {"name": "custom", "path": "pay.py:Net"}
    content = {"crappifier": {}, "scale": 2, "verdict": "fits"}
    path.write_text(json.dumps(content | {"detectors": {"x": {"noise": [step]}}}))
    with pytest.raises(InputError, match="the configuration does not name"):
        settings_of({"scale": 2, "fit": str(path)})


@pytest.mark.parametrize("detectors", [[], {"x": 3}, {"x": {"colour": 1}}])
def test_detectors_that_are_none_are_refused(detectors, tmp_path):
    path = tmp_path / "crappifier.json"
    content = {"crappifier": {}, "scale": 2, "verdict": "fits", "detectors": detectors}
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"holds no fitted crappifier|unknown key"):
        settings_of({"scale": 2, "fit": str(path)})


def test_many_lr_images_do_not_leave_out_the_hr_images(channels, make_store):
    hr, lr = str(make_store(channels[:, :1])), str(make_store(channels[:, :1, :, :64, :64], "lr"))
    many = [Scans(f"lr{i}", None, lr) for i in range(MOST_ROWS + 9)]
    notes = []
    (one,) = by_detector([*many, Scans("hr", hr, None)], SCALE, 1, notes)
    assert len(one.hr) == 1 and len(one.lr) == MOST_IMAGES
    assert f"The first {MOST_ROWS} of {MOST_ROWS + 9} LR images were measured." in notes

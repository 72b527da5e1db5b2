"""What a prediction will need is known before anything is made."""

import numpy as np
import pytest
from pssrflow.models.facts import Facts
from pssrflow.models.model import Model
from pssrflow.models.weights import save_weights
from pssrflow.predict.expected import Networks, Row, expected_volume
from pssrflow.predict.forecast import duration, forecast, table
from pssrflow.predict.plan import Plan

SIZES = (2, 64, 64), (2, 128, 128)
UNET = {"arch": "unet", "widths": [8], "blocks": 1}


@pytest.fixture
def row(write_tiff):
    path = write_tiff("hr.tif", np.zeros((3, 70, 90), np.uint16))
    overrides = {"axes": "ZYX", "scene": None, "channels": None, "pixel_size": None, "crop": None}
    return {
        "sample": "s",
        "path": path,
        "overrides": overrides,
        "simulated": None,
        "crappified": False,
        "roi": None,
        "masked": False,
    }


def test_a_forecast_says_what_the_prediction_then_needs(predict, network, request_of, tissue):
    values = tissue((1, 2, 3, 70, 190))
    prediction, _, done = predict(values, parts=3, halo=8)
    needed = forecast(network, prediction.lr.volume, request_of(parts=3, halo=8))
    plan = Plan.read(prediction.plan)
    assert needed.shape == tuple(done["shape"]) and needed.blocks == len(plan.blocks())
    assert needed.jobs == 3 and needed.seconds > 0
    files = [f for f in (prediction.plan.parent / "sr.ome.zarr").rglob("*") if f.is_file()]
    # Plan, done file, markers and journals lie beside the store.
    assert needed.files == len(files) + 2 + 2 * 3
    sr = prediction.stores["sr"]
    pixels = sum(sr.level(level).size for level in range(len(sr.volume.level_shapes())))
    assert needed.disk_gb == pytest.approx(pixels / 1e9)
    lines = table([("x", "default", needed), ("y", "default", needed)]).splitlines()
    assert lines[1].split()[:2] == ["x", "default"] and f"{2 * needed.files}" in lines[3].split()


def test_every_map_takes_its_room_on_the_disk(predict, network, request_of, tissue):
    prediction, _, _ = predict(tissue((1, 1, 1, 40, 50)))
    one, two = (
        forecast(network, prediction.lr.volume, request_of(halo=8, self_ensemble=several))
        for several in (False, True)
    )
    # uint8 beside float32.
    assert two.disk_gb == pytest.approx(5 * one.disk_gb)
    assert two.files - 3 == 2 * (one.files - 3)


def test_a_volume_is_known_from_the_header_of_its_acquisition(row):
    volume = expected_volume(Row.of(row), *SIZES, 4)
    assert volume.shape == (1, 1, 3, 70, 90) and volume.dtype == "uint16"
    assert expected_volume(Row.of(row | {"crappified": True}), *SIZES, 4).shape[3:] == (18, 23)


def test_a_volume_is_known_before_it_is_simulated(row):
    microscope = {"step_nm": 8, "bits": 12, "shape": [2, 64, 32]}
    volume = expected_volume(Row.of(row | {"simulated": microscope}), *SIZES, 4)
    assert volume.shape == (1, 1, 2, 64, 32) and volume.dtype == "uint16"
    assert volume.pixel_size == (None, 0.008, 0.008)


def test_a_network_is_as_trained_or_else_fresh(network, tmp_path):
    trained = tmp_path / "trained.safetensors"
    save_weights(trained, network, Facts("unet", 4, {"widths": [8, 12], "blocks": 1}))
    both = {"arch": "ensemble", "members": ["a", str(trained)]}
    models = {
        name: Model.checked(keys) for name, keys in {"a": UNET, "b": UNET, "both": both}.items()
    }
    weights = {"a": str(tmp_path / "none"), "b": str(trained), "both": str(tmp_path / "none")}
    networks = Networks(models, weights, 4, (1, 99))
    assert len(networks.expected("a").state_dict()) != len(network.state_dict())
    for name in ("b", str(trained)):
        assert networks.expected(name).tail.weight.equal(network.tail.weight)
    fresh, again = networks.expected("both").members
    assert again.tail.weight.equal(network.tail.weight)
    assert len(fresh.state_dict()) != len(network.state_dict())


def test_durations_are_said_as_people_say_them():
    found = [duration(seconds) for seconds in (0.1, 45, 720, 12600, 181_440)]
    assert found == ["1 s", "45 s", "12.0 min", "3.5 h", "2.1 d"]

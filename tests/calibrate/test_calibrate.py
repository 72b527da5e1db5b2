"""The stage calibrate: from stores to a crappifier that the other stages use, or refuse."""

import json

import numpy as np
import pytest
from pssrflow.calibrate.search import search
from pssrflow.calibrate.settings import Settings
from pssrflow.calibrate.stage import Scans, calibrate
from pssrflow.calibrate.twins import compare
from pssrflow.crappify.chain import Crappifier, crappify_plane
from pssrflow.crappify.kernels import Downsampling
from pssrflow.crappify.noise import Gaussian
from pssrflow.crappify.settings import Settings as Degradation
from pssrflow.crappify.settings import placed, settings_of
from pssrflow.crappify.squares import NoiseKey
from pssrflow.errors import InputError
from pssrflow.pairs.grey import Matched, move
from pssrflow.run.files import read_json
from pssrflow.simulate.microscope import Place, scan
from pssrflow.simulate.settings import Microscope

SLOW = Microscope(dwell_us=20, gain=0.4)
FAST = Microscope(step_nm=16, spot_nm=12, dwell_us=4, gain=2, offset=15, read_noise=4)
WINDOW = slice(0, 768)


@pytest.fixture(scope="module")
def frames():
    """HR and LR scans of one field, and an LR scan of another."""
    hr = scan(SLOW, Place(4), 0, WINDOW, WINDOW)
    lr = scan(FAST, Place(4, shift_nm=(5.6, -4.4)), 0, slice(0, 192), slice(0, 192))
    other = scan(FAST, Place(9), 0, slice(0, 192), slice(0, 192))
    return hr, lr, other


@pytest.fixture
def fitted(make_store, tmp_path):
    """Function (hr, lr, **settings) -> content of crappifier.json and its path."""

    def run(hr, lr, crappify=None, **settings):
        stores = {
            name: None if image is None else str(make_store(image[None, None, None], name))
            for name, image in (("hr", hr), ("lr", lr))
        }
        folder = tmp_path / "calibration"
        used = Degradation(**{"fit": "calibration", **(crappify or {})}).plain()
        calibrate([Scans("pair", **stores)], used, Settings(dark=10, **settings), 0, folder)
        return json.loads((folder / "crappifier.json").read_text()), folder / "crappifier.json"

    return run


def test_the_fitted_crappifier_makes_twins_of_the_real_scan(frames, fitted):
    found, path = fitted(*frames[:2])
    assert found["verdict"] == "fits", found["reasons"]
    settings = settings_of({"scale": 4, "fit": "calibration"}, path)
    shift = [
        s["value"]
        for s in json.loads(path.with_name("calibration.json").read_text())["pairs"][0]["shift"]
    ]
    assert shift == pytest.approx([1.4, -1.1], abs=0.1)
    hr, lr = move(frames[0].astype(np.float32), frames[1].astype(np.float32), shift, 4)
    crappifier = Crappifier.from_config(**settings)
    key = NoiseKey(0, "pair", 0, 0, 0, 0)
    twin = crappify_plane(hr, crappifier, key, 0, 255)
    quiet = settings | {"noise": [s | {"read_noise": 0} for s in settings["noise"][-1:]]}
    quiet["noise"][0]["offset"] -= quiet["noise"][0]["gain"] * 10
    mean = crappify_plane(hr, Crappifier.from_config(**quiet), key, 0, 255)
    inner = slice(8, -8), slice(8, -8)
    twins = compare(lr[inner], twin[inner], mean[inner])
    assert all(check.passed for check in twins.checks())
    assert twins.twin_noise.std() == pytest.approx(twins.real_noise.std(), rel=0.04)
    for name in ("variance", "residuals", "registration"):
        assert path.with_name(f"{name}.png").stat().st_size > 5000


@pytest.mark.parametrize("shift", [(0, 0), (1.4, -1.1), (-5.75, 6.25)])
def test_a_pair_is_moved_onto_one_grid_to_a_fraction_of_a_pixel(shift):
    def scene(y, x):
        return 100 + 50 * np.sin(0.31 * y + 0.17 * x)

    y, x = np.mgrid[:120, :140].astype(np.float32)
    # The HR frame shows at (y, x) what the LR frame's grid has at (y, x) less the shift.
    hr = scene(y - shift[0], x - shift[1]).astype(np.float32)
    lr = np.arange(30 * 35, dtype=np.float32).reshape(30, 35)
    moved, kept = move(hr, lr, shift, 4)
    assert moved.shape == tuple(4 * n for n in kept.shape)
    top, left = divmod(int(kept[0, 0]), 35)
    expected = scene(y + 4 * top, x + 4 * left)[: moved.shape[0], : moved.shape[1]]
    inner = slice(6, -6), slice(6, -6)
    np.testing.assert_allclose(moved[inner], expected[inner], atol=0.2)


def test_another_field_does_not_fit_and_is_refused_later(frames, fitted):
    found, path = fitted(frames[0], frames[2])
    assert found["verdict"] == "does not fit"
    assert all(p["value"] is None for p in found["parameters"].values())
    with pytest.raises(InputError, match=r"the verdict is 'does not fit'.*require_fit: false"):
        settings_of({"scale": 4, "fit": "calibration"}, path, require_fit=True)
    kept = settings_of({"scale": 4, "fit": str(path)}, require_fit=False)
    assert [step["name"] for step in kept["noise"]] == ["poisson"]


def test_frames_that_differ_by_some_pixels_at_the_edge_are_compared_where_both_go(frames, fitted):
    found, _ = fitted(frames[0][:740, :], frames[1][:, :188])
    assert found["verdict"] == "fits", found["reasons"]
    with pytest.raises(InputError, match=r"HR has .* differ by the scale, 4"):
        fitted(frames[0][:400], frames[1])


def test_a_single_image_gives_its_noise_and_says_what_it_cannot_tell(frames, fitted):
    found, path = fitted(frames[0], None)
    assert found["verdict"] == "cannot be checked"
    assert any("cannot be known" in reason for reason in found["reasons"])
    assert found["parameters"]["gain"]["value"] is None
    assert found["parameters"]["count_gain"]["value"] == pytest.approx(0.4, rel=0.35)
    steps = settings_of({"scale": 4, "fit": str(path)}, require_fit=False)["noise"]
    assert [s["name"] for s in steps] == ["counts", "readout"]


def test_a_search_finds_the_planted_noise(tissue):
    hr = tissue((512, 512)).astype(np.float32) * 0.6 + 40
    key = NoiseKey(7, "real", 0, 0, 0, 0)
    mean = crappify_plane(hr, Crappifier(Downsampling(4)), key, 0, 255)
    real = crappify_plane(hr, Crappifier(Downsampling(4), (Gaussian(intensity=13),)), key, 0, 255)
    settings = {
        "scale": 4,
        "downsample": "bilinear",
        "noise": [{"name": "gaussian", "intensity": 1}],
    }
    asked = Settings(kind="search", space={"noise.0.intensity": [0, 40]}, trials=40)
    best, parameters, twins = search([Matched(hr, real, mean)], settings, asked, 0)
    assert best["noise"][0]["intensity"] == pytest.approx(13, rel=0.04)
    found = parameters["noise.0.intensity"]
    assert found["low"] <= found["value"] <= found["high"]
    assert all(check.passed for check in twins[0].checks())


@pytest.mark.parametrize(
    ("kind", "extra"),
    [
        ("search", {"space": {"noise.0.intensity": [0, 1]}, "trials": 5}),
        ("learned", {"steps": 150}),
    ],
)
def test_every_kind_writes_a_crappifier_that_can_be_used(kind, extra, frames, fitted):
    found, path = fitted(*frames[:2], kind=kind, **extra)
    assert found["kind"] == kind
    settings = settings_of({"scale": 4, "fit": "calibration"}, path, require_fit=False)
    crappifier = Crappifier.from_config(**settings)
    lr = crappify_plane(frames[0], crappifier, NoiseKey(0, "s", 0, 0, 0, 0), 0, 255)
    assert lr.shape == (192, 192)
    beside = {"calibration.json", "registration.png", "residuals.png", "twins.png", "variance.png"}
    learnt = {"crappifier.safetensors"} if kind == "learned" else set()
    assert read_json(path)["beside"].keys() == beside | learnt
    if kind == "learned":
        assert lr.std() == pytest.approx(frames[1].std(), rel=0.1)


def test_learning_without_a_pair_is_refused(frames, fitted):
    with pytest.raises(InputError, match=r"calibrate\.kind: learned without any acquired pair"):
        fitted(frames[0], None, kind="learned")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"cannot be read .* Accepted: the crappifier\.json"),
        ("[]", r"cannot be read \(damaged: no JSON object\)\. Accepted: the crappifier\.json"),
        ("{}", r"holds no fitted crappifier"),
        (
            '{"crappifier": {}, "scale": 2, "verdict": "fits"}',
            r"fitted at scale 2\. Accepted: .* 4",
        ),
        (
            '{"format": 2, "crappifier": {}, "scale": 4, "verdict": "fits"}',
            r"format 2\. Accepted: format 1",
        ),
        (
            '{"crappifier": {"colour": 1}, "scale": 4, "verdict": "fits"}',
            r"unknown key 'colour'\. Accepted: before, downsample",
        ),
    ],
)
def test_a_file_that_holds_no_fit_is_refused(content, message, tmp_path):
    path = tmp_path / "crappifier.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        settings_of({"scale": 4, "fit": str(path)}, require_fit=True)


def test_a_key_that_cannot_be_searched_is_named():
    with pytest.raises(InputError, match=r"calibrate\.space\.noise\.1\.intensity: no such key"):
        placed({"noise": [{"name": "poisson", "intensity": 1}]}, {"noise.1.intensity": 3})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kind": "search"}, r"space: found nothing to search"),
        ({"kind": "search", "space": {"width": [2, 1]}}, r"space\.width: found 2 and 1"),
    ],
)
def test_an_impossible_search_is_refused_with_the_configuration(given, message):
    with pytest.raises(InputError, match=message):
        Settings.parse(given, "calibrate")


def test_a_fit_says_its_format(frames, fitted):
    found, path = fitted(frames[0], None)
    assert found["format"] == 1
    assert json.loads(path.with_name("calibration.json").read_text())["format"] == 1

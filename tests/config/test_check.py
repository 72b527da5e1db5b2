"""Configuration: defaulted, checked at once, and refused with what is accepted."""

import copy
import subprocess
import sys

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pssrflow.config.check import check_config
from pssrflow.errors import InputError
from pssrflow.models.facts import Facts
from pssrflow.models.weights import save_weights
from pssrflow.networks.registry import build
from pssrflow.train.settings import seconds


@pytest.fixture
def default(root):
    return yaml.safe_load((root / "config.yaml").read_text())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"results": "a\nb"}, r"results: found"),
        ({"stores": "file:///data/stores"}, r'stores: found "file:///data/stores"'),
        ({"results": "README.md"}, r"results: found 'README\.md', which is a file"),
        ({"models": {"n" * 101: {"arch": "unet"}}}, r"a text of 100 characters or less"),
        (
            {"models": {"A": {"arch": "unet"}, "a": {"arch": "unet"}}},
            r"models: found A and a\. Accepted: names that differ",
        ),
        ({"trian": {}}, r"trian: unknown key\. Accepted: .*did you mean 'train'"),
        ({"train": {"epoch": 3}}, r"train\.epoch: unknown key\. .*did you mean 'epochs'"),
        ({"crappify": {"scale": "four"}}, r'crappify\.scale: found "four"\. Accepted: integer'),
        ({"crappify": {"scale": 0}}, r"crappify\.scale: found 0\. Accepted: at least 1"),
        ({"crappify": {"downsample": "sinc"}}, r"downsample: found \"sinc\".*bilinear, area"),
        ({"crappify": {"fit": "gone.json"}}, r"crappify: gone\.json: cannot be read"),
        (
            {"crappify": {"preset": "em_AG_D", "fit": "calibration"}},
            r"crappify: both preset and fit are given",
        ),
        (
            {"crappify": {"noise": [{"name": "readout", "gain": -1}]}},
            r"crappify\.noise\[0\]\.gain: found -1\. Accepted: at least 1e-06",
        ),
        (
            {"crappify": {"noise": [{"name": "jpeg"}]}},
            r'noise\[0\]\.name: found "jpeg"\. Accepted: gaussian, poisson',
        ),
        (
            {"crappify": {"noise": [{"name": "lag", "pixel": 3}]}},
            r"noise\[0\]\.pixel: unknown key.*did you mean 'pixels'",
        ),
        ({"crappify": {"scan": {"jitter": -1}}}, r"scan\.jitter: found -1\. Accepted: at least 0"),
        ({"crappify": {"width": -1}}, r"crappify\.width: found -1\. Accepted: at least 0"),
        (
            {"crappify": {"noise": [{"name": "poisson", "intensity": -1}]}},
            r"crappify\.noise\[0\]\.intensity: found -1\. Accepted: at least 0",
        ),
        (
            {"crappify": {"noise": [{"name": "poisson", "intensity": 2}]}},
            r"crappify\.noise\[0\]\.intensity: found 2\. Accepted: at most 1",
        ),
        (
            {"crappify": {"noise": [{"name": "fog", "intensity": 1}]}},
            r"noise\[0\]\.name: .*gaussian",
        ),
        ({"crappify": {"noise": [{"name": "blur"}]}}, r"noise\[0\]: 'intensity' is a required"),
        ({"crappify": {"scale": 1, "noise": []}}, r"scale 1 and no noise leave nothing"),
        ({"ingest": {"shard": [1, 1000, 2048]}}, r"1000 pixels along y are no multiple.*256"),
        ({"ingest": {"chunk": [1, 256]}}, r"ingest\.chunk: found \[1, 256\]\. Accepted: 3 values"),
        ({"ingest": {"percentiles": [99, 1]}}, r"percentiles: found 99 and 1"),
        ({"models": {"a/b": {"arch": "unet"}}}, r"models.*a/b"),
        (
            {"models": {"m": {"arch": "vit"}}},
            r"models\.m\.arch: found \"vit\"\. Accepted: bicubic, custom, unet",
        ),
        ({"models": {"m": {"arch": "unet", "depth": 3}}}, r"models\.m\.depth: unknown key.*widths"),
        ({"models": {}}, r"models: found \{\}"),
        ({"train": {"max_time": "soon"}}, r"train\.max_time: found \"soon\""),
        ({"predict": {"halo": "big"}}, r"predict\.halo: found \"big\""),
        ({"predict": {"parts": 2.5}}, r"predict\.parts: found 2\.5\. Accepted: integer"),
        ({"seed": 10**30}, r"seed: found 10+\. Accepted: at most"),
        ({"results": "a{b}"}, r"results: found"),
        ({"train": {"max_time": "1.2.3m"}}, r"train\.max_time: found"),
        ({"train": {"learning_rate": "1e-3"}}, r"YAML takes 1e-3 for one\); write 0\.001"),
        ({"train": {"learning_rate": float("nan")}}, r"learning_rate: found nan\..*finite"),
        ({"models": {1: {"arch": "unet"}}}, r"models.*found 1"),
        ({"simulate": {"../../x": {}}}, r"simulate.*\.\./\.\./x"),
        ({"train": {"loss": {"mse": 1, "fuorier": 1}}}, r"loss: found \"fuorier\".*'fourier'"),
        ({"train": {"loss": 3}}, r"train\.loss: found 3\. Accepted: mse, l1.* or object"),
        ({"train": {"epochs": True}}, r"train\.epochs: found true\. Accepted: integer"),
        ({"train": {"clip": "some"}}, r"clip: found \"some\"\. Accepted: number or auto or null"),
        ({"predict": {"tile": 8}}, r"predict\.tile: found 8\. Accepted: at least 16"),
        ({"predict": {"roi": "0:9"}}, r"predict\.roi: '0:9' has 1 range"),
        ({"predict": {"roi": {"a": "0:9m, :"}}}, r"predict\.roi\.a: '9m' is not a length"),
        ({"calibrate": {"kind": "search"}}, r"calibrate\.space: found nothing to search"),
        (
            {"calibrate": {"kind": "search", "space": {"noise.7.intensity": [0, 1]}}},
            r"calibrate\.space\.noise\.7\.intensity: no such key in crappify",
        ),
        (
            {"calibrate": {"kind": "search", "space": {"width": [3, 1]}}},
            r"calibrate\.space\.width: found 3 and 1\. Accepted: a low, then a higher one",
        ),
        ({"models": {"m": {"arch": "unet", "train": False}}}, r"m\.train: found false, but no wei"),
        ({"models": {"m": {"arch": "unet", "weights": "x.pth"}}}, r"m\.weights: found x\.pth, whi"),
        ({"models": {"m": {"arch": "package", "package": "x.zip"}}}, r"package: found x\.zip, whi"),
        (
            {"models": {"m": {"arch": "ensemble", "members": ["n", "x"]}, "n": {"arch": "unet"}}},
            r"models\.m\.members: found x, which is neither another model.*Accepted: n",
        ),
        ({"predict": {"parts": 0}}, r"predict\.parts: found 0\. Accepted: at least 1"),
    ],
)
def test_a_wrong_key_is_named_with_what_was_found_and_what_is_accepted(change, message, default):
    config = copy.deepcopy(default)
    for section, values in change.items():
        if isinstance(config.get(section), dict) and section != "models":
            config[section].update(values)
        else:
            config[section] = values
    with pytest.raises(InputError, match=message) as caught:
        check_config(config, "mine.yaml")
    assert str(caught.value).startswith("mine.yaml: configuration refused")


def test_whole_numbers_written_as_floats_are_taken_as_integers(default):
    default["predict"]["parts"] = 4.0
    default["ingest"]["chunk"] = [1, 256.0, 256]
    config = check_config(default, "mine.yaml").plain()
    assert repr((config["predict"]["parts"], config["ingest"]["chunk"])) == "(4, [1, 256, 256])"


@pytest.fixture
def weights(tmp_path):
    """Weights that PSSRflow saved: a U-Net of two levels at scale 4."""
    options = {"widths": [8, 16], "blocks": 1}
    facts = Facts("unet", 4, options, intensity="range")
    save_weights(tmp_path / "w.safetensors", build("unet", 4, options), facts)
    return str(tmp_path / "w.safetensors")


def test_weights_alone_say_which_network_they_are_of(default, weights):
    default["models"] = {
        "m": {"weights": weights},
        "other": {"weights": weights, "intensity": "window"},
    }
    models = check_config(default, "mine.yaml").plain()["models"]
    assert models["m"]["arch"] == "unet" and models["m"]["widths"] == [8, 16]
    assert (models["m"]["intensity"], models["other"]["intensity"]) == ("range", "window")


def test_weights_of_another_scale_or_architecture_are_refused_before_any_job(default, weights):
    default["models"] = {"m": {"weights": weights}}
    default["crappify"]["scale"] = 2
    with pytest.raises(InputError, match=r"models\.m\.weights: found scale 4.*scale 2"):
        check_config(default, "mine.yaml")
    default["models"], default["crappify"]["scale"] = (
        {"m": {"arch": "resunet", "weights": weights}},
        4,
    )
    with pytest.raises(InputError, match=r"found arch unet.*arch resunet"):
        check_config(default, "mine.yaml")


def test_weights_that_say_nothing_need_an_architecture(default, tmp_path):
    (tmp_path / "w.pth").write_bytes(b"no weights")
    default["models"] = {"m": {"weights": str(tmp_path / "w.pth")}}
    with pytest.raises(InputError, match=r"models\.m: 'arch' is a required"):
        check_config(default, "mine.yaml")


def test_weights_that_are_not_there_are_named(default):
    default["models"] = {"m": {"weights": "nowhere.safetensors"}}
    with pytest.raises(
        InputError, match=r"models\.m\.weights: found nowhere\.safetensors, which is"
    ):
        check_config(default, "mine.yaml")


def test_all_errors_are_told_at_once(default):
    default["crappify"]["scale"] = 0
    default["train"]["batch"] = "many"
    with pytest.raises(InputError, match=r"(?s)scale.*batch"):
        check_config(default, "mine.yaml")


@pytest.mark.parametrize(
    ("text", "expected"), [("90s", 90), ("10m", 600), ("1.5h", 5400), (30, 30), (None, None)]
)
def test_durations_are_read(text, expected):
    assert seconds(text) == expected


def test_what_was_checked_checks_again_to_the_same(default):
    plain = check_config(default, "mine.yaml").plain()
    assert check_config(plain, "mine.yaml").plain() == plain
    assert repr(check_config(plain, "mine.yaml").plain()) == repr(plain)


def test_numbers_are_the_same_however_they_are_written(default):
    default["train"]["max_time"], default["train"]["learning_rate"] = 600, 1
    one = repr(check_config(default, "mine.yaml").plain())
    default["train"]["max_time"], default["train"]["learning_rate"] = "10m", 1.0
    assert repr(check_config(default, "mine.yaml").plain()) == one


def test_weights_cannot_choose_python_that_runs(default, tmp_path):
    path = str(tmp_path / "w.safetensors")
    trap = {"arch": "custom", "path": "trap.py:Net"}
    member = {"arch": "custom", "options": {"path": "trap.py:Net"}}
    for facts in (
        Facts("custom", 4, {"path": "trap.py:Net"}),
        Facts("ensemble", 4, {"members": [member, member]}),
    ):
        save_weights(path, build("bicubic", 4, {}), facts)
        default["models"] = {"m": {"weights": path}}
        with pytest.raises(InputError, match=r"models\.m: 'arch' is a required"):
            check_config(default, "mine.yaml")
        default["models"] = {
            "m": {"arch": "ensemble", "members": ["n", path]},
            "n": {"arch": "unet"},
        }
        with pytest.raises(InputError, match=r"m\.members: found .*Python class that they name"):
            check_config(default, "mine.yaml")
    save_weights(path, build("bicubic", 4, {}), Facts("unet", 4, trap))
    default["models"] = {"m": {"weights": path}}
    assert check_config(default, "mine.yaml").models["m"].arch == "unet"


def imported(config, root):
    """Heavy packages that checking a configuration imports."""
    code = (
        "import sys; from pssrflow.config.check import check_config;"
        f"check_config({config!r}, 'c');"
        "heavy = ('torch', 'numba', 'scipy.ndimage', 'zarr', 'tifffile', 'fsspec', 'pandas');"
        "print(*(name for name in heavy if name in sys.modules))"
    )
    command = [sys.executable, "-c", code]
    folder = root / "workflow/scripts"
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_a_configuration_is_checked_without_torch_numba_and_readers(default, root):
    assert imported(default, root) == []
    every = {"models": {arch: {"arch": arch} for arch in ("bicubic", "resunet_a", "swinir")}}
    steps = [{"name": "lag", "pixels": 1}, {"name": "blur", "intensity": 1}]
    assert imported(every | {"crappify": {"noise": steps}}, root) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=8,
)
ODD = JSON | st.dates() | st.binary()


@st.composite
def spoilt(draw):
    """The configuration of a user who wrote something at a random key, or a key that is none."""
    config = {
        "crappify": {"noise": [{"name": "poisson", "intensity": 1}, {"name": "lag", "pixels": 1}]},
        "models": {
            "m": {"arch": draw(st.sampled_from(["unet", "swinir", "resunet_a", "ensemble"]))}
        },
        "simulate": {"a": {"shape": [1, 2, 3]}},
        **{name: {} for name in ("ingest", "calibrate", "train", "predict", "export", "report")},
    }
    place = config
    while draw(st.booleans()):
        inside = list(place.values()) if isinstance(place, dict) else place
        inside = [part for part in inside if isinstance(part, dict | list) and part]
        if not inside:
            break
        place = draw(st.sampled_from(inside))
    if isinstance(place, dict):
        name = draw(st.sampled_from(sorted(place) or ["x"]) | st.text() | st.integers())
    else:
        name = draw(st.integers(0, len(place) - 1))
    place[name] = draw(ODD)
    return config


@given(spoilt())
@settings(max_examples=300, deadline=None)
def test_whatever_is_written_is_taken_or_refused_in_our_words(config):
    try:
        plain = check_config(copy.deepcopy(config), "mine.yaml").plain()
    except InputError as error:
        assert str(error).startswith("mine.yaml: configuration refused")
        assert "pydantic" not in str(error) and "Input should" not in str(error)
        assert "Accepted: see" not in str(error)
    else:
        assert check_config(plain, "mine.yaml").plain() == plain


def test_home_and_variables_are_understood_in_every_path(default, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SCRATCH", "/scratch/me")
    paths = {"results": "~/run", "stores": "$SCRATCH/stores", "samples": "${SCRATCH}/s.tsv"}
    models = {"b": {"arch": "unet", "weights": "~/w.safetensors", "train": False}}
    with pytest.raises(InputError, match=rf"{tmp_path}/w\.safetensors"):
        check_config({**default, "models": models}, "c")
    found = check_config({**default, **paths}, "c", trial=False)
    assert found.results == f"{tmp_path}/run" and found.stores == "/scratch/me/stores"
    assert found.samples == "/scratch/me/s.tsv"
    assert check_config({**default, "stores": "s3://a/$b"}, "c", trial=False).stores == "s3://a/$b"
    with pytest.raises(InputError, match=r"results: .*a path; the variable NOWHERE is not set"):
        check_config({**default, "results": "$NOWHERE/run"}, "c", trial=False)

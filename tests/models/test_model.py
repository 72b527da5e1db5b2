"""Models of the configuration and the facts of weights: flat JSON there and back."""

import pickle
import zipfile

import pytest
from pssrflow.config.check import check_config
from pssrflow.errors import InputError
from pssrflow.models.facts import Facts
from pssrflow.models.model import Model, archs, network_symbols
from pssrflow.models.weights import save_weights
from pssrflow.networks.registry import build

GIVEN = {
    "unet": {"size": "small"},
    "swinir": {"window_size": 4, "intensity": "range"},
    "custom": {"path": "mine.py:Net", "options": {"width": 2}},
    "ensemble": {"members": ["a", "b"]},
    "package": {"package": "a.zip"},
}


@pytest.mark.parametrize("arch", archs())
def test_a_model_comes_back_from_the_parameters_of_a_job(arch):
    model = Model.from_params({"arch": arch, **GIVEN.get(arch, {})}, "mine")
    again = Model.from_params(model.plain() | {"files": {"w": "hash"}}, "mine")
    assert again == model == pickle.loads(pickle.dumps(model))
    assert again.name == "mine" and again.plain() == model.plain()


def test_a_model_is_flat_in_json_as_in_the_configuration():
    plain = Model.from_params({"arch": "unet", "widths": [8, 16], "blocks": 1}).plain()
    assert plain == {
        "arch": "unet",
        "weights": None,
        "train": True,
        "intensity": "window",
        "size": "base",
        "widths": [8, 16],
        "blocks": 1,
    }


def test_models_know_their_names():
    models = check_config({"models": {"one": {"arch": "unet"}}}, "c").models
    assert models["one"].name == "one"


def test_facts_keep_what_another_version_noted(tmp_path):
    content = {"arch": "unet", "scale": 2, "options": {}, "frames": 1, "intensity": "range"}
    content |= {"trained_on": {"a": "hash"}, "step": 7, "of_tomorrow": [1]}
    facts = Facts.from_json(content)
    assert facts.step == 7 and facts.other == {"of_tomorrow": [1]}
    assert facts.to_json() == content
    save_weights(tmp_path / "w.safetensors", build("unet", 2, {}), facts)
    assert Facts.read(tmp_path / "w.safetensors") == facts
    assert Facts.from_bytes((tmp_path / "w.safetensors").read_bytes()) == facts


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no weights",
        (1 << 62).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"\xff\xff",
        (70_000).to_bytes(8, "little") + b"[" * 70_000,
    ],
)
def test_what_is_no_header_of_ours_says_nothing(data, tmp_path):
    (tmp_path / "w").write_bytes(data)
    assert Facts.read(tmp_path / "w") is None and Facts.from_bytes(data) is None


@pytest.mark.parametrize("content", [None, [], {}, {"arch": 3, "scale": 4, "options": {}}])
def test_what_says_no_network_is_no_facts(content):
    assert Facts.from_json(content) is None


def test_members_that_name_python_are_seen_however_deep():
    member = {"arch": "custom", "options": {}}
    deep = {"arch": "ensemble", "options": {"members": [member]}}
    assert Facts("ensemble", 4, {"members": [{"arch": "unet", "options": {}}, deep]}).names_python
    assert not Facts("ensemble", 4, {"members": [3, {"options": 3}]}).names_python


def test_members_of_an_ensemble_stand_once():
    with pytest.raises(InputError, match=r"m\.members: one of them stands twice"):
        check_config({"models": {"m": {"arch": "ensemble", "members": ["a", "a"]}}}, "c")


def test_the_code_of_a_model_is_that_of_its_network_its_members_or_its_package(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_weights(path, build("bicubic", 4, {}), Facts("swinir", 4, {}))
    with zipfile.ZipFile(tmp_path / "ours.zip", "w") as package:
        package.write(path, path.name)
    (tmp_path / "theirs.zip").write_bytes(b"no zip")
    given = {
        "one": {"arch": "unet"},
        "mean": {"arch": "ensemble", "members": ["one", str(path)]},
        "ours": {"arch": "package", "package": str(tmp_path / "ours.zip")},
        "theirs": {"arch": "package", "package": str(tmp_path / "theirs.zip")},
    }
    models = check_config({"models": given}, "c").models
    symbols = {name: network_symbols(model, models) for name, model in models.items()}
    networks = "pssrflow.networks"
    assert symbols["one"] == (f"{networks}.unet:Network",)
    assert symbols["mean"] == tuple(
        f"{networks}.{name}:Network" for name in ("ensemble", "pssr2.swinir", "unet")
    )
    assert symbols["ours"] == (f"{networks}.pssr2.swinir:Network",)
    assert symbols["theirs"] == (f"{networks}.torchscript:Network",)
    assert models["mean"].files() == ["one", str(path)]
    assert models["ours"].files() == [str(tmp_path / "ours.zip")]

"""Models of the configuration: flat JSON there and back."""

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


def test_members_of_an_ensemble_stand_once():
    with pytest.raises(InputError, match=r"m\.members: one of them stands twice"):
        check_config({"models": {"m": {"arch": "ensemble", "members": ["a", "a"]}}}, "c")


def test_the_code_of_a_model_is_that_of_its_network_its_members_or_its_package(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_weights(path, build("bicubic", 4, {}), Facts("swinir", 4, {}))
    with zipfile.ZipFile(tmp_path / "ours.zip", "w") as package:
        package.write(path, path.name)
    (tmp_path / "theirs.zip").write_bytes(b"no zip")
    save_weights(path, build("bicubic", 4, {}), Facts("custom", 4, {"path": "trap.py:Net"}))
    with zipfile.ZipFile(tmp_path / "python.zip", "w") as package:
        package.write(path, path.name)
    save_weights(path, build("bicubic", 4, {}), Facts("swinir", 4, {}))
    given = {
        "one": {"arch": "unet"},
        "mean": {"arch": "ensemble", "members": ["one", str(path)]},
        "ours": {"arch": "package", "package": str(tmp_path / "ours.zip")},
        "theirs": {"arch": "package", "package": str(tmp_path / "theirs.zip")},
        "python": {"arch": "package", "package": str(tmp_path / "python.zip")},
    }
    models = check_config({"models": given}, "c").models
    symbols = {name: network_symbols(model, models) for name, model in models.items()}
    networks = "pssrflow.networks"
    assert symbols["one"] == (f"{networks}.unet:Network",)
    assert symbols["mean"] == tuple(
        f"{networks}.{name}:Network" for name in ("ensemble", "pssr2.swinir", "unet")
    )
    assert symbols["ours"] == (f"{networks}.pssr2.swinir:Network",)
    assert symbols["theirs"] == symbols["python"] == (f"{networks}.torchscript:Network",)
    assert models["mean"].files() == ["one", str(path)]
    assert models["ours"].files() == [str(tmp_path / "ours.zip")]

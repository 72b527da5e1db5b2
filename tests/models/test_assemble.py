"""Several networks as one: their mean, of members that go together."""

import json

import pandas as pd
import pytest
import torch
from pssrflow.errors import InputError
from pssrflow.models.assemble import assemble
from pssrflow.models.facts import Facts
from pssrflow.models.folder import ModelFolder
from pssrflow.models.weights import load_weights, save_weights
from pssrflow.networks.registry import build

UNET = {"widths": [8, 8], "blocks": 1}
OWN = """
import torch
from torch.nn import functional as F

class Net(torch.nn.Module):
    def __init__(self, scale):
        super().__init__()
        self.factor = scale
        self.weight = torch.nn.Parameter(torch.ones(1))
    def forward(self, x):
        return self.weight * F.interpolate(x, scale_factor=self.factor)
"""


@pytest.fixture
def folder(tmp_path):
    return ModelFolder(tmp_path / "both", tmp_path / "both/train.done.json")


@pytest.fixture
def member(tmp_path):
    """Function that writes random weights; returns their path."""

    def write(name, arch="unet", options=UNET, scale=2, **facts):
        network = build(arch, scale, options)
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
        path = tmp_path / f"{name}.safetensors"
        save_weights(path, network, Facts(arch, scale, options, **facts))
        return path

    return write


def test_an_ensemble_is_the_mean_of_its_members_and_keeps_what_they_see(folder, member):
    members = {name: member(name, intensity="range") for name in "ab"}
    assemble(members, 2, folder)
    made, facts = load_weights(folder.best)
    image = torch.rand(1, 1, 16, 20)
    with torch.no_grad():
        expected = sum(load_weights(path)[0](image) for path in members.values()) / 2
        assert torch.equal(made(image), expected)
    assert (facts.arch, facts.scale, facts.intensity) == ("ensemble", 2, "range")
    assert json.loads((folder.path / "train.done.json").read_text())["format"] == 1
    assert len(pd.read_csv(folder.path / "history.csv")) == 1


def test_members_that_do_not_go_together_are_refused(folder, member):
    fine, coarse, bright = member("fine"), member("coarse", scale=4), member("b", intensity="range")
    with pytest.raises(InputError, match=r"members: two: weights of scale 4\. Accepted: scale 2"):
        assemble({"one": fine, "two": coarse}, 2, folder)
    with pytest.raises(InputError, match=r"intensity differs \(one: window, two: range\)"):
        assemble({"one": fine, "two": bright}, 2, folder)
    assert not folder.best.exists()


def test_a_member_is_a_python_class_only_if_the_configuration_names_it(
    folder, member, tmp_path, monkeypatch
):
    (tmp_path / "mine.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    members = {"one": member("one"), "own": member("own", "custom", {"path": "mine.py:Net"})}
    for named in ((), ("own",), ("other.py:Net",)):
        with pytest.raises(InputError, match=r"own\.safetensors: weights of a Python class"):
            assemble(members, 2, folder, named)
    assemble(members, 2, folder, ["mine.py:Net"])
    with pytest.raises(InputError, match=r"best\.safetensors: weights of a Python class"):
        load_weights(folder.best)
    assert load_weights(folder.best, ["mine.py:Net"])[1].classes == ["mine.py:Net"]

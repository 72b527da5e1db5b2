"""Model packages that are written: others accept them, and no path of this machine is in them."""

import io
import json
import zipfile

import numpy as np
import pytest
import torch
import yaml
from bioimageio.core import test_model as run_test
from packages import OPTIONS, adopt, export
from pssrflow.errors import InputError
from pssrflow.export.stage import traced
from pssrflow.models.facts import Facts
from pssrflow.models.weights import load_weights, save_weights
from pssrflow.networks.registry import build

OWN = """
from torch import nn

class Net(nn.Module):
    def __init__(self, scale):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, scale**2, 3, padding=1), nn.PixelShuffle(scale))
    def forward(self, x):
        return self.layers(x)
"""


def test_a_package_passes_the_test_of_bioimageio_and_equals_its_repetition(package, trained):
    assert run_test(package, devices=["cpu"]).status == "passed"
    first = package.read_bytes()
    export(trained, package)
    with zipfile.ZipFile(io.BytesIO(first)) as a, zipfile.ZipFile(package) as b:
        assert a.namelist() == b.namelist()
        assert a.read("weights.safetensors") == b.read("weights.safetensors")


def test_a_package_tells_no_path_of_the_machine_that_made_it(package):
    with zipfile.ZipFile(package) as archive:
        everything = b"".join(archive.read(name) for name in archive.namelist())
        known = yaml.safe_load(archive.read("rdf.yaml"))["config"]["pssrflow"]
    assert b"/home/me" not in everything
    assert str(package.parent).encode() not in everything
    assert known["trained_on"] == {"a/hr.done.json": "abc"}


def test_a_package_says_what_is_known_of_its_weights_and_what_is_not(package):
    with zipfile.ZipFile(package) as archive:
        known = yaml.safe_load(archive.read("rdf.yaml"))["config"]["pssrflow"]
        facts = Facts.from_bytes(archive.read("weights.safetensors"))
    assert known.pop("version") == facts.other["version"]
    assert known == {
        "arch": "unet",
        "scale": 4,
        "options": OPTIONS,
        "versions": None,
        "seed": None,
        "code": None,
        "crappify": {"scale": 4},
        "trained_on": {"a/hr.done.json": "abc"},
        "begun_with": None,
        "extended": None,
        "step": 3,
        "validation_psnr": 20.5,
    }
    assert {name: getattr(facts, name) for name in known} == known


def test_a_network_whose_code_depends_on_the_size_is_not_packed():
    class Fixed(torch.nn.Module):
        frames = 1

        def forward(self, images):
            return images + torch.arange(float(images.numpy().shape[-1]))

    with pytest.raises((InputError, RuntimeError), match=r"TorchScript is wrong|size of tensor"):
        traced(Fixed(), "fixed")


def test_an_example_too_small_for_the_halo_is_refused(trained, make_store):
    lr = make_store(np.arange(100, dtype=np.uint8).reshape(1, 1, 1, 10, 10), "small")
    with pytest.raises(InputError, match=r"10 x 10 pixels are too few for an example"):
        export(trained, trained / "p.zip", lr=lr)
    assert not (trained / "p.zip").exists()


def test_a_network_that_sees_the_range_of_the_detector_is_not_packed(trained):
    facts = Facts("bicubic", 4, {}, intensity="range")
    save_weights(trained / "best.safetensors", build("bicubic", 4, {}), facts)
    with pytest.raises(InputError, match=r"sees the range of a detector.*intensity: window"):
        export(trained, trained / "p.zip")


def test_a_class_of_the_configuration_is_packed_and_comes_back_as_torchscript(trained, monkeypatch):
    (trained / "mine.py").write_text(OWN)
    monkeypatch.chdir(trained)
    options = {"path": "mine.py:Net"}
    save_weights(
        trained / "best.safetensors", build("custom", 4, options), Facts("custom", 4, options)
    )
    with pytest.raises(InputError, match=r"best\.safetensors: weights of a Python class"):
        export(trained, trained / "p.zip")
    export(trained, trained / "p.zip", python=["mine.py:Net"])
    network, facts = load_weights(adopt(trained / "p.zip"))
    assert facts.arch == "torchscript"
    image = torch.rand(1, 1, 20, 24)
    with torch.no_grad():
        expected = load_weights(trained / "best.safetensors", python=["mine.py:Net"])[0](image)
        torch.testing.assert_close(network(image), expected)


def test_what_was_trained_without_validation_says_so(trained):
    (trained / "train.done.json").write_text(json.dumps({"step": 3, "validation_psnr": None}))
    export(trained, trained / "p.zip")
    with zipfile.ZipFile(trained / "p.zip") as archive:
        assert b"PSNR: not measured" in archive.read("README.md")

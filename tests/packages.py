"""Model packages for the tests: exported from random weights, changed, and taken in."""

import hashlib
import json
import zipfile
from pathlib import Path

import pytest
import torch
import yaml
from pssrflow.export.settings import Settings
from pssrflow.export.stage import export_package
from pssrflow.models.facts import Facts
from pssrflow.models.folder import ModelFolder
from pssrflow.models.package import adopt_package
from pssrflow.models.weights import save_weights
from pssrflow.networks.registry import build
from pssrflow.volumes.store import Store

torch.set_num_threads(1)
OPTIONS = {"widths": [8, 8], "blocks": 1}
ABOUT = Settings(
    name="PSSRflow tiny",
    description="A network of a test.",
    authors=[{"name": "Jane Doe"}],
    tags=["super-resolution"],
)


@pytest.fixture
def trained(tmp_path, tissue, make_store):
    """Random weights with their done file, and an LR store to show them on."""
    torch.manual_seed(0)
    network = build("unet", 4, OPTIONS)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    trained_on = {"/home/me/run/a/hr.done.json": {"content": "abc"}}
    facts = Facts("unet", 4, OPTIONS, trained_on=trained_on, crappify={"scale": 4, "files": {}})
    save_weights(tmp_path / "best.safetensors", network, facts)
    (tmp_path / "train.done.json").write_text(json.dumps({"step": 3, "validation_psnr": 20.5}))
    make_store(tissue((1, 1, 2, 70, 90), sigma=2), "lr")
    return tmp_path


@pytest.fixture(scope="session")
def exported():
    """Bytes of the package that `package` copies, once it is made."""
    return []


@pytest.fixture
def package(trained, exported):
    """A package of these weights."""
    path = trained / "tiny.bioimageio.zip"
    if not exported:
        export(trained, path)
        exported.append(path.read_bytes())
    path.write_bytes(exported[0])
    return path


def export(folder, package, **changed):
    """Pack what `trained` made."""
    lr = changed.pop("lr", folder / "lr.ome.zarr")
    files = (folder / "best.safetensors", folder / "train.done.json", Store(lr))
    export_package(*files, package, (1, 99), **{"about": ABOUT} | changed)


def adopt(path, **changed):
    """Take a package in; the weights that predict would load."""
    folder = ModelFolder(path.parent / "adopted", path.parent / "adopted/train.done.json")
    adopt_package(path, **{"scale": 4, "percentiles": (1, 99)} | changed, folder=folder)
    return folder.best


def rewrite(path, change):
    """The package with `change` applied to its description and files; hashes stay as they are."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    content = yaml.safe_load(files["rdf.yaml"])
    change(content, files)
    files["rdf.yaml"] = yaml.safe_dump(content).encode()
    return zipped(path, files)


def zipped(path, files):
    """A zip of these files."""
    with zipfile.ZipFile(Path(path), "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def hashed(files, name, data):
    """Add a file to a package; its entry in the description."""
    files[name] = data
    return {"source": name, "sha256": hashlib.sha256(data).hexdigest()}


def foreign(content, files):
    """What PSSRflow adds to a package is gone: TorchScript is left."""
    del files["weights.safetensors"], content["attachments"], content["config"]

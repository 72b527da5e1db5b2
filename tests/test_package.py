"""Model packages: others accept them, they come back as they were, and foreign code never runs."""

import hashlib
import io
import json
import zipfile

import numpy as np
import pytest
import torch
import yaml
from bioimageio.core import test_model as run_test
from pssrflow.errors import InputError
from pssrflow.export.stage import export_package, traced
from pssrflow.models.facts import Facts
from pssrflow.models.folder import ModelFolder
from pssrflow.models.package import adopt_package
from pssrflow.models.weights import load_weights, save_weights
from pssrflow.networks.receptive_field import receptive_halo
from pssrflow.networks.registry import build
from pssrflow.volumes.store import Store
from runs import TINY, planned, prepare, run

torch.set_num_threads(1)
OPTIONS = {"widths": [8, 8], "blocks": 1}
ABOUT = {
    "name": "PSSRflow tiny",
    "description": "A network of a test.",
    "authors": [{"name": "Jane Doe", "affiliation": None, "orcid": None}],
    "license": "MIT",
    "cite": [],
    "tags": ["super-resolution"],
}


@pytest.fixture
def trained(tmp_path, tissue, make_store):
    """Random weights with their done file, and an LR store to show them on."""
    torch.manual_seed(0)
    network = build("unet", 4, OPTIONS)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    trained_on = {"/home/me/run/a/hr.done.json": {"content": "abc"}}
    facts = Facts("unet", 4, OPTIONS, trained_on=trained_on)
    save_weights(tmp_path / "best.safetensors", network, facts)
    (tmp_path / "train.done.json").write_text(json.dumps({"step": 3, "validation_psnr": 20.5}))
    make_store(tissue((1, 1, 2, 70, 90), sigma=2), "lr")
    return tmp_path


@pytest.fixture
def package(trained):
    """A package of these weights."""
    path = trained / "tiny.bioimageio.zip"
    files = (trained / name for name in ("best.safetensors", "train.done.json", "lr.ome.zarr"))
    export_package(*files, path, (1, 99), ABOUT, 1)
    return path


def adopt(path, **changed):
    """Take a package in; the weights that predict would load."""
    folder = path.parent / "adopted"
    settings = {"scale": 4, "percentiles": (1, 99)} | changed
    adopt_package(path, **settings, folder=ModelFolder(folder, folder / "train.done.json"))
    return folder / "best.safetensors"


def rewrite(path, change):
    """The package with `change` applied to its description and files; hashes stay as they are."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    content = yaml.safe_load(files["rdf.yaml"])
    change(content, files)
    files["rdf.yaml"] = yaml.safe_dump(content).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def foreign(content, files):
    """What PSSRflow adds to a package is gone: TorchScript is left."""
    del files["weights.safetensors"], content["attachments"], content["config"]


def hashed(files, name, data):
    files[name] = data
    return {"source": name, "sha256": hashlib.sha256(data).hexdigest()}


def test_a_package_passes_the_test_of_bioimageio_and_equals_its_repetition(package, trained):
    assert run_test(package, devices=["cpu"]).status == "passed"
    first = package.read_bytes()
    files = (trained / name for name in ("best.safetensors", "train.done.json", "lr.ome.zarr"))
    export_package(*files, package, (1, 99), ABOUT, 1)
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


@pytest.mark.parametrize("kind", ["ours", "foreign"])
def test_a_package_comes_back_within_a_grey_level(kind, package, trained):
    if kind == "foreign":
        rewrite(package, foreign)
    again, facts = load_weights(adopt(package))
    assert facts.arch == ("unet" if kind == "ours" else "torchscript")
    network, _ = load_weights(trained / "best.safetensors")
    image = torch.rand(2, 1, 40, 52)
    with torch.no_grad():
        assert (again(image) - network(image)).abs().max() < 1 / 255
        # Smaller than the package's least size, and off its stride.
        assert again(image[..., :5, :41]).shape == (2, 1, 20, 164)
    assert receptive_halo(again) % again.stride == 0


def test_what_is_adopted_is_what_the_report_and_the_prediction_read(package):
    best = adopt(package)
    done = json.loads((best.parent / "train.done.json").read_text())
    assert done["sha256"] == hashlib.sha256(best.read_bytes()).hexdigest()
    assert done["validation_psnr"] == 20.5
    assert (best.parent / "history.csv").read_text().startswith("step,epoch,seconds")


def two_inputs(content, files):
    content["inputs"].append(content["inputs"][0] | {"id": "other"})


def three_channels(content, files):
    content["inputs"][0]["axes"][1]["channel_names"] = ["r", "g", "b"]


def wrong_hash(content, files):
    files["network.pt"] += b"x"


def missing_file(content, files):
    del files["network.pt"]


def leads_out(content, files):
    files["../evil.py"] = b"print('ran')"


def other_scaling(content, files):
    content["inputs"][0]["preprocessing"] = [{"id": "zero_mean_unit_variance"}]


def other_percentiles(content, files):
    content["inputs"][0]["preprocessing"][0]["kwargs"]["max_percentile"] = 99.8


def fixed_size(content, files):
    content["inputs"][0]["axes"][2]["size"] = 64


def only_python(content, files):
    foreign(content, files)
    entry = hashed(files, "w.pt", b"pickled")
    source = hashed(files, "evil.py", b"print('ran')")
    entry |= {"pytorch_version": "2.0.0", "architecture": source | {"callable": "Evil"}}
    content["weights"] = {"pytorch_state_dict": entry}


def an_old_format(content, files):
    content["format_version"] = "0.4.10"


REFUSALS = {
    two_inputs: r"inputs: 2 tensors\. Accepted: one",
    three_channels: r"inputs\[0\]\.axes\[1\]: 3 channels\. Accepted: 1 channel",
    wrong_hash: r"weights\.torchscript\.sha256: network\.pt has the hash",
    missing_file: r"weights\.torchscript\.source: no file 'network\.pt'",
    leads_out: r"'\.\./evil\.py' leads out of the package",
    other_scaling: r"preprocessing: zero_mean_unit_variance\. Accepted: scale_range",
    other_percentiles: r"percentiles 1 and 99\.8\. Accepted: .*1 to 99",
    fixed_size: r"axes\.y\.size: 64, which is fixed",
    only_python: r"weights: pytorch_state_dict; Python in a package is never run",
    an_old_format: r"format_version 0\.4\.10\. Accepted: .*0\.5",
}


@pytest.mark.parametrize("change", REFUSALS, ids=lambda change: change.__name__)
def test_a_package_that_cannot_be_used_is_refused_with_its_key(change, package, capsys):
    rewrite(package, change)
    with pytest.raises(InputError, match=REFUSALS[change]) as caught:
        adopt(package)
    assert "tiny.bioimageio.zip" in str(caught.value)
    assert not (package.parent / "adopted" / "train.done.json").exists()
    assert "ran" not in capsys.readouterr().out


def test_weights_in_a_package_cannot_name_a_class_to_import(package):
    def custom(content, files):
        header = {"pssrflow": json.dumps({"arch": "custom", "scale": 4, "options": {"path": "x"}})}
        from safetensors.torch import save

        data = save({"none": torch.zeros(1)}, header)
        content["attachments"] = [hashed(files, "weights.safetensors", data)]

    rewrite(package, custom)
    # The class is not looked for: the TorchScript is taken.
    assert load_weights(adopt(package))[1]["arch"] == "torchscript"


def test_another_scale_and_a_file_that_is_no_zip_are_refused(package, tmp_path):
    with pytest.raises(InputError, match=r"a network for scale 4\. Accepted: 2, as crappify"):
        adopt(package, scale=2)
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(InputError, match=r"text\.zip: cannot be read as a package"):
        adopt(tmp_path / "text.zip")


def test_a_network_whose_code_depends_on_the_size_is_not_packed():
    class Fixed(torch.nn.Module):
        def forward(self, images):
            return images + torch.arange(float(images.numpy().shape[-1]))

    with pytest.raises((InputError, RuntimeError), match=r"TorchScript is wrong|size of tensor"):
        traced(Fixed(), "fixed")


def test_an_example_too_small_for_the_halo_is_refused(trained, make_store):
    lr = make_store(np.arange(100, dtype=np.uint8).reshape(1, 1, 1, 10, 10), "small")
    files = (trained / name for name in ("best.safetensors", "train.done.json"))
    with pytest.raises(InputError, match=r"10 x 10 pixels are too few for an example"):
        export_package(*files, lr, trained / "p.zip", (1, 99), ABOUT, 1)
    assert not (trained / "p.zip").exists()


@pytest.mark.slow
def test_the_workflow_predicts_with_a_package_as_with_the_network_in_it(tmp_path):
    prepare(tmp_path)
    run(tmp_path, "export", "predict")
    made = tmp_path / "results/models/tiny/tiny.bioimageio.zip"
    made.rename(tmp_path / "theirs.zip")
    models = TINY["models"] | {"theirs": {"arch": "package", "package": "theirs.zip"}}
    prepare(tmp_path, TINY | {"models": models})
    run(tmp_path, "predict")
    ours, theirs = (
        Store(tmp_path / f"results/test/{name}/sr.ome.zarr").level()[:].astype(int)
        for name in ("tiny", "theirs")
    )
    assert abs(ours - theirs).max() <= 1
    assert not planned(tmp_path, "predict")

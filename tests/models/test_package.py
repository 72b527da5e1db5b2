"""Model packages that are taken in: they come back as they were, and foreign code never runs."""

import hashlib
import json

import pytest
import torch
from packages import adopt, foreign, hashed, rewrite
from pssrflow.errors import InputError
from pssrflow.models.weights import load_weights
from pssrflow.networks.receptive_field import receptive_halo
from pssrflow.volumes.store import Store
from runs import TINY, planned, prepare, run
from safetensors.torch import save


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


def no_script(content, files):
    foreign(content, files)
    entry = hashed(files, "network.pt", b"no script")
    content["weights"]["torchscript"] |= entry


def an_empty_script(content, files):
    foreign(content, files)
    content["weights"]["torchscript"] |= hashed(files, "network.pt", b"")


def odd_options(content, files):
    facts = {"arch": "unet", "scale": 4, "options": {"widths": [8, 8], "blocks": "many"}}
    header = {"pssrflow": json.dumps(facts)}
    data = save({"none": torch.zeros(1)}, header)
    content["attachments"] = [hashed(files, "weights.safetensors", data)]


def several(content, files):
    fixed_size(content, files)
    other_percentiles(content, files)


REFUSALS = {
    two_inputs: r"inputs: 2 tensors\. Accepted: one",
    three_channels: r"inputs\[0\]\.axes\[1\]: 3 channels\. Accepted: 1",
    wrong_hash: r"weights\.torchscript\.sha256: network\.pt has the hash",
    missing_file: r"weights\.torchscript\.source: no file 'network\.pt'",
    leads_out: r"'\.\./evil\.py' leads out of the package",
    other_scaling: r"preprocessing: zero_mean_unit_variance\. Accepted: scale_range",
    other_percentiles: r"percentiles 1 and 99\.8\. Accepted: .*1 to 99",
    fixed_size: r"axes\.y\.size: 64, which is fixed",
    only_python: r"weights: pytorch_state_dict; Python in a package is never run",
    no_script: r"weights\.torchscript: does not run",
    an_empty_script: r"weights\.torchscript: does not run",
    odd_options: r"zip: weights\.safetensors: .*blocks",
    several: r"(?s)axes\.y\.size: 64, which is fixed.*\n  inputs.*percentiles 1 and 99\.8",
}


@pytest.mark.parametrize("change", REFUSALS, ids=lambda change: change.__name__)
def test_a_package_that_cannot_be_used_is_refused_with_its_key(change, package, capsys):
    rewrite(package, change)
    with pytest.raises(InputError, match=REFUSALS[change]) as caught:
        adopt(package)
    assert "tiny.bioimageio.zip" in str(caught.value)
    assert not (package.parent / "adopted" / "train.done.json").exists()
    assert "ran" not in capsys.readouterr().out


CUSTOM = {"arch": "custom", "scale": 4, "options": {"path": "trap.py:Net"}}
PLAIN = {"arch": "bicubic", "options": {}}
NOT_OURS = {
    "a class": CUSTOM,
    "a member": CUSTOM | {"arch": "ensemble", "options": {"members": [PLAIN, CUSTOM]}},
    "a script": {"arch": "torchscript", "scale": 4, "options": {}},
    "of tomorrow": {"arch": "unheard", "scale": 4, "options": {}},
    "odd": {"arch": "bicubic", "scale": "four", "options": {}},
}


@pytest.mark.parametrize("facts", NOT_OURS.values(), ids=NOT_OURS)
def test_weights_in_a_package_cannot_name_what_runs(facts, package, monkeypatch, capsys):
    def named(content, files):
        data = save({"none": torch.zeros(1)}, {"pssrflow": json.dumps(facts)})
        content["attachments"] = [hashed(files, "weights.safetensors", data)]

    (package.parent / "trap.py").write_text("print('ran')")
    monkeypatch.chdir(package.parent)
    rewrite(package, named)
    # The class is not looked for: the TorchScript is taken.
    assert load_weights(adopt(package))[1].arch == "torchscript"
    assert "ran" not in capsys.readouterr().out


def test_another_scale_is_refused(package):
    with pytest.raises(InputError, match=r"a network for scale 4\. Accepted: 2, as crappify"):
        adopt(package, scale=2)


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

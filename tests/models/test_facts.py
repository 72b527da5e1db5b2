"""The facts of weights: JSON there and back, and nothing odd in them goes further."""

import json

import pytest
import torch
from pssrflow.errors import InputError
from pssrflow.models.facts import Facts
from pssrflow.models.weights import load_weights, save_weights
from pssrflow.networks.registry import build
from safetensors.torch import save_file


def test_facts_keep_what_another_version_noted(tmp_path):
    content = {"arch": "unet", "scale": 2, "options": {}, "intensity": "range"}
    content |= {"trained_on": {"a": "hash"}, "step": 7, "of_tomorrow": [1]}
    facts = Facts.from_json(content)
    assert facts.step == 7 and facts.other == {"of_tomorrow": [1]}
    assert facts.to_json() == content
    # What was saved before networks saw several planes.
    assert Facts.from_json(content | {"frames": 1}) == facts
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
    assert Facts("ensemble", 4, {"members": [{"arch": "unet", "options": {}}, deep]}).classes
    assert not Facts("ensemble", 4, {"members": [3, {"options": 3}]}).classes


def test_weights_of_networks_of_ours_alone_are_known_as_such():
    deep = {"members": [{"arch": "unet", "options": {}}, {"arch": "custom", "options": {}}]}
    assert Facts("unet", 4, {}).of_ours
    assert Facts("ensemble", 4, {"members": deep["members"][:1]}).of_ours
    others = ("custom", {}), ("torchscript", {}), ("unheard", {}), ("ensemble", deep)
    assert not any(Facts(arch, 4, options).of_ours for arch, options in others)


def nested(levels):
    """Facts of an ensemble in an ensemble in an ensemble."""
    made = {"arch": "custom", "options": {}}
    for _ in range(levels):
        made = {"arch": "ensemble", "options": {"members": [made]}}
    return {"scale": 4, **made}


def test_members_are_found_deeper_than_python_calls():
    facts = nested(2000)
    assert Facts(facts["arch"], 4, facts["options"]).classes == [None]


SIZES = ("stride", "minimum", "halo", "size")
WELL = {"arch": "unet", "scale": 2, "options": {}}
# What somebody wrote into the header of a file, and what is said of it.
ODD = [
    ([], "no facts of PSSRflow"),
    ({"arch": "unet"}, "no facts of PSSRflow"),
    (WELL | {"arch": 3}, "arch: found 3"),
    (WELL | {"arch": "unheard"}, "arch: found 'unheard'"),
    (WELL | {"arch": "../unet"}, "arch: found"),
    (WELL | {"arch": "\ud800"}, "refused"),
    (WELL | {"scale": True}, "scale: found true. Accepted: integer"),
    (WELL | {"scale": 0}, "scale: found 0. Accepted: at least 1"),
    (WELL | {"scale": 10**400}, "scale: found 1000"),
    (WELL | {"scale": 1e9}, "scale: found 1000000000.0"),
    (WELL | {"options": []}, "options: found \\[\\]. Accepted: object"),
    (WELL | {"options": {"widths": "wide"}}, 'options of unet: widths: found "wide"'),
    (WELL | {"options": {"widths": [10**9]}}, "options of unet: widths.*at most 1024"),
    (WELL | {"options": {"width": 8}}, "options of unet: .*width.*did you mean 'widths'"),
    (WELL | {"options": {"widths": [8, 8], "blocks": [1]}}, "options of unet: blocks"),
    (WELL | {"frames": 0}, "frames: found 0"),
    (WELL | {"intensity": "rang"}, "intensity: found \"rang\".*did you mean 'range'"),
    (WELL | {"trained_on": "all"}, 'trained_on: found "all"'),
    (WELL | {"versions": {"torch": 2}}, "versions.torch: found 2"),
    (WELL | {"step": -1, "seed": "x"}, 'seed: found "x".*step: found -1'),
    (WELL | {"validation_psnr": float("nan")}, "validation_psnr: found nan"),
    (WELL | {"arch": "ensemble"}, "options of ensemble: .*'members' is a required"),
    (
        WELL | {"arch": "ensemble", "options": {"members": [3]}},
        r"options of ensemble: members\[0\]",
    ),
    (WELL | {"arch": "ensemble", "options": {"members": []}}, "options of ensemble: members"),
    (WELL | {"arch": "torchscript"}, "options of torchscript: "),
    (WELL | {"arch": "torchscript", "options": dict.fromkeys(SIZES, 1 << 60)}, "size: found"),
    (WELL | {"arch": "custom"}, "a Python class"),
    (WELL | {"arch": "swinir", "options": {"embed_dim": 10}}, "options of swinir: embed_dim"),
    (nested(30), "a Python class"),
    (nested(90), "refused"),
]


@pytest.mark.parametrize(("content", "words"), ODD)
def test_odd_facts_are_refused_in_words(content, words, tmp_path):
    path = tmp_path / "w.safetensors"
    save_file({"none": torch.zeros(1)}, path, {"pssrflow": json.dumps(content)})
    with pytest.raises(InputError, match=rf"(?s)w\.safetensors.*{words}"):
        load_weights(path)
    # At parse time they say nothing, or what is wrong with them is found where they are used.
    Facts.read(path)


@pytest.mark.parametrize("name", ["", ".", "gone", "nul\0byte", "x" * 5000])
def test_what_is_no_file_says_nothing(name, tmp_path):
    assert (
        Facts.read(f"{tmp_path}/{name}") is None and Facts.of_package(f"{tmp_path}/{name}") is None
    )

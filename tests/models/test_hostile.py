"""Files of strangers: refused in our words before time or memory goes, and nothing in them runs."""

import json
import os
import subprocess
import sys
import textwrap
import time
import zipfile

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pssrflow.crappify.settings import settings_of
from pssrflow.errors import InputError
from pssrflow.models.archive import Archive
from pssrflow.models.assemble import assemble
from pssrflow.models.facts import Facts
from pssrflow.models.folder import ModelFolder
from pssrflow.models.package import read_package
from pssrflow.models.weights import load_weights, read_tensors
from safetensors.torch import save_file

# Seconds and megabytes within which everything of this file must be refused.
SECONDS, MEGABYTES = 5, 1000
HEAD = "type: model\nformat_version: 0.5.3\n"
PYTHON = {"arch": "custom", "options": {"path": "pay.py:Net"}}
MINE = {"arch": "custom", "options": {"path": "mine.py:Net"}}


def weights(folder, facts):
    """A file of weights with one number, and these facts."""
    path = folder / "w.safetensors"
    save_file({"a": torch.zeros(1)}, path, metadata={"pssrflow": json.dumps(facts)})
    return path


def package(folder, files):
    with zipfile.ZipFile(folder / "p.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return folder / "p.zip"


def network(arch, options, scale=4):
    return {"arch": arch, "scale": scale, "options": options}


def bomb(first, line):
    """YAML in which every line holds the one before nine times."""
    named = (line.format(i=i, nine=",".join([f"*a{i - 1}"] * 9)) for i in range(1, 12))
    return HEAD + "\n".join([f"a0: &a0 {first}", *named])


FACTS = [
    ({}, "no facts"),
    (network("unet", {"widths": [10**6, 10**6]}), "at most 1024"),
    (network("unet", {"widths": [1024] * 6, "blocks": 16}), "728 .* missing"),
    (network("unet", {"blocks": 10**9}), "at most 16"),
    (network("unet", {}, scale=10**9), "at most 64"),
    (network("resunet", {"hidden": [8192] * 8}), "missing"),
    (network("rdresunet", {"rdnet_init": 8192}), "missing|multiple"),
    (network("torchscript", {"stride": 1, "minimum": 1, "halo": 0, "size": 4 << 30}), "missing"),
    (network("ensemble", {"members": [{"arch": "unet", "options": {}}] * 10_000}), "more than 256"),
    (network("ensemble", {"members": [PYTHON]}), "Python class that they name themselves"),
    (network(**PYTHON), "Python class that they name themselves"),
]
ZIPS = [
    ({"rdf.yaml": HEAD, "zeros": bytes(200_000_000)}, "unpack to 200.0 MB"),
    ({"rdf.yaml": bomb("[1, 1]", "a{i}: &a{i} [{nine}]")}, "more than 100000 values"),
    ({"rdf.yaml": bomb("{x: 1}", "a{i}: &a{i} {{<<: [{nine}]}}")}, "a merge key"),
    ({"rdf.yaml": "[" * 200_000}, "lists in lists without end"),
    ({"rdf.yaml": "{a: [ " * 30_000}, "without end|recursion"),
    ({"rdf.yaml": "- " * 200_000}, "recursion"),
    ({"rdf.yaml": "a" * 5_000_000}, "a description of 5.0 MB"),
    ({"rdf.yaml": "&a\n" + HEAD + "x: *a\n"}, "more than 100000 values"),
    ({"rdf.yaml": HEAD + "w: {source: b, sha256: '00'}", "b": "1"}, "has the hash"),
]


def refused(words, function, *arguments):
    start = time.process_time()
    with pytest.raises(InputError, match=words):
        function(*arguments)
    assert time.process_time() - start < SECONDS


@pytest.mark.parametrize(("facts", "words"), FACTS)
def test_facts_that_cannot_be_are_refused_before_memory_is_taken(facts, words, tmp_path):
    refused(words, load_weights, weights(tmp_path, facts))


@pytest.mark.parametrize(("files", "words"), ZIPS)
def test_packages_that_claim_more_than_they_hold_are_refused(files, words, tmp_path):
    refused(words, Archive.read, package(tmp_path, files))


def test_all_of_them_stay_small(root, tmp_path):
    """Peak memory of a process of its own, which meets all of the above."""
    code = f"""
        import pathlib, sys
        sys.path[:0] = [{str(root / "tests")!r}, {str(root / "tests/models")!r}]
        from memory import peak_mb
        from test_hostile import *
        folder = pathlib.Path({str(tmp_path)!r})
        for facts, words in FACTS:
            refused(words, load_weights, weights(folder, facts))
        for files, words in ZIPS[1:]:
            refused(words, Archive.read, package(folder, files))
        print(peak_mb())
    """
    path = {"PYTHONPATH": str(root / "workflow/scripts")}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=os.environ | path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout) < MEGABYTES


def test_a_refused_pth_does_not_repeat_how_to_load_it_without_protection(tmp_path):
    torch.save({"a": os.system}, tmp_path / "w.pth")
    with pytest.raises(InputError, match="objects in it besides tensors") as raised:
        read_tensors(tmp_path / "w.pth")
    assert "weights_only" not in str(raised.value) and "trust" not in str(raised.value)


OPTIONS = st.fixed_dictionaries(
    {"path": st.sampled_from(["pay.py:Net", "pay:Net", "./pay.py:Net", "", 3, None])}
)
NETWORKS = st.recursive(
    st.builds(
        lambda arch, options: {"arch": arch, "options": options},
        st.sampled_from(["custom", "Custom", "unet", "noise", "torchscript"]),
        OPTIONS | st.just({}) | st.just(MINE["options"]),
    ),
    lambda inner: st.builds(
        lambda arch, members, more: {"arch": arch, "options": {"members": members, **more}},
        st.sampled_from(["ensemble", "custom"]),
        st.lists(inner, max_size=3),
        OPTIONS | st.just({}),
    ),
    max_leaves=6,
)
STEPS = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["custom", "network", "poisson"])},
        optional={
            "path": st.sampled_from(["pay.py:Net", "pay:Net"]),
            "weights": st.just("w.safetensors"),
        },
    ),
    max_size=2,
)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(network=NETWORKS, steps=STEPS, scale=st.sampled_from([1, 4]))
def test_no_file_names_what_runs(network, steps, scale, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("pay", "mine"):
        (tmp_path / f"{name}.py").write_text(
            f"open('{name} ran', 'w').close()\nraise ImportError\n"
        )
    path = weights(tmp_path, {"scale": scale, **network})
    zipped = package(tmp_path, {"rdf.yaml": HEAD, "weights.safetensors": path.read_bytes()})
    (tmp_path / "fit.json").write_text(
        json.dumps({"scale": scale, "verdict": "fits", "crappifier": {"noise": steps}})
    )
    crappify = {"scale": scale, "fit": "fit.json", "before": [], "noise": []}
    for function, arguments in (
        # The configuration names another class, for another member.
        (load_weights, (path, ["mine.py:Net"])),
        (assemble, ({"a": path}, scale, ModelFolder(tmp_path, "done"), ["mine.py:Net"])),
        (read_package, (zipped, scale, (1, 99))),
        (settings_of, (crappify,)),
        (Facts.read, (path,)),
    ):
        try:
            function(*arguments)
        except InputError:
            continue
    assert not (tmp_path / "pay ran").exists()

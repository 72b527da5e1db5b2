"""Hashes of code and of inputs change with what decides a result, and with nothing else."""

import os
import shutil
import subprocess
import sys

import pytest
from pssrflow.run import rerun
from pssrflow.run.rerun import fingerprint


@pytest.fixture
def project(root, tmp_path, monkeypatch):
    """A copy of the core that can be edited, and the hashes of its scripts."""
    shutil.copytree(root / "workflow/scripts", tmp_path / "scripts")
    monkeypatch.setattr(rerun, "PACKAGE", tmp_path / "scripts" / "pssrflow")

    def hashes():
        for cached in (rerun.code_hash, rerun.read_module, rerun._file):
            cached.cache_clear()
        return {p.stem: rerun.code_hash(str(p)) for p in (tmp_path / "scripts").glob("*.py")}

    yield tmp_path / "scripts" / "pssrflow", hashes
    for cached in (rerun.code_hash, rerun.read_module, rerun._file):
        cached.cache_clear()


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_hashes_are_the_same_in_every_process(root):
    code = "from pssrflow.run.rerun import code_hash; import sys; print(code_hash(sys.argv[1]))"
    script = str(root / "workflow/scripts/ingest.py")
    found = set()
    for seed in "0123":
        environment = os.environ | {
            "PYTHONHASHSEED": seed,
            "PYTHONPATH": str(root / "workflow/scripts"),
        }
        command = [sys.executable, "-c", code, script]
        found.add(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)
    assert len(found) == 1


def test_a_fingerprint_follows_the_bytes_and_not_the_time_stamp(tmp_path):
    (tmp_path / "a").write_bytes(b"pixels")
    first = fingerprint((str(tmp_path),))
    fingerprint.cache_clear()
    os.utime(tmp_path / "a", (0, 0))
    assert fingerprint((str(tmp_path),)) == first
    fingerprint.cache_clear()
    (tmp_path / "a").write_bytes(b"pixelz")
    assert fingerprint((str(tmp_path),)) != first


def test_a_large_acquisition_is_sampled_over_all_its_files(tmp_path, monkeypatch):
    monkeypatch.setattr("pssrflow.run.rerun.HASHED_WHOLE", 1000)
    monkeypatch.setattr("pssrflow.run.rerun.PLACE_BYTES", 100)
    for name in "abc":
        (tmp_path / name).write_bytes(bytes(5000))
    first = fingerprint((str(tmp_path),))
    for name, place in (("a", 0), ("b", 2500), ("c", 4999)):
        content = bytearray(5000)
        content[place : place + 300] = b"1" * min(300, 5000 - place)
        (tmp_path / name).write_bytes(content)
        fingerprint.cache_clear()
        assert fingerprint((str(tmp_path),)) != first
        (tmp_path / name).write_bytes(bytes(5000))

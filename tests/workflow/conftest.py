"""A run that tests of the workflow share."""

import fcntl
import os
import shutil

import pytest
from runs import prepare, run


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A folder in which everything was run once; tests must leave it as it was."""
    base = tmp_path_factory.getbasetemp()
    # The processes that share the tests share it too.
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "finished"
    folder.mkdir(exist_ok=True)
    with open(folder.with_suffix(".lock"), "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "results/report.html").exists():
            prepare(folder)
            run(folder)
    return folder


@pytest.fixture
def mine(finished, tmp_path):
    """A copy that a test may change."""
    shutil.copytree(finished, tmp_path / "mine", symlinks=True)
    return tmp_path / "mine"

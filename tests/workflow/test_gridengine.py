"""The same sample sheet on a real Grid Engine: same bytes, and a job that is killed runs again."""

import contextlib
import itertools
import subprocess
import time

import gridengine_node
import pytest
from runs import ROOT, command, contents, environment, prepare

PROFILE = ROOT / "workflow/profiles/generic"

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(
        gridengine_node.unavailable() is not None, reason=f"{gridengine_node.unavailable()}"
    ),
]


@pytest.fixture(scope="module", autouse=True)
def gridengine():
    """One node."""
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(gridengine_node.cluster())
        except gridengine_node.Unavailable as error:
            pytest.skip(str(error))
        yield


def submit(folder, *arguments):
    """Start Snakemake in `folder` on the cluster; output and errors go to `run.log`."""
    # The bytes of a training depend on its threads.
    alike = ["--set-threads", "train_model=2", "calibrate_trust=2"]
    words = command("--profile", str(PROFILE), *alike, *arguments)
    # The default profile takes all cores of this machine; a user of a cluster names none.
    where = words.index("--cores")
    del words[where : where + 2]
    with open(folder / "run.log", "w") as log:
        return subprocess.Popen(
            words, cwd=folder, env=environment(), stdout=log, stderr=subprocess.STDOUT
        )


def running(rule, process):
    """Number of a job of a rule as soon as it runs; None if the run ends before."""
    while process.poll() is None:
        listed = [line.split() for line in gridengine_node.said("qstat", "-r").splitlines()]
        for above, line in itertools.pairwise(listed):
            if line == ["Full", "jobname:", f"pssrflow.{rule}"] and above[4] == "r":
                return above[0]
        time.sleep(0.1)
    return None


def test_the_whole_run_writes_the_bytes_of_a_local_one(finished, tmp_path):
    prepare(tmp_path)
    code = submit(tmp_path).wait()
    said = (tmp_path / "run.log").read_text()
    assert code == 0, said[-5000:]
    assert contents(tmp_path) == contents(finished)
    # Memory and time were enough at once.
    assert "Trying to restart job" not in said


def test_a_job_that_is_killed_is_submitted_again_though_the_master_was_away(finished, mine):
    for path in (mine / "results/test/tiny").glob("sr.*"):
        subprocess.run(["rm", "-r", str(path)], check=True)
    process = submit(mine, "--", "results/test/tiny/sr.done.json")
    killed = running("predict_part", process)
    assert killed, (mine / "run.log").read_text()[-5000:]
    subprocess.run(["qdel", killed], check=True, stdout=subprocess.DEVNULL)
    # Nobody answers while jobs run.
    gridengine_node.stop("qmaster")
    time.sleep(15)
    gridengine_node.start("qmaster")
    assert process.wait() == 0, (mine / "run.log").read_text()[-5000:]
    assert "Trying to restart job" in (mine / "run.log").read_text()
    assert contents(mine) == contents(finished)

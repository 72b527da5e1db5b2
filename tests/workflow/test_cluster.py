"""The same sample sheet on a real SLURM: same bytes, and what failed goes on."""

import copy
import re
import subprocess
import time

import pytest
import slurm_node
from runs import ROOT, TINY, command, contents, environment, prepare

PROFILE = ROOT / "workflow/profiles/slurm"
# Several jobs for everything that can be shared.
SHARED = copy.deepcopy(TINY) | {"evaluate": {"parts": 2}}
SHARED["ingest"]["parts"] = SHARED["crappify"]["parts"] = 2
# The bytes of a training depend on its threads.
LIKE_HERE = ["--set-threads", "train_model=2", "--slurm-init-seconds-before-status-checks", "3"]

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(slurm_node.unavailable() is not None, reason=f"{slurm_node.unavailable()}"),
]


@pytest.fixture(scope="module", autouse=True)
def slurm():
    with slurm_node.cluster():
        yield


def submit(folder, *arguments):
    """Start Snakemake in `folder` on the cluster; output and errors go to `run.log`."""
    words = command("--profile", str(PROFILE), *LIKE_HERE, *arguments)
    # The default profile takes all cores of this machine; a user of a cluster names none.
    where = words.index("--cores")
    del words[where : where + 2]
    with open(folder / "run.log", "w") as log:
        return subprocess.Popen(
            words, cwd=folder, env=environment(), stdout=log, stderr=subprocess.STDOUT
        )


def finished_run(folder, *arguments):
    """Run to the end; what Snakemake said."""
    code = submit(folder, *arguments).wait()
    said = (folder / "run.log").read_text()
    assert code == 0, said[-5000:]
    return said


def test_the_whole_run_writes_the_bytes_of_a_local_one(finished, tmp_path):
    prepare(tmp_path, SHARED)
    said = finished_run(tmp_path)
    assert contents(tmp_path) == contents(finished)
    # Parts are submitted together.
    assert said.count("Submitted array job") >= 4
    # A job asks for what it needs, and no default of Snakemake's.
    assert not re.search(r"No wall time|No job memory", said)


@pytest.fixture
def unpredicted(finished, mine):
    """A finished run without the predictions of one row."""
    for path in (mine / "results/test/tiny").iterdir():
        if path.name.startswith("sr."):
            subprocess.run(["rm", "-r", str(path)], check=True)
    return mine


def running(rule, folder):
    """Job of a rule as soon as it runs; None if the run ends before."""
    for _ in range(600):
        said = (folder / "run.log").read_text()
        for job in re.findall(r"SLURM jobid (\d+) \(log: \S*rule_" + rule, said):
            asked = ["squeue", "-h", "-j", job, "-o", "%T"]
            state = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
            if state.strip() == "RUNNING":
                return job
        time.sleep(0.1)
    return None


def test_a_cancelled_job_is_submitted_again(unpredicted, finished):
    process = submit(unpredicted, "predict", "--slurm-array-jobs", "none")
    job = running("predict_part", unpredicted)
    subprocess.run(["scancel", job], check=True)
    assert process.wait() == 0, (unpredicted / "run.log").read_text()[-5000:]
    assert "Trying to restart job" in (unpredicted / "run.log").read_text()
    assert contents(unpredicted) == contents(finished)


def test_a_job_without_memory_enough_gets_more(unpredicted, finished):
    little = ["--set-resources", "predict_part:mem_mb=400*attempt*attempt"]
    said = finished_run(unpredicted, *little, "--", "predict")
    assert "Trying to restart job" in said and contents(unpredicted) == contents(finished)


def test_a_run_that_failed_says_what_why_and_how_to_go_on(unpredicted, finished):
    never = ["--set-resources", "predict_part:mem_mb=300", "--retries", "0"]
    process = submit(unpredicted, *never, "--", "predict")
    assert process.wait() != 0
    said = (unpredicted / "run.log").read_text()
    assert re.search(r"predict_part of \S*sr.parts/\d.json: killed for want of memory", said), said
    assert "The same command goes on where it was: snakemake" in said
    finished_run(unpredicted, "predict")
    assert contents(unpredicted) == contents(finished)

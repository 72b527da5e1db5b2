"""The same sample sheet on a real SLURM: same bytes, and what failed goes on."""

import contextlib
import copy
import re
import shutil
import subprocess
import time

import pytest
import s3
import slurm_node
import yaml
from runs import ROOT, TINY, command, contents, environment, prepare, run

PROFILE = ROOT / "workflow/profiles/slurm"
# Several jobs for everything that can be shared.
SHARED = copy.deepcopy(TINY) | {"evaluate": {"parts": 2}}
SHARED["ingest"]["parts"] = SHARED["crappify"]["parts"] = 2
# The bytes of a training depend on its threads.
LIKE_HERE = [
    *("--set-threads", "train_model=2", "calibrate_trust=2"),
    *("--slurm-init-seconds-before-status-checks", "3"),
]

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(slurm_node.unavailable() is not None, reason=f"{slurm_node.unavailable()}"),
]


@pytest.fixture(scope="module", autouse=True)
def slurm():
    """Two nodes."""
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(slurm_node.cluster(2))
        except slurm_node.Unavailable as error:
            pytest.skip(str(error))
        yield


def submit(folder, *arguments, env=None):
    """Start Snakemake in `folder` on the cluster; output and errors go to `run.log`."""
    words = command("--profile", str(PROFILE), *LIKE_HERE, *arguments)
    # The default profile takes all cores of this machine; a user of a cluster names none.
    where = words.index("--cores")
    del words[where : where + 2]
    with open(folder / "run.log", "w") as log:
        return subprocess.Popen(
            words,
            cwd=folder,
            env=environment() | (env or {}),
            stdout=log,
            stderr=subprocess.STDOUT,
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


def test_two_machines_learn_what_two_processes_of_one_learn(finished, mine, tmp_path):
    shutil.rmtree(mine / "results/models")
    shutil.copytree(mine, tmp_path / "here")
    for folder, train in ((mine, {"nodes": 2}), (tmp_path / "here", {"devices": 2})):
        config = TINY | {"train": TINY["train"] | train | {"accelerator": "cpu"}}
        (folder / "mine.yaml").write_text(yaml.safe_dump(config))
    run(tmp_path / "here", "train")
    # One thread for each process, as there.
    finished_run(mine, "--set-threads", "train_model=1", "--", "train")
    weights = "results/models/tiny/train.done.json"
    assert contents(mine)[weights] == contents(tmp_path / "here")[weights]
    assert "MEMBER: 2/2" in (mine / "results/logs/train/tiny.log").read_text()


def test_workers_that_are_jobs_write_the_bytes_of_threads(finished, mine):
    for path in mine.glob("results/test/lr.*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    dask = {"cluster": "slurm", "workers": 2, "memory": 1000, "minutes": 5}
    (mine / "mine.yaml").write_text(yaml.safe_dump(TINY | {"dask": dask}))
    run(mine, "results/test/lr.done.json")
    assert (
        contents(mine)["results/test/lr.done.json"]
        == (contents(finished)["results/test/lr.done.json"])
    )
    assert "2 threads" in (mine / "results/logs/crappify/test/lr.log").read_text()


def test_stores_in_a_bucket_are_filled_by_jobs_that_tell_no_secret(finished, tmp_path):
    secret = "do-not-tell-anybody"
    with s3.server("microscopy", 40) as (access, _):
        access = access | {"AWS_SECRET_ACCESS_KEY": secret}
        prepare(tmp_path, TINY | {"stores": "s3://microscopy/run"})
        asked = "results/test/tiny/sr.done.json"
        process = submit(tmp_path, asked, env=access)
        assert process.wait() == 0, (tmp_path / "run.log").read_text()[-5000:]
    assert contents(tmp_path)[asked] == contents(finished)[asked]
    told = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(told) > 20 and not any(secret.encode() in path.read_bytes() for path in told)

"""After a failure users read what failed, why, and how to go on."""

import pytest
from pssrflow.run.failures import failures

BLOCK = """[Sat Nov 28 11:54:09 2026]
Error in rule predict_part:
    message: SLURM-job '35' failed, SLURM status is: 'FAILED'. Detailed failure reason unavailable.
    jobid: 18
    input: results/a/m/sr.plan.json
    output: {folder}/1.json
    log: {folder}/job.log, {folder}/a_m_1/35.log (check log file(s) for error details)
    external_jobid: 35
Logfile job.log: empty file
"""
COMMAND = ["snakemake", "--configfile", "my data.yaml"]


@pytest.fixture
def said(tmp_path):
    """Function that gives the lines for what the logs of a job say."""

    def lines(own="", cluster=""):
        (tmp_path / "job.log").write_text(own)
        (tmp_path / "35.log").write_text(cluster)
        (tmp_path / "snakemake.log").write_text(BLOCK.format(folder=tmp_path) * 2)
        return failures([tmp_path / "snakemake.log"], COMMAND)

    return lines


@pytest.mark.parametrize(
    ("own", "cluster", "why"),
    [
        ("", "slurmstepd: error: Step 35.0 exceeded memory limit (9 > 8), being killed", "memory"),
        ("", "error: Detected 1 oom_kill event in StepId=35.0", "killed for want of memory"),
        ("", "JOB 35 ON n1 CANCELLED AT 2026-11-28T DUE TO TIME LIMIT ***", "longer than it had"),
        ("", "JOB 35 ON n1 CANCELLED AT 2026-11-28T DUE TO NODE FAILURE", "its node went down"),
        ("", "*** JOB 35 ON n1 CANCELLED AT 2026-11-28T11:54:09 ***", "it was cancelled"),
        ("2026-11-28 11:54:09 ERROR a.tif: not an image. Accepted: one", "", "a.tif: not an image"),
        ("", "", "FAILED"),
    ],
)
def test_a_job_that_failed_is_named_once_with_its_reason(own, cluster, why, said):
    head, line, command = said(own, cluster)
    assert head.startswith("1 job failed") and "predict_part of " in line and why in line
    assert command.endswith("snakemake --configfile 'my data.yaml'")


def test_what_another_attempt_has_made_is_no_failure(said, tmp_path):
    (tmp_path / "1.json").touch()
    assert said() == []


def test_of_a_group_it_is_not_said_that_the_others_stay(said, tmp_path):
    assert said()[0] == "1 job failed; what others have made stays:"
    log = tmp_path / "snakemake.log"
    head, *block = BLOCK.format(folder=tmp_path).splitlines()
    lines = [head, "Error in group 3f:", *(f"    {line}" for line in block)]
    log.write_text("\n".join(lines))
    first, line, _ = failures([log], COMMAND)
    assert first == "1 job failed; what others have made stays, but for those of a group:"
    assert "predict_part of " in line


def test_without_a_log_nothing_is_said(tmp_path):
    assert failures([tmp_path / "none.log"], COMMAND) == failures([], COMMAND) == []

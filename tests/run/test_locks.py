"""Jobs side by side get a device each."""

import os
import select
import subprocess
import sys

import pytest

HOLD = """
import sys, tempfile
from pssrflow.run.locks import one_of

tempfile.tempdir = sys.argv[1]
with one_of(["gpu-a", "gpu-b"], every=0.01) as index:
    print(index, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def hold(root, tmp_path):
    """Function that starts a job; it says which of two devices it got, and keeps it."""
    started = []

    def start():
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        scripts = os.environ | {"PYTHONPATH": str(root / "workflow/scripts")}
        command = [sys.executable, "-c", HOLD, str(tmp_path)]
        started.append(subprocess.Popen(command, env=scripts, **pipes))
        return started[-1]

    yield start
    for job in started:
        job.kill()
        job.communicate()


def test_jobs_side_by_side_get_a_device_each_and_the_next_one_waits(hold):
    jobs = [hold(), hold()]
    first = {int(job.stdout.readline()) for job in jobs}
    third = hold()
    assert first == {0, 1}
    assert select.select([third.stdout], [], [], 1.5)[0] == []
    # A killed job leaves its device to the next one.
    jobs[0].kill()
    assert int(third.stdout.readline()) in first

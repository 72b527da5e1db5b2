"""Processes of one job on several machines, each started by SLURM."""

import logging
import os
import signal
import subprocess
import sys

from pssrflow.errors import InputError

log = logging.getLogger(__name__)

# Set in each of the processes.
MEMBER = "PSSRFLOW_MEMBER"


def is_member() -> bool:
    """Whether this process is one of them."""
    return MEMBER in os.environ


def run_on_nodes(script: str, nodes: int, processes: int, threads: int) -> None:
    """Run a script of Snakemake once more, in processes on every node of the job; wait for them.

    What they say goes to the log of the job. A SIGTERM that the job gets is theirs too.

    Parameters
    ----------
    script : str
        Its file.
    nodes, processes : int
        Machines, and processes on each.
    threads : int
        Of each process.

    Raises
    ------
    InputError
        This is no job of SLURM.
    SystemExit
        One of them failed; with its status.
    """
    if "SLURM_JOB_ID" not in os.environ:
        found = f"{nodes}, but this is no job of SLURM"
        raise InputError("train.nodes", found, "1, or the profile workflow/profiles/slurm")
    shape = f"--nodes={nodes}", f"--ntasks-per-node={processes}", f"--cpus-per-task={threads}"
    words = ["srun", *shape, "--kill-on-bad-exit=1", "--cpu-bind=none", sys.executable, script]
    log.info("on %d machines: %s", nodes, " ".join(words))
    # Of the step around this script, whose shape is another.
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM_STEP", "SLURM_TASK"))}
    with subprocess.Popen(
        words,
        env=kept | {MEMBER: "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        before = signal.signal(signal.SIGTERM, lambda *_: process.send_signal(signal.SIGTERM))
        try:
            for line in process.stdout or ():
                log.info("%s", line.rstrip())
        finally:
            signal.signal(signal.SIGTERM, before)
    if process.returncode:
        sys.exit(process.returncode)

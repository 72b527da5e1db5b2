"""Faults of a cluster at random moments: is the run complete and equal after the same command?

    python -m benchmarks.cluster_faults [FAULT ...] [--count 10] [--seed 0]

On the SLURM of tests/slurm_node.py, which needs root and Debian. A small run of every stage is made
once on this machine. For each fault a copy of it loses a training, or an LR image with all that
follows from it, and the cluster makes that again in several jobs, while the fault strikes at a
random moment. Where Snakemake gives up, the same command is given once more, twice at most.

cancel    a job is cancelled
memory    a job asks for less memory than it takes, at first
time      a job reaches its time limit
slurmd    the daemon of the node is killed, and started again after some seconds
slurmctld the controller is stopped, and started again after some seconds
drain     the node takes no jobs for a while
disk      the disk of the results is full for a while
hang      a job stands still, until its time limit ends it
"""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.machine import ROOT, heading, parser
from benchmarks.tables import print_table, spread
from runs import TINY, command, contents, environment, prepare, run
from slurm_node import cluster, stop, unavailable
from slurm_node import start as start_daemon

# What is lost, and which rules make it again.
LOST = {
    "train": ("results/models/tiny",),
    "predict": ("results/test/lr.*", "results/test/tiny/sr.*"),
}
TARGETS = {"train": "train", "predict": "results/test/tiny/sr.done.json"}
RULES = {"train": "train_model", "predict": "predict_part"}
LIKE_HERE = [
    *("--set-threads", "train_model=2", "calibrate_trust=2"),
    *("--slurm-init-seconds-before-status-checks", "2"),
]
# Megabytes of the disk that becomes full, and seconds of a fault that passes.
DISK, PASSES = 300, 8


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """The command of a user, on the cluster."""
    words = command("--profile", str(ROOT / "workflow/profiles/slurm"), *LIKE_HERE, *arguments)
    del words[words.index("--cores") : words.index("--cores") + 2]
    with open(folder / "run.log", "a") as log:
        return subprocess.Popen(
            words, cwd=folder, env=environment(), stdout=log, stderr=subprocess.STDOUT, text=True
        )


def jobs() -> list[str]:
    """Jobs that run."""
    return _said("squeue", "-h", "-t", "running", "-o", "%A").split()


def _said(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout


def a_job(dice: random.Random, process: subprocess.Popen[str]) -> str | None:
    """One that runs, as soon as there is any; None if the run ends before."""
    while process.poll() is None:
        if found := jobs():
            return dice.choice(found)
        time.sleep(0.2)
    return None


# -- faults ---------------------------------------------------------------------------------------


def cancel(dice: random.Random, process: subprocess.Popen[str], folder: Path) -> None:
    if job := a_job(dice, process):
        _said("scancel", job)


def memory(dice: random.Random, process: subprocess.Popen[str], folder: Path) -> None:
    """Is in the command."""


def at_its_limit(dice: random.Random, process: subprocess.Popen[str], folder: Path) -> None:
    if job := a_job(dice, process):
        _said("scontrol", "update", f"jobid={job}", f"endtime=now+{dice.randint(1, 5)}")


def slurmd(dice: random.Random, process: subprocess.Popen[str], folder: Path) -> None:
    stop("slurmd.n1", signal.SIGKILL)
    time.sleep(PASSES)
    start_daemon("slurmd.n1")


def slurmctld(dice: random.Random, process: subprocess.Popen[str], folder: Path) -> None:
    # A SIGKILL would lose the jobs of the last seconds, and SLURM hold them and drain their node.
    stop("slurmctld", signal.SIGTERM)
    time.sleep(PASSES)
    start_daemon("slurmctld")


def drain(dice: random.Random, process: subprocess.Popen[str], folder: Path) -> None:
    _said("scontrol", "update", "nodename=n1", "state=drain", "reason=benchmark")
    time.sleep(PASSES)
    _said("scontrol", "update", "nodename=n1", "state=resume")


def disk(dice: random.Random, process: subprocess.Popen[str], folder: Path) -> None:
    filler = folder / "results/filler"
    with contextlib.suppress(OSError), open(filler, "wb") as stream:
        while True:
            stream.write(bytes(1 << 16))
            stream.flush()
    time.sleep(PASSES)
    filler.unlink()


def hang(dice: random.Random, process: subprocess.Popen[str], folder: Path) -> None:
    if job := a_job(dice, process):
        # The script of the job, if it has begun.
        for pid in _said("pgrep", "-f", r"\.snakemake/scripts/").split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGSTOP)
        time.sleep(PASSES)
        _said("scontrol", "update", f"jobid={job}", "endtime=now+1")


FAULTS: dict[str, Callable[[random.Random, subprocess.Popen[str], Path], None]] = {
    "cancel": cancel,
    "memory": memory,
    "time": at_its_limit,
    "slurmd": slurmd,
    "slurmctld": slurmctld,
    "drain": drain,
    "disk": disk,
    "hang": hang,
}


# -- rounds ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Results on a disk of their own."""
    results, kept = folder / "results", folder / "kept"
    results.rename(kept)
    results.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK}m", "tmpfs", str(results)], check=True
    )
    try:
        shutil.copytree(kept, results, dirs_exist_ok=True)
        shutil.rmtree(kept)
        yield
    finally:
        _said("umount", "-l", str(results))


def round_of(fault: str, made: Path, dice: random.Random) -> tuple[bool, int, float]:
    """Whether the run ends complete and equal, how often the command was given, and seconds."""
    what = dice.choice(sorted(LOST))
    arguments = [TARGETS[what]]
    if fault == "memory":
        asked = f"{RULES[what]}:mem_mb=300*attempt*attempt"
        arguments = ["--set-resources", asked, "--", *arguments]
    with tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as held:
        folder = Path(place, "run")
        shutil.copytree(made, folder)
        for pattern in LOST[what]:
            for path in folder.glob(pattern):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        if fault == "disk":
            held.enter_context(small_disk(folder))
        begun = time.monotonic()
        process, given = start(folder, *arguments), 1
        time.sleep(dice.uniform(3, 35))
        if process.poll() is None:
            FAULTS[fault](dice, process, folder)
        while process.wait() and given < 3:
            process, given = start(folder, *arguments), given + 1
        equal = process.returncode == 0 and contents(folder) == contents(made)
        if not equal:
            shutil.copy(folder / "run.log", Path(tempfile.gettempdir(), f"{fault}.run.log"))
        return equal, given, time.monotonic() - begun


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("faults", nargs="*", default=list(FAULTS), metavar="FAULT")
    options.add_argument("--count", type=int, default=10, help="rounds of each fault")
    options.add_argument("--seed", type=int, default=0)
    asked = options.parse_args()
    if why := unavailable():
        raise SystemExit(why)
    print(heading())
    dice = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as folder, cluster():
        made = Path(folder, "made")
        made.mkdir()
        prepare(made, TINY)
        run(made, "results/test/tiny/sr.done.json")
        names = ["fault", "rounds", "complete and equal", "commands", "seconds"]
        print_table(names, (_row(fault, made, dice, asked.count) for fault in asked.faults))


def _row(fault: str, made: Path, dice: random.Random, count: int) -> list[object]:
    rounds = [round_of(fault, made, dice) for _ in range(count)]
    equal, given, taken = zip(*rounds)
    return [fault, count, sum(equal), spread(given), spread(taken)]


if __name__ == "__main__":
    main()

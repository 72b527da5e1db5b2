"""What failed in a run and why, in the words of the jobs and of the cluster."""

import contextlib
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

# Of Snakemake's log: a job that failed, and its lines; those of a group are indented.
ERROR = re.compile(r"^( *)Error in rule (\S+):\n((?:\1 {4}.*\n?)+)", re.MULTILINE)
# What a cluster writes into the log of a job that it ended, and what that means.
ENDED = {
    r"oom.kill|exceeded (?:job |step )?memory limit|Out Of Memory": "killed for want of memory",
    r"DUE TO TIME LIMIT": "it took longer than it had asked for",
    r"DUE TO NODE FAILURE|NODE_FAIL": "its node went down",
    r"DUE TO PREEMPTION": "it had to give way to another job",
    r"CANCELLED AT": "it was cancelled",
}
# What it says of a job that left no word.
STATUS = re.compile(r"status is: '(\w+)'")
SAID = re.compile(r"^\S+ \S+ (?:ERROR|CRITICAL) (.*)$", re.MULTILINE)


def failures(logs: Sequence[str | Path], command: Sequence[str]) -> list[str]:
    """Lines that say which jobs have not been made, why, and how to go on.

    Parameters
    ----------
    logs : sequence of path-like
        Of Snakemake.
    command : sequence of str
        The command line.
    """
    text = "\n".join(map(_read, logs))
    failed, grouped = {}, False
    for indented, rule, block in ERROR.findall(text):
        told = dict(re.findall(r"^ +(\w+): (.*)$", block, re.MULTILINE))
        outputs = told.get("output", "").split(", ")
        # What another attempt has made is no failure.
        if not all(Path(output).exists() for output in outputs):
            failed[rule, outputs[0]] = _why(told)
            grouped |= bool(indented)
    if not failed:
        return []
    lines = [f"  {rule} of {output}: {why}" for (rule, output), why in failed.items()]
    # Snakemake removes what the others of a group have made.
    stays = "what others have made stays" + ", but for those of a group" * grouped
    head = f"{len(lines)} job{'s' * (len(lines) > 1)} failed; {stays}:"
    return [head, *lines, f"The same command goes on where it was: {shlex.join(command)}"]


def _why(told: dict[str, str]) -> str:
    logs = re.sub(r" \(check log.*", "", told.get("log", "")).split(", ")
    texts = [_read(log) for log in logs]
    for pattern, meaning in ENDED.items():
        if any(re.search(pattern, text, re.IGNORECASE) for text in texts):
            return f"{meaning} (log: {logs[-1]})"
    for text in texts:
        if said := SAID.findall(text):
            return str(said[-1])
    status = STATUS.search(told.get("message", ""))
    return f"{status[1] if status else 'it ended without a word'} (log: {logs[-1]})"


def _read(path: str | Path) -> str:
    """Content of a log, if it is there.

    Of a job in an array the plug-in of SLURM names another folder than the one it writes to.
    """
    for place in (Path(path), Path(path).parent.parent / Path(path).name):
        with contextlib.suppress(OSError):
            return place.read_text(errors="replace")
    return ""

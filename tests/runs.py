"""Helpers of the tests that run the workflow as a user does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
HR = {"dwell_us": 20, "gain": 0.4}
LR = {"step_nm": 16, "dwell_us": 8, "gain": 1}

# Every stage on fields so small that the start of Python takes most of the time.
TINY = {
    "samples": "samples.tsv",
    "results": "results",
    "ingest": {"chunk": [1, 64, 64], "shard": [1, 256, 256]},
    "crappify": {"fit": None},
    "models": {"tiny": {"arch": "unet", "widths": [8, 16], "blocks": 1}},
    "train": {
        "max_steps": 20,
        "max_time": None,
        "validate_every": 5,
        "batch": 2,
        "patch": 16,
        "zoom": 1,
    },
    "predict": {"tile": 32, "parts": 2},
    "simulate": {
        "train": {"shape": [2, 256, 256], **HR},
        "test": {"shape": [1, 200, 264], "tissue": 1, **HR, "format": "slices", "bits": 12},
        "pair-hr": {"shape": [1, 256, 256], "tissue": 2, **HR},
        "pair-lr": {"shape": [1, 64, 64], "tissue": 2, **LR, "shift_nm": [8, -4]},
        "survey": {"shape": [1, 70, 90], "tissue": 3, **LR},
    },
}
SHEET = """sample\trole\tpath\tlr_path
train\ttrain\tsimulate:train\t
test\ttest\tsimulate:test\t
pair\ttest\tsimulate:pair-hr\tsimulate:pair-lr
survey\tpredict\tsimulate:survey\t
"""


def command(*arguments):
    """The command line of a user in another folder than the project's."""
    snakemake = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    return [*snakemake, "--configfile", "mine.yaml", "--cores", "2", *arguments]


def environment():
    """Threads of the machine, not of the test runner."""
    return {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}


def prepare(folder, config=None, sheet=SHEET):
    """Write configuration and sample sheet."""
    (folder / "mine.yaml").write_text(yaml.safe_dump(config or TINY))
    (folder / "samples.tsv").write_text(sheet)


def run(folder, *arguments, check=True, env=None):
    """Run Snakemake in `folder`; output and errors together, as text."""
    done = subprocess.run(
        command(*arguments),
        cwd=folder,
        env=environment() | (env or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if check and done.returncode:
        raise AssertionError(done.stdout)
    return done.stdout


def planned(folder, *arguments):
    """Names of the rules that a run would execute."""
    output = run(folder, "--dry-run", *arguments)
    table = output.split("Job stats:")[-1] if "Job stats:" in output else ""
    rows = (line.split() for line in table.splitlines())
    return {row[0] for row in rows if len(row) == 2 and row[1].isdigit()} - {"total", "all"}


def contents(folder):
    """Content hash of every store and model."""
    found = {}
    for path in sorted((folder / "results").rglob("*.done.json")):
        done = json.loads(path.read_text())
        key = done.get("content") or done.get("sha256")
        found[str(path.relative_to(folder))] = key
    return found

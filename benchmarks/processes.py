"""What benchmarks start: each other, by this Python or by one that has PSSR2, and Snakemake."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from benchmarks.machine import ROOT

SILENT = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def benchmark(
    name: str, *arguments: Any, python: str = sys.executable, **options: Any
) -> subprocess.Popen:
    """Start another benchmark, whose output is for `answer`."""
    command = [python, "-m", f"benchmarks.{name}", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, **options)


def snakemake(folder: Path, *targets: str, **options: Any) -> subprocess.Popen:
    """Start the pipeline in a folder that holds its config.yaml."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    return subprocess.Popen(
        [*command, *targets, "--configfile", "config.yaml"], cwd=folder, **options
    )


def run_sheet(folder: Path, table: pd.DataFrame, config: Mapping[str, Any], *targets: str) -> Path:
    """Run the pipeline on a sample sheet, in a folder of its own; its results."""
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / "samples.tsv", sep="\t", index=False)
    config = {"samples": "samples.tsv", "results": "results", **config}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    finished(snakemake(folder, *targets))
    return folder / "results"


def run_quietly(folder: Path, *targets: str, env: dict[str, str] | None = None) -> None:
    """Run the pipeline to its end; what it said is shown where it failed."""
    finished(
        snakemake(folder, *targets, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=env)
    )


def finished(process: subprocess.Popen) -> bytes:
    """What a process printed, once it has ended well; this one ends where it did not."""
    printed, said = process.communicate()
    if process.returncode:
        raise SystemExit((said or b"").decode() or f"failed: {' '.join(process.args)}")
    return printed


def answer(process: subprocess.Popen) -> Any:
    """What a benchmark printed as JSON on its last line."""
    return json.loads(finished(process).splitlines()[-1])


def peak_mb(process: subprocess.Popen) -> float:
    """Peak resident memory of a process, once it has ended well."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"failed: {' '.join(process.args)}")
    return usage.ru_maxrss / 1024

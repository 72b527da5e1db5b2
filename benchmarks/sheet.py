"""Seconds in which large sample sheets and many models are read, and Snakemake parses the rules.

python -m benchmarks.sheet [--rows 10 1000 20000] [--models 2000]
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from benchmarks.machine import ROOT, heading, parser
from benchmarks.tables import print_table, seconds
from pssrflow.config.check import check_config
from pssrflow.config.rule_params import Rules
from pssrflow.config.samples import read_rows

UNET = {"arch": "unet", "widths": [8, 16], "blocks": 1}


def prepared(folder: Path, rows: int, models: int) -> dict[str, object]:
    """A sheet of so many train rows, a file each; the configuration."""
    raw = folder / "raw"
    raw.mkdir(parents=True)
    lines = ["sample\trole\tpath"]
    for row in range(rows):
        path = raw / f"{row}.tif"
        path.write_bytes(b"II*\0" + bytes(str(row), "ascii"))
        lines.append(f"s{row}\ttrain\t{path}")
    (folder / "samples.tsv").write_text("\n".join(lines) + "\n")
    config = {
        "samples": str(folder / "samples.tsv"),
        "results": str(folder / "results"),
        "models": {f"m{i}": UNET for i in range(models)},
    }
    (folder / "mine.yaml").write_text(yaml.safe_dump(config))
    return config


def parsed(folder: Path) -> None:
    """Let Snakemake parse the workflow, without a plan of jobs."""
    command = ["snakemake", "--snakefile", ROOT / "Snakefile", "--list-target-rules"]
    subprocess.run(
        [sys.executable, "-m", *command, "--configfile", "mine.yaml"],
        cwd=folder,
        check=True,
        capture_output=True,
    )


def rules_of(config: dict[str, object]) -> None:
    """What is ours of it."""
    settings = check_config(config, "benchmark")
    rules = Rules(settings, read_rows(settings))
    _ = rules.calibration_rows, rules.training_rows, rules.forecast_rows, rules.draws


def main() -> None:
    asked = parser(__doc__)
    asked.add_argument("--rows", type=int, nargs="+", default=[10, 1000, 20_000])
    asked.add_argument("--models", type=int, default=2000)
    options = asked.parse_args()
    print(heading())
    print_table(["rows", "models", "ours, s", "Snakemake parses, s"], _measured(options))


def _measured(options):
    for rows, models in [*((n, 1) for n in options.rows), (10, options.models)]:
        with tempfile.TemporaryDirectory() as scratch:
            config = prepared(Path(scratch), rows, models)
            ours = seconds(lambda: rules_of(config))  # noqa: B023
            yield rows, models, f"{ours:.2f}", f"{seconds(lambda: parsed(Path(scratch))):.1f}"


if __name__ == "__main__":
    main()

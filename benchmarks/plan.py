"""How long `snakemake -n` takes on a finished run, beside another checkout, in turns.

Both checkouts must have finished the run in their own folder, by the same configuration; this one
is compared with `--before`:

    cd CHECKOUT && snakemake --configfile FILE --config results=DIR

The first round warms up and is not counted.
"""

import argparse
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import ROOT, heading, parser
from benchmarks.processes import finished
from benchmarks.tables import in_turns, print_table, spread

# How Snakemake counts what it would run.
JOBS = re.compile(r"^total\s+(\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Planned:
    """What one dry run came to."""

    seconds: float
    jobs: int


def plan(checkout: Path, results: Path, config: Path | None) -> Planned:
    """Plan the run of a checkout."""
    command = [sys.executable, "-m", "snakemake", "-n", "--config", f"results={results}"]
    named = ["--configfile", str(config)] if config else []
    start = time.perf_counter()
    process = subprocess.Popen(
        [*command, *named], cwd=checkout, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    printed = finished(process).decode()
    counted = JOBS.search(printed)
    return Planned(time.perf_counter() - start, int(counted[1]) if counted else 0)


def rows(found: Mapping[str, list[Planned]]) -> Iterator[tuple[str, str, str, int]]:
    """Median, spread, and the jobs that were left to do: none, or the run was not finished."""
    for name, plans in found.items():
        took = [planned.seconds for planned in plans]
        left = max(planned.jobs for planned in plans)
        yield name, f"{statistics.median(took):.2f}", spread(took, 2), left


def parsed() -> argparse.Namespace:
    """The command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--before", type=Path, required=True, help="the other checkout")
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--config", type=Path, help="for --configfile; else config.yaml alone")
    for which in ("before", "after"):
        about = "finished results; else results/ of the checkout"
        arguments.add_argument(f"--results-{which}", type=Path, default=Path("results"), help=about)
    return arguments.parse_args()


def main() -> None:
    """Measure, and print."""
    options = parsed()
    config = options.config and options.config.resolve()
    runs = {
        "before": (options.before.resolve(), options.results_before),
        "after": (ROOT, options.results_after),
    }
    ways = {name: lambda run=run: plan(*run, config) for name, run in runs.items()}
    measured = in_turns(ways, options.rounds + 1, lambda way: way())
    found = {name: plans[1:] for name, plans in measured.items()}
    print(heading())
    print_table(["checkout", "seconds, median", "lowest to highest", "jobs left"], rows(found))
    pairs = zip(found["before"], found["after"])
    ratio = statistics.median(after.seconds / before.seconds for before, after in pairs)
    print(f"\nAfter takes {ratio:.2f} of the time of before (median of the rounds)")


if __name__ == "__main__":
    main()

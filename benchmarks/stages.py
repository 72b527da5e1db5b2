"""How long ingest, crappify and predict take, beside another checkout, in turns.

    python -m benchmarks.stages --before CHECKOUT [--size 8192] [--rounds 7]

Each round starts a process of each checkout, by this Python; a field of so many pixels a side.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.machine import ROOT, heading, parser
from benchmarks.processes import answer
from benchmarks.tables import in_turns, print_table, spread


def measured(checkout: Path, folder: str, size: int) -> dict[str, float]:
    """Seconds by stage."""
    found: dict[str, float] = {}
    core = {"PYTHONPATH": str(checkout / "workflow/scripts")}
    for kind in ("data", "predict"):
        command = [sys.executable, str(ROOT / "benchmarks/stage.py"), kind, folder, str(size)]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | core
        )
        found |= answer(process)
    return found


def rows(found: Mapping[str, Sequence[Mapping[str, float]]]) -> Iterator[tuple[object, ...]]:
    """Of each stage: medians, spreads and their ratio."""
    for stage in found["before"][0]:
        took = {name: [one[stage] for one in rounds] for name, rounds in found.items()}
        medians = {name: statistics.median(values) for name, values in took.items()}
        for name, values in took.items():
            ratio = f"{medians[name] / medians['before']:.3f}"
            yield stage, name, f"{medians[name]:.3f}", spread(values, 2), ratio


def main() -> None:
    """Measure, and print."""
    asked = parser(__doc__)
    asked.add_argument("--before", type=Path, required=True, help="the other checkout")
    asked.add_argument("--size", type=int, default=8192)
    asked.add_argument("--rounds", type=int, default=7)
    options = asked.parse_args()
    print(heading())
    with tempfile.TemporaryDirectory() as folder:
        ways = {
            name: lambda checkout=checkout: measured(checkout, folder, options.size)
            for name, checkout in (("before", options.before.resolve()), ("after", ROOT))
        }
        found = in_turns(ways, options.rounds, lambda way: way())
    names = ["stage", "checkout", "seconds, median", "lowest to highest", "of before"]
    print_table(names, rows(found))


if __name__ == "__main__":
    main()

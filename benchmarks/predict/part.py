"""One part of a prediction in a process of its own, as its rule runs it.

Other benchmarks start it; it prints seconds and peak memory as JSON.
"""

import json
import os
import resource
import subprocess
from pathlib import Path

from benchmarks.machine import parser
from benchmarks.predict.base import Run
from benchmarks.processes import benchmark
from benchmarks.tables import seconds
from pssrflow.run.job import job


def start_part(run: Run, number: int = 0, threads: int | None = None) -> subprocess.Popen:
    """Start one part of a run that has been initialised; `answer` has what it took."""
    what = run.folder, run.lr, run.weights, run.parts, number, threads or os.cpu_count()
    return benchmark("predict.part", *what, *(a for name in run.python for a in ("--python", name)))


def main() -> None:
    """Run the part that the command line names."""
    arguments = parser(__doc__)
    for name in ("folder", "lr", "weights"):
        arguments.add_argument(name, type=Path)
    for name in ("parts", "number", "threads"):
        arguments.add_argument(name, type=int)
    arguments.add_argument("--python", action="append", default=[], help="class of the network")
    options = arguments.parse_args()
    what = options.folder, options.lr, options.weights, options.parts
    run = Run(*what, python=tuple(options.python))
    own = options.folder / f"part-{options.number}"
    # As the script of the rule works: above all with memory that is used again.
    with job(own.with_suffix(".log"), options.threads, own, tensors=True):
        took = seconds(lambda: run.part(options.number, options.threads))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": took, "peak_mb": peak}))


if __name__ == "__main__":
    main()

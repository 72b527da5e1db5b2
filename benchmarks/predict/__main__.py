"""Predict at scale: seams, cuts, speed, memory, kills and many parts.

Each figure is a subcommand that prints one table. Weights are those of `make demo` unless others
are named. LR fields are simulated tissue, repeated where they are large; what is compared is timed
in turns.
"""

import argparse
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT, heading, parser
from benchmarks.predict.faults import kills, s3
from benchmarks.predict.memory import memory
from benchmarks.predict.parts import parts
from benchmarks.predict.seams import cuts, seams
from benchmarks.predict.throughput import free, throughput
from pssrflow.run.job import job

DEMO = ROOT / "results/models/default/best.safetensors"
NUMBER, NUMBERS = {"type": int}, {"type": int, "nargs": "+"}
# Figure: options of its own, and the default of each.
FIGURES: dict[Callable, dict[str, tuple[Any, dict[str, Any]]]] = {
    seams: {
        "lr": (None, {"type": Path, "help": "LR store in place of simulated tissue"}),
        "size": (512, NUMBER),
        "tiles": ([64, 128, 256], NUMBERS),
    },
    cuts: {},
    throughput: {
        "size": (4096, NUMBER),
        "rounds": (3, NUMBER),
        "pssr2": (None, {"help": "Python of an environment with PSSR2"}),
    },
    free: {"size": (16384, NUMBER), "rounds": (5, NUMBER)},
    memory: {"sizes": ([2048, 4096, 8192], NUMBERS)},
    kills: {},
    s3: {},
    parts: {"parts": (10_000, NUMBER)},
}


def parsed() -> argparse.Namespace:
    """The command line; `figure` is the function of its subcommand."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--weights", type=Path, nargs="+", default=[DEMO])
    shared.add_argument("--threads", type=int, default=os.cpu_count())
    whole = parser(__doc__)
    commands = whole.add_subparsers(required=True)
    for figure, own in FIGURES.items():
        about = figure.__doc__.splitlines()[0]
        made = commands.add_parser(
            figure.__name__, parents=[shared], help=about, description=figure.__doc__
        )
        made.set_defaults(figure=figure)
        for name, (default, options) in own.items():
            made.add_argument(f"--{name}", default=default, **options)
    return whole.parse_args()


def main() -> None:
    """Print one figure."""
    options = parsed()
    options.weights = [path.resolve() for path in options.weights]
    print(heading())
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if options.weights[0].exists():
            shutil.copy(options.weights[0], folder / "weights.safetensors")
        # As the scripts of the rules work: above all with memory that is used again.
        with job(folder / "log.txt", options.threads, folder / "figure", tensors=True):
            options.figure(options, folder)


if __name__ == "__main__":
    main()

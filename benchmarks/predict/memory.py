"""Whether the memory of prediction grows with the field."""

import argparse
from pathlib import Path

from benchmarks.predict.base import Run, repeated, store
from benchmarks.predict.part import start_part
from benchmarks.processes import answer
from benchmarks.tables import print_table


def memory(options: argparse.Namespace, folder: Path) -> None:
    """Peak memory of a job that predicts the whole field, by its size."""
    print_table(["LR field", "peak, MB", "to the smallest"], _rows(options, folder))


def _rows(options, folder):
    smallest = None
    for size in options.sizes:
        lr = store(folder / "lr.ome.zarr", repeated(size))
        run = Run(folder / "sr", lr, options.weights[0]).initialise()
        peak = answer(start_part(run))["peak_mb"]
        smallest = smallest or peak
        yield f"{size}²", f"{peak:.0f}", f"{peak / smallest:.2f}"

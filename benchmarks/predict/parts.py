"""What Snakemake needs for a run of very many parts."""

import argparse
import time
from pathlib import Path

from benchmarks.predict.base import repeated, store, write_workflow
from benchmarks.processes import SILENT, peak_mb, run_quietly, snakemake
from benchmarks.tables import print_table
from pssrflow.predict.plan import FORMAT
from pssrflow.run.files import write_json

PLAN = "results/field/default/sr.plan.json"


def parts(options: argparse.Namespace, folder: Path) -> None:
    """Seconds in which Snakemake plans a run of many parts, and says that nothing is to be done."""
    store(folder / "lr.ome.zarr", repeated(1024))
    write_workflow(folder, {"parts": options.parts})
    run_quietly(folder, "ingest", "train")
    print_table(["parts", "what", "seconds", "peak MB"], _rows(folder, options.parts))


def _rows(folder, number):
    planned = _measured(folder, "predict", "--dry-run", "--quiet")
    yield number, "plan the run (--dry-run)", *planned
    run_quietly(folder, PLAN)
    _pretend(folder / PLAN, number)
    run_quietly(folder, "predict", "--touch")
    yield number, "say that nothing is to be done", *_measured(folder, "predict", "--quiet")


def _pretend(plan, number):
    """Write the markers of parts that nobody ran, to be taken over by Snakemake.

    Ten thousand starts of Python would take a day here.
    """
    made, markers = {"format": FORMAT}, plan.with_name("sr.parts")
    for part in range(number):
        write_json(markers / f"{part}.json", made | {"digests": {"sr": {}}})
    for piece in range(number // 8):
        write_json(markers / f"pyramid.{piece}.json", made | {"level": 0})
    write_json(plan.with_name("sr.done.json"), {})


def _measured(folder, *targets):
    start = time.perf_counter()
    peak = peak_mb(snakemake(folder, *targets, **SILENT))
    return f"{time.perf_counter() - start:.1f}", f"{peak:.0f}"

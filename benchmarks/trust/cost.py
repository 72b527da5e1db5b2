"""What the map costs, beside the prediction."""

import argparse
import functools
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.tables import in_turns, print_table
from pssrflow.ingest.settings import Settings as Ingest
from pssrflow.predict.assembly import finalise
from pssrflow.predict.plan import Request
from pssrflow.predict.prediction import Prediction
from pssrflow.predict.settings import Settings as Predict
from pssrflow.predict.stage import initialise, run_part
from pssrflow.run.layout import Layout
from pssrflow.run.memory import Budget
from pssrflow.trust.maps import Looked
from pssrflow.trust.promise import Promise
from pssrflow.trust.stage import Work, make
from pssrflow.volumes.store import Store


def cost(options: argparse.Namespace) -> None:
    """Time of the map beside that of the prediction, in turns, with the threads of this machine."""
    names = ["set", "row", "SR megapixels", "prediction (s)", "in 32 bit (s)", "map (s)"]
    names += ["share of the time %", "of that in 32 bit %"]
    rows = [(name, "tested") for name in options.only]
    rows += [("simulated", "large")] * ("simulated" in options.only)
    print_table(names, (_timed(*row, options.out) for row in rows))


def _timed(name: str, sample: str, out: Path) -> list[Any]:
    results, threads = out / name / "results", torch.get_num_threads()
    layout = Layout(str(results), str(results))
    with tempfile.TemporaryDirectory() as scratch:
        made = Layout(scratch, scratch)
        shutil.copytree(layout.model("default"), made.model("default"))
        for kind in (layout.store("lr", sample), layout.done("lr", sample)):
            there = Path(scratch, Path(kind).relative_to(results))
            there.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if Path(kind).is_dir() else shutil.copyfile)(kind, there)
        prediction = Prediction.of(made, sample, "default")
        chunks = Ingest()
        request = Request(Predict(), 1, chunks.chunk, chunks.shard)

        def predict(precision: str = "auto") -> None:
            shutil.rmtree(prediction.markers, ignore_errors=True)
            initialise(prediction, request)
            run_part(prediction, 0, threads, precision)
            finalise(prediction, [prediction.marker(0)], [], threads)

        def trust() -> None:
            promise = Promise.read(made.promise("default"))
            looked = Looked(promise, prediction.lr, prediction.stores["sr"], 0.25)
            store = Store(made.map_store("trust", sample, "default"))
            done = made.map_done("trust", sample, "default")
            make(Work(looked, store, chunks), done, Budget(threads, 4000))
            torch.set_num_threads(threads)

        predict(), trust()
        plain = functools.partial(predict, "32")
        found = in_turns({"auto": predict, "32": plain, "trust": trust}, 5)
    made, exact, told = (float(np.median(times)) for times in found.values())
    pixels = np.prod(prediction.stores["sr"].volume.shape) / 1e6
    return [
        name,
        sample,
        f"{pixels:.0f}",
        *(f"{seconds:.2f}" for seconds in (made, exact, told)),
        *(f"{100 * told / seconds:.0f}" for seconds in (made, exact)),
    ]

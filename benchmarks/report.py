"""Seconds and size of the report of many rows and models.

    python -m benchmarks.report [--rows 5 10 20 60] [--models 2] [--side 1024]

One simulated field and its prediction (bicubic, with noise) are linked as rows and models.
"""

import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.machine import heading, parser
from benchmarks.predict.base import repeated, store
from benchmarks.tables import print_table, seconds
from pssrflow.config.settings import Settings
from pssrflow.evaluate.judged import Judged
from pssrflow.evaluate.stage import evaluate
from pssrflow.report.provenance import Run
from pssrflow.report.stage import write_report
from pssrflow.run.files import file_hash, write_json
from pssrflow.run.layout import Layout, Sample
from pssrflow.volumes.store import Store

SIZES = (1, 256, 256), (1, 2048, 2048)


def field(folder: Path, side: int) -> None:
    """HR, LR and SR store of one row, its metrics, and the folder of a model."""
    layout = Layout.of(str(folder), None)
    hr = repeated(side)
    lr = hr.reshape(1, 1, 1, side // 4, 4, side // 4, 4).mean((4, 6)).astype(np.uint8)
    noise = np.random.default_rng(0).normal(0, 4, hr.shape)
    images = {"hr": hr, "lr": lr, "m/sr": np.rint(hr + noise).clip(0, 255).astype(np.uint8)}
    for name, pixels in images.items():
        path = folder / "s" / f"{name}.ome.zarr"
        store(path, pixels, SIZES)
        Path(f"{path}.json").rename(folder / "s" / f"{name}.done.json")
    stores = [Store(folder / "s" / f"{name}.ome.zarr") for name in images]
    done = layout.map_done("metrics", "s", "m")
    evaluate(Judged(*stores, 4), "s", "m", layout.metrics("s", "m"), done)
    history = Path(layout.history("m"))
    history.parent.mkdir(parents=True)
    step = np.arange(1, 40) * 100
    columns = {"step": step, "epoch": step / 70, "seconds": step / 9.0, "loss": 1 / step}
    columns |= {"psnr": 20 + step / 4000, "psnr_bicubic": 19.0}
    pd.DataFrame(columns).to_csv(history, index=False)
    write_json(layout.trained("m"), {"sha256": "0" * 64, "history": file_hash(history)})


def linked(one: Path, folder: Path, rows: int, models: int) -> Run:
    """A run of so many rows and models, which are all alike."""
    layout = Layout.of(str(folder), None)
    names = [f"m{i}" for i in range(models)]
    for model in names:
        shutil.copytree(one / "models/m", layout.model(model))
    for row in range(rows):
        own = folder / f"s{row}"
        own.mkdir()
        for kind in ("hr", "lr"):
            os.symlink(one / f"s/{kind}.ome.zarr", own / f"{kind}.ome.zarr")
            shutil.copy(one / f"s/{kind}.done.json", own)
        for model in names:
            (own / model).mkdir()
            os.symlink(one / "s/m/sr.ome.zarr", own / model / "sr.ome.zarr")
            shutil.copy(one / "s/m/sr.done.json", own / model)
            table = pd.read_csv(one / "s/m/metrics.csv").assign(sample=f"s{row}", model=model)
            table.to_csv(own / model / "metrics.csv", index=False)
            done = {"sha256": file_hash(own / model / "metrics.csv")}
            write_json(own / model / "metrics.done.json", done)
    samples = [Sample(f"s{row}", "test") for row in range(rows)]
    config = Settings.parse({"crappify": {"scale": 4}}, "benchmark").plain()
    return Run(layout, samples, names, config)


def main() -> None:
    asked = parser(__doc__)
    asked.add_argument("--rows", type=int, nargs="+", default=[5, 10, 20, 60])
    asked.add_argument("--models", type=int, default=2)
    asked.add_argument("--side", type=int, default=1024, help="HR pixels along y and x")
    options = asked.parse_args()
    print(heading())
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        field(folder / "one", options.side)
        print_table(["rows x models", "s", "MB", "figures"], _measured(folder, options))


def _measured(folder, options):
    for rows in options.rows:
        run = linked(folder / "one", folder / str(rows), rows, options.models)
        taken = seconds(lambda: write_report(run))  # noqa: B023
        page, figures = Path(run.layout.page), json.loads(Path(run.layout.figures).read_text())
        found = len(figures["predictions"])
        yield (
            f"{rows} x {options.models}",
            f"{taken:.1f}",
            f"{page.stat().st_size / 1e6:.1f}",
            found,
        )


if __name__ == "__main__":
    main()

"""A finished run, made of what the report reads of one."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pssrflow.config.settings import Settings
from pssrflow.evaluate.judged import Judged
from pssrflow.evaluate.stage import evaluate
from pssrflow.report.provenance import Run
from pssrflow.run.files import file_hash, write_json
from pssrflow.run.layout import Layout, Sample
from pssrflow.volumes.store import Store

SCALE = 4
# HR pixels by which the truth of an acquired pair lies beside the LR image.
SHIFT = (3, 2)
SECTIONS = 3


@pytest.fixture
def layout(tmp_path):
    """Paths of a run below `tmp_path`."""
    return Layout.of(str(tmp_path / "results"), None)


@pytest.fixture
def field(make_store, tissue, rng, layout):
    """Function that writes HR, LR and a good SR image of a test row; returns the HR pixels.

    An acquired LR image lies beside the HR image, and may have grey levels of its own.
    """

    def write(sample, gain=1.0, size=(96, 104)):
        height, width = size
        hr = tissue((1, 1, SECTIONS, height + 24, width + 24), sigma=2)
        dy, dx = SHIFT if sample.paired else (0, 0)
        truth = hr[..., dy : dy + height, dx : dx + width] / gain
        cells = truth.reshape(SECTIONS, height // SCALE, SCALE, width // SCALE, SCALE)
        lr = cells.mean((2, 4))[None, None]
        images = {"hr": hr, "lr": _scanned(lr, rng), "net/sr": _scanned(truth, rng)}
        for name, values in images.items():
            make_store(values, f"results/{sample.name}/{name}")
        if sample.paired:
            write_json(layout.registration(sample.name), {"shift": SHIFT, "subpixel": SHIFT})
        return hr

    return write


def _scanned(values, rng):
    return np.rint(values + rng.normal(0, 3, values.shape)).clip(0, 255).astype(np.uint8)


@pytest.fixture
def model(layout):
    """Function that writes what a training leaves of a model."""

    def write(name="net", losses=(0.2, 0.1, 0.09), psnr=(20.0, 21.0, 21.0)):
        step = np.arange(1, len(losses) + 1) * 10
        columns = {"step": step, "epoch": step / 7, "seconds": step * 6.0, "loss": losses}
        columns |= {"psnr": psnr, "psnr_bicubic": 19.0}
        path = Path(layout.history(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(columns).to_csv(path, index=False)
        done = {"weights": "best.safetensors", "sha256": "0" * 64, "history": file_hash(path)}
        write_json(layout.trained(name), done)

    return write


@pytest.fixture
def finished(layout, field, model):
    """A run with one crappified and one acquired test row."""
    samples = [Sample("made", "test"), Sample("scanned", "test", paired=True)]
    model()
    for sample in samples:
        field(sample)
        paths = (layout.store(kind, sample.name) for kind in ("hr", "lr", "net/sr"))
        judged = Judged(*map(Store, paths), SCALE, SHIFT if sample.paired else (0, 0))
        done = layout.map_done("metrics", sample.name, "net")
        evaluate(judged, sample.name, "net", layout.metrics(sample.name, "net"), done)
    noise = [{"name": "gaussian", "intensity": 3}]
    config = Settings.parse({"crappify": {"scale": SCALE, "noise": noise}}, "mine.yaml")
    return Run(layout, samples, ["net"], config.plain())

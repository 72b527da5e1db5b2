"""Training: beats its start, goes on where it was killed to the bit, stops when told."""

import json
import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import pytest
import torch
from pssrflow.crappifier import Crappifier, Downsampling, Poisson
from pssrflow.errors import InputError
from pssrflow.networks import load_weights
from pssrflow.patches import open_field
from pssrflow.train import LOSSES, Recipe, best_precision, train

POISSON = Crappifier(Downsampling(4), (Poisson(1),))
MODEL = {"arch": "unet", "widths": [8, 16], "blocks": 1}
RECIPE = {
    "max_time": None,
    "epochs": 1000,
    "max_steps": 24,
    "validate_every": 8,
    "preview_every": 1,
    "batch": 4,
    "patch": 16,
    "loss": "mse",
    "learning_rate": 2e-3,
    "weight_decay": 0,
    "warmup": 4,
    "validation": 0.2,
    "precision": "32",
}


@pytest.fixture
def field(make_store, tissue):
    values = tissue((1, 1, 2, 256, 320), sigma=1.5)
    return open_field("s", make_store(values), make_store(values[..., ::4, ::4], "lr"), False, 4)


def run(field, folder, model=MODEL, resume=True, identity=None, **changes):
    done = folder / "done.json"
    recipe = Recipe(**(RECIPE | changes))
    train([field], POISSON, model, recipe, 0, folder, done, 1, resume, identity or {})
    return json.loads(done.read_text())


def test_training_beats_bicubic_and_leaves_what_it_promises(field, tmp_path):
    done = run(field, tmp_path, max_steps=160, learning_rate=5e-3)
    history = pd.read_csv(tmp_path / "history.csv")
    assert history["step"].tolist() == list(range(8, 161, 8))
    assert history["psnr"].iloc[-1] > history["psnr_bicubic"].iloc[-1] + 0.05
    assert history["psnr_bicubic"].nunique() == 1  # validation noise is fixed
    assert done["validation_psnr"] == history["psnr"].max()
    assert len(list((tmp_path / "previews").glob("step_*.png"))) == 20
    network, facts = load_weights(tmp_path / "best.safetensors")
    assert network.scale == 4 and facts["arch"] == "unet"


def test_the_same_training_twice_gives_the_same_weights(field, tmp_path):
    assert run(field, tmp_path / "a") == run(field, tmp_path / "b")


CHILD = """
    import os, signal, sys
    from pathlib import Path
    from pssrflow.patches import open_field
    import pssrflow.train as module
    sys.path.insert(0, {tests!r})
    from test_train import run

    # Die in the middle of a step, as a machine would.
    original = module.Trainer._step
    def step(self, *pair):
        if self.progress.step == {step}:
            os.kill(os.getpid(), {signal})
        return original(self, *pair)
    module.Trainer._step = step
    run(open_field("s", {hr!r}, {hr!r}.replace("hr.ome", "lr.ome"), False, 4), Path({folder!r}))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("step", [0, 11, 23])
def test_a_killed_training_goes_on_to_the_same_bits(number, step, field, tmp_path, root):
    undisturbed = run(field, tmp_path / "calm")
    hr, folder = str(field.hr.store.root).removesuffix("/0"), tmp_path / "killed"
    code = CHILD.format(
        tests=str(root / "tests"), step=step, signal=int(number), hr=hr, folder=str(folder)
    )
    environment = os.environ | {"PYTHONPATH": str(root / "workflow" / "scripts")}
    child = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], env=environment, check=False
    )
    assert child.returncode == (143 if number == signal.SIGTERM else -signal.SIGKILL)
    assert run(field, folder) == undisturbed
    steps = pd.read_csv(folder / "history.csv")["step"].tolist()
    assert steps == [8, 16, 24]


def test_a_checkpoint_of_another_configuration_is_not_continued(field, tmp_path):
    run(field, tmp_path / "a", identity={"data": "1"})
    run(field, tmp_path / "a", identity={"data": "2"}, max_steps=16)
    assert pd.read_csv(tmp_path / "a" / "history.csv")["step"].tolist() == [8, 16]


def test_a_damaged_checkpoint_is_not_trusted(field, tmp_path):
    fresh = run(field, tmp_path / "a")
    (tmp_path / "a" / "last.pt").write_bytes(b"half a file")
    assert run(field, tmp_path / "a") == fresh


def test_max_time_ends_training_with_a_checkpoint(field, tmp_path):
    done = run(field, tmp_path, max_steps=None, max_time=0.5)
    assert 0 < done["step"] < 100_000
    assert (tmp_path / "last.pt").exists()


def test_a_loss_that_is_not_finite_stops_with_the_step_and_the_last_good_state(
    field, tmp_path, monkeypatch
):
    monkeypatch.setitem(LOSSES, "mse", lambda a, b: (a - b).mean() * torch.nan)
    with pytest.raises(InputError, match=r"training step 0: the loss is nan; .*last\.pt"):
        run(field, tmp_path)


def test_a_blank_batch_does_not_stop_later_ones_from_teaching(make_store, tissue, tmp_path):
    values = tissue((1, 1, 2, 256, 320), sigma=1.5)
    values[0, 0, 0] = 0
    stores = make_store(values), make_store(values[..., ::4, ::4], "lr")
    run(open_field("s", *stores, False, 4), tmp_path, max_steps=80, batch=1, learning_rate=5e-3)
    history = pd.read_csv(tmp_path / "history.csv")
    assert history["psnr"].iloc[-1] > history["psnr_bicubic"].iloc[-1]


def test_a_finished_training_that_is_run_again_changes_nothing(field, tmp_path):
    first = run(field, tmp_path, max_steps=None, max_time=0.5)
    assert run(field, tmp_path, max_steps=None, max_time=0.5) == first


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_trains(loss, field, tmp_path):
    assert run(field, tmp_path, loss=loss, max_steps=8)["step"] == 8


def test_the_interpolation_needs_no_training(field, tmp_path):
    run(field, tmp_path, model={"arch": "bicubic"})
    history = pd.read_csv(tmp_path / "history.csv")
    np.testing.assert_allclose(history["psnr"], history["psnr_bicubic"], rtol=1e-5)


def test_training_without_validation_keeps_the_last_weights(field, tmp_path):
    assert run(field, tmp_path, validation=0)["validation_psnr"] is None


def test_sixteen_bit_is_taken_only_where_the_cpu_computes_it():
    able = torch.cpu.get_capabilities()
    expected = "bf16" if able.get("avx512_bf16") or able.get("amx_bf16") else "32"
    assert best_precision(torch.device("cpu")) == expected

"""Training: beats its start, goes on where it was killed to the bit, stops when told."""

import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from pssrflow.crappify.chain import Crappifier
from pssrflow.crappify.kernels import Downsampling
from pssrflow.crappify.noise import Poisson
from pssrflow.errors import InputError
from pssrflow.models.model import Model
from pssrflow.models.weights import load_weights
from pssrflow.pairs.field import open_field
from pssrflow.plugins import choices
from pssrflow.run.devices import best_precision
from pssrflow.run.files import read_json
from pssrflow.train import losses
from pssrflow.train.progress import Training
from pssrflow.train.settings import Settings
from pssrflow.train.stage import train
from tensorboardX.proto.event_pb2 import Event

POISSON = Crappifier(Downsampling(4), (Poisson(intensity=1),))
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


def run(field, folder, model=MODEL, made_of=None, **changes):
    return run_on([field], folder, model, made_of, **changes)


def run_on(fields, folder, model=MODEL, made_of=None, **changes):
    done = folder / "done.json"
    training = Training(Settings(**(RECIPE | changes)), 0, folder, made_of or {})
    train(fields, POISSON, Model.checked(model), training, 1, done)
    # The history notes seconds.
    return {k: v for k, v in read_json(done).items() if k != "history"}


def test_training_beats_bicubic_and_leaves_what_it_promises(field, tmp_path):
    done = run(field, tmp_path, max_steps=160, learning_rate=5e-3)
    history = pd.read_csv(tmp_path / "history.csv")
    assert history["step"].tolist() == list(range(8, 161, 8))
    assert history["psnr"].iloc[-1] > history["psnr_bicubic"].iloc[-1] + 0.05
    assert history["psnr_bicubic"].nunique() == 1  # validation noise is fixed
    assert done["validation_psnr"] == history["psnr"].max()
    assert len(list((tmp_path / "previews").glob("step_*.png"))) == 20
    network, facts = load_weights(tmp_path / "best.safetensors")
    assert network.scale == 4 and facts.arch == "unet"


@pytest.mark.parametrize(("number", "same"), [(2, True), (1, False)])
def test_an_image_that_is_kept_as_a_whole_teaches_nothing(
    number, same, make_store, tissue, tmp_path, caplog
):
    """Changed pixels of it change no weight; of another one they do."""
    caplog.set_level("INFO", "pssrflow")
    images, weights = [tissue((1, 1, 1, 400, 400), sigma=1.5) for _ in range(4)], []
    for changed in (None, number):
        fields = []
        for i, values in enumerate(images):
            values = 255 - values if i == changed else values
            names = f"{i}-{changed}", f"{i}-{changed}-lr"
            stores = [make_store(v, n) for v, n in zip((values, values[..., ::4, ::4]), names)]
            fields.append(open_field(f"s{i}", *stores, False, 4))
        done = tmp_path / f"{changed}.json"
        training = Training(Settings(**RECIPE), 0, tmp_path / f"{changed}", {}, kept=0.25)
        train(fields, POISSON, Model.checked(MODEL), training, 1, done)
        weights.append(read_json(done)["sha256"])
    assert "kept for the map of trust as a whole: s2" in caplog.text
    assert (weights[0] == weights[1]) == same


def test_the_same_training_twice_gives_the_same_weights(field, tmp_path):
    assert run(field, tmp_path / "a") == run(field, tmp_path / "b")


CHILD = """
    import os, signal, sys
    from pathlib import Path
    from pssrflow.pairs.field import open_field
    from pssrflow.train.loop import Trainer
    sys.path.insert(0, {tests!r})
    from test_train import run

    # Die in the middle of a step, as a machine would.
    original = Trainer._step
    def step(self, *pair):
        if self.progress.step == {step}:
            os.kill(os.getpid(), {signal})
        return original(self, *pair)
    Trainer._step = step
    field = open_field("s", {hr!r}, {hr!r}.replace("hr.ome", "lr.ome"), False, 4)
    run(field, Path({folder!r}), **{changes!r})
"""


# Every part of the state that a step changes: a slow schedule, several batches, fewer checkpoints.
OTHER = {"schedule": "plateau", "patience": 0, "accumulate": 2, "optimizer": "sgd", "momentum": 0.5}


def die_and_go_on(number, steps, field, folder, root, changes):
    """Kill the training at every one of `steps`, then let it end; the done file."""
    hr = field.hr.path
    environment = os.environ | {"PYTHONPATH": str(root / "workflow" / "scripts")}
    for step in steps:
        code = CHILD.format(
            tests=str(root / "tests" / "train"),
            step=step,
            signal=int(number),
            hr=hr,
            folder=str(folder),
            changes=changes,
        )
        child = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)], env=environment, check=False
        )
        assert child.returncode == (143 if number == signal.SIGTERM else -signal.SIGKILL)
    return run(field, folder, **changes)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("changes", [{}, OTHER], ids=["default", "other"])
def test_a_killed_training_goes_on_to_the_same_bits(number, changes, field, tmp_path, root):
    undisturbed = run(field, tmp_path / "calm", **changes)
    again = die_and_go_on(number, [11, 23], field, tmp_path / "killed", root, changes)
    assert again == undisturbed
    steps = pd.read_csv(tmp_path / "killed" / "history.csv")["step"].tolist()
    assert steps == [8, 16, 24]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_ten_kills_at_random_steps_change_no_bit(number, field, tmp_path, root):
    changes = {"max_steps": 60, "checkpoint_every": 1e-6}
    undisturbed = run(field, tmp_path / "calm", **changes)
    steps = sorted(np.random.default_rng(5).choice(60, 10, replace=False).tolist())
    assert die_and_go_on(number, steps, field, tmp_path / "killed", root, changes) == undisturbed


def test_two_processes_learn_what_one_learns_from_twice_the_batch(field, tmp_path):
    run(field, tmp_path / "one", batch=4)
    run(field, tmp_path / "two", batch=2, devices=2, accelerator="cpu")
    one, two = (pd.read_csv(tmp_path / n / "history.csv") for n in ("one", "two"))
    np.testing.assert_allclose(one["loss"], two["loss"], rtol=1e-4)
    np.testing.assert_allclose(one["psnr"], two["psnr"], rtol=1e-4)


def test_accumulated_batches_are_one_larger_batch(field, tmp_path):
    run(field, tmp_path / "one", batch=4)
    run(field, tmp_path / "two", batch=2, accumulate=2)
    one, two = (pd.read_csv(tmp_path / n / "history.csv") for n in ("one", "two"))
    np.testing.assert_allclose(one["loss"], two["loss"], rtol=1e-4)


def test_training_ends_when_nothing_improves(field, tmp_path):
    done = run(field, tmp_path, learning_rate=1e-12, ema=None, stop_after=2, max_steps=800)
    # Weights that hardly change do not improve by much, but may by the last digit.
    assert done["step"] < 800


def test_weights_that_were_trained_are_the_start_of_another_training(field, tmp_path):
    run(field, tmp_path / "a", max_steps=80, learning_rate=5e-3)
    begun = MODEL | {"weights": str(tmp_path / "a" / "best.safetensors")}
    run(field, tmp_path / "b", model=begun, max_steps=8, learning_rate=1e-9)
    first, second = (pd.read_csv(tmp_path / n / "history.csv")["psnr"].iloc[-1] for n in "ab")
    assert second == pytest.approx(first, abs=0.01)


def test_weights_may_be_used_as_they_are(field, tmp_path):
    run(field, tmp_path / "a")
    weights = str(tmp_path / "a" / "best.safetensors")
    used = MODEL | {"weights": weights, "train": False, "intensity": "range"}
    assert run(field, tmp_path / "b", model=used)["step"] == 0
    before, after = (load_weights(tmp_path / n / "best.safetensors") for n in "ab")
    assert after[1].intensity == "range"
    for name, tensor in before[0].state_dict().items():
        assert torch.equal(tensor, after[0].state_dict()[name])


def test_tensorboard_gets_every_line_of_the_history_once(field, tmp_path):
    run(field, tmp_path, tensorboard=True, max_steps=16, preview_every=2)
    run(field, tmp_path, tensorboard=True, max_steps=16, preview_every=2)
    files = sorted((tmp_path / "tensorboard").glob("events.*"))
    values = [
        (event.step, value.tag)
        for file in files
        for event in map(Event.FromString, _records(file))
        for value in event.summary.value
    ]
    columns = pd.read_csv(tmp_path / "history.csv").columns.drop("step")
    assert sorted(values) == sorted([(s, c) for s in (8, 16) for c in columns] + [(8, "preview")])


def _records(path):
    """Records of a TFRecord file: length, its checksum, content, its checksum."""
    content = path.read_bytes()
    while content:
        length = int.from_bytes(content[:8], "little")
        yield content[12 : 12 + length]
        content = content[16 + length :]


def test_what_has_no_weight_is_neither_learnt_from_nor_validated(make_store, tissue, tmp_path):
    values = tissue((1, 1, 2, 256, 320), sigma=1.5)
    spoilt = values.copy()
    spoilt[..., 100:] = 255 - spoilt[..., 100:]
    mask = np.zeros_like(values)
    mask[..., :100] = 1
    weight = make_store(mask, "weight")
    found = []
    for name, image in (("clean", values), ("spoilt", spoilt)):
        stores = make_store(image, name), make_store(values[..., ::4, ::4], f"{name}.lr")
        seen = open_field("s", *stores, True, 4, weight=weight)
        # The same scaling: windows are measured on all pixels.
        seen = replace(seen, hr_intensity=seen.lr_intensity)
        found.append(run(seen, tmp_path / name))
    assert found[0] == found[1]
    assert np.isfinite(found[0]["validation_psnr"])


def test_weights_that_do_not_learn_need_no_training_rows(field, tmp_path):
    run(field, tmp_path / "a", max_steps=8)
    used = MODEL | {"weights": str(tmp_path / "a" / "best.safetensors"), "train": False}
    assert run_on([], tmp_path / "b", used)["step"] == 0


def test_acquired_pairs_alone_choose_the_best_weights(field, make_store, tissue, tmp_path, caplog):
    values = tissue((1, 1, 2, 256, 320), sigma=1.5)
    stores = make_store(values, "hr2"), make_store(values[..., ::4, ::4], "lr2")
    pair = open_field("pair", *stores, True, 4)
    with caplog.at_level("INFO"):
        run_on([field, pair], tmp_path)
    assert "validation on the acquired pairs alone" in caplog.text
    # This pair has no noise, so interpolation does better on it than on the crappified field.
    alone, both = tmp_path / "alone", pd.read_csv(tmp_path / "history.csv")
    run(pair, alone)
    assert pd.read_csv(alone / "history.csv")["psnr_bicubic"][0] == both["psnr_bicubic"][0]


def test_weights_of_another_size_are_refused_with_the_tensor(field, tmp_path):
    run(field, tmp_path / "a", max_steps=1)
    other = {"arch": "unet", "widths": [8, 24], "blocks": 1}
    other |= {"weights": str(tmp_path / "a" / "best.safetensors")}
    with pytest.raises(InputError, match=r"best\.safetensors.*is 16 x .* has 24 x"):
        run(field, tmp_path / "b", model=other)


def test_a_checkpoint_of_another_configuration_is_not_continued(field, tmp_path):
    run(field, tmp_path / "a", made_of={"code": "1"})
    run(field, tmp_path / "a", made_of={"code": "2"}, max_steps=16)
    assert pd.read_csv(tmp_path / "a" / "history.csv")["step"].tolist() == [8, 16]


def test_a_damaged_checkpoint_is_not_trusted(field, tmp_path):
    fresh = run(field, tmp_path / "a")
    (tmp_path / "a" / "last.pt").write_bytes(b"half a file")
    assert run(field, tmp_path / "a") == fresh


def test_max_time_ends_training_with_a_checkpoint(field, tmp_path):
    done = run(field, tmp_path, max_steps=None, max_time=0.5)
    assert 0 < done["step"] < 100_000
    assert (tmp_path / "last.pt").exists()


def test_a_loss_that_is_not_finite_stops_with_its_patches_and_the_last_good_state(
    field, tmp_path, monkeypatch
):
    monkeypatch.setattr(losses, "mse", lambda a, b, w=None: (a - b).mean() * torch.nan)
    expected = r"training step 0: the loss is nan; its patches are sample 's' at t,c,z.*last\.pt"
    with pytest.raises(InputError, match=expected):
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


def test_lost_weights_and_history_of_a_finished_training_come_from_its_last_state(field, tmp_path):
    # The best weights are not the last ones.
    first = run(field, tmp_path, learning_rate=0.5, warmup=16)
    assert load_weights(tmp_path / "best.safetensors")[1].step < 24
    names = "best.safetensors", "history.csv"
    before = [(tmp_path / name).read_bytes() for name in names]
    (tmp_path / "best.safetensors").unlink()
    (tmp_path / "history.csv").write_text("step")
    assert run(field, tmp_path, learning_rate=0.5, warmup=16) == first
    assert [(tmp_path / name).read_bytes() for name in names] == before


def test_more_steps_start_anew_and_set_the_earlier_training_aside(field, tmp_path, caplog):
    short, long = run(field, tmp_path / "a"), run(field, tmp_path / "b", max_steps=32)
    caplog.clear()
    assert run(field, tmp_path / "a", max_steps=32) == long
    assert "24 steps in" in caplog.text and "set train.resume: extend" in caplog.text
    kept = sorted(path.name for path in (tmp_path / "a/earlier").iterdir())
    assert kept == ["best.safetensors", "history.csv", "last.pt"]
    # The first configuration finds its training again, and need not learn it anew.
    caplog.clear()
    assert run(field, tmp_path / "a") == short
    assert "step 8," not in caplog.text


def test_a_training_is_extended_where_that_is_asked_for(field, tmp_path):
    longer = {"max_steps": 32, "validate_every": 4}
    run(field, tmp_path / "b", **longer)
    run(field, tmp_path / "a", validate_every=4)
    done = run(field, tmp_path / "a", **longer, resume="extend")
    assert done["step"] == 32 and done["recipe"]["max_steps"] == 32
    before = {"max_time": None, "epochs": 1000, "max_steps": 24, "stop_after": None}
    assert done["extended"] == [{"step": 24, **before}]
    assert load_weights(tmp_path / "a/best.safetensors")[1].extended == done["extended"]
    rates = [pd.read_csv(tmp_path / n / "history.csv")["learning_rate"] for n in "ab"]
    # The schedule is stretched anew.
    assert len(rates[0]) == 8 and rates[0][5] < rates[0][6] == rates[1][6]
    # Asked for again it is finished; not asked for, the configuration gives its own weights.
    assert run(field, tmp_path / "a", **longer, resume="extend") == done
    fresh = run(field, tmp_path / "a", **longer)
    assert fresh["sha256"] != done["sha256"] and "extended" not in fresh


def test_an_extension_that_is_killed_goes_on_to_the_same_bits(field, tmp_path, root):
    changes = {"max_steps": 40, "resume": "extend"}
    for name in ("calm", "killed"):
        run(field, tmp_path / name)
    undisturbed = run(field, tmp_path / "calm", **changes)
    killed = die_and_go_on(signal.SIGKILL, [35], field, tmp_path / "killed", root, changes)
    assert killed == undisturbed


def test_another_recipe_is_never_extended(field, tmp_path):
    run(field, tmp_path)
    assert "extended" not in run(field, tmp_path, max_steps=32, batch=2, resume="extend")


@pytest.mark.parametrize("optimizer", choices("pssrflow.train.optimisers"))
@pytest.mark.parametrize("schedule", choices("pssrflow.train.schedules"))
def test_every_optimiser_and_schedule_trains(optimizer, schedule, field, tmp_path):
    assert run(field, tmp_path, optimizer=optimizer, schedule=schedule, max_steps=8)["step"] == 8


@pytest.mark.parametrize("loss", [*choices("pssrflow.train.losses"), {"mse": 1, "fourier": 0.1}])
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

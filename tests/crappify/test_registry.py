"""Steps by name: each resolves, says what its keys mean, and is imported by nobody else."""

import ast
import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from pssrflow.crappify.presets import PRESETS
from pssrflow.crappify.registry import FILES, make_step, step_symbol, steps
from pssrflow.crappify.settings import Settings, steps_named
from pssrflow.crappify.steps import Step
from pssrflow.errors import InputError
from pssrflow.plugins import PACKAGE, load

EXAMPLES = {
    "gaussian": {"intensity": 5},
    "poisson": {"intensity": 0.5, "gain": 3},
    "salt_pepper": {"intensity": 1},
    "blur": {"intensity": 2, "spread": 1},
    "local_gaussian": {"intensity": 0.1},
    "counts": {"dwell_us": 1, "counts_per_us": 90},
    "response": {"levels": [0, 100, 255], "values": [10, 90, 240]},
    "lag": {"pixels": 0.5},
    "grain": {"count_gain": 2, "read_noise": 3, "filter": [[0, 1, 0], [1, 4, 1], [0, 1, 0]]},
    "readout": {},
    "custom": {"path": "mine.py:Crap", "options": {"strength": 1}},
    "network": {"weights": "w.safetensors"},
}


def test_every_step_has_an_example_here():
    assert steps().keys() == EXAMPLES.keys()


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_step_is_found_where_it_is_said_to_be_and_comes_back_from_json(name):
    step = make_step({"name": name, **EXAMPLES[name]})
    assert type(step) is load(step_symbol(name))
    assert make_step(step.plain()) == step == pickle.loads(pickle.dumps(step))
    assert step.plain()["name"] == name
    assert all(field.description for field in type(step).model_fields.values())


def test_every_preset_is_made_of_steps():
    for name, preset in PRESETS.items():
        made = Settings.parse({"preset": name} | preset, "here")
        assert all(isinstance(step, Step) for step in made.before + made.noise)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": "fog"}, r'name: found "fog"\. Accepted: gaussian, poisson'),
        ({"intensity": 1}, r"'name' is a required property"),
        ({"name": "lag", "pixel": 1}, r"pixel: unknown key.*did you mean 'pixels'"),
        ({"name": "blur"}, r"'intensity' is a required property"),
        ({"name": "readout", "gain": -1}, r"gain: found -1\. Accepted: at least 1e-06"),
        ({"name": "readout", "read_noise": float("nan")}, r"read_noise: found nan"),
        ({"name": "lag", "pixels": 99}, r"pixels: found 99\. Accepted: at most 16"),
    ],
)
def test_a_step_that_cannot_be_is_refused(given, words):
    with pytest.raises(InputError, match=words):
        make_step(given)


def test_a_blur_drawn_anew_reaches_no_further_than_the_one_asked_for():
    blur = make_step({"name": "blur", "intensity": 2, "spread": 1})
    drawn = blur.draw(np.random.default_rng(0))
    assert drawn.intensity != blur.intensity and drawn.halo == blur.halo


def test_steps_are_imported_without_torch_and_numba():
    code = (
        "import sys; from pssrflow.crappify.registry import steps; steps();"
        "sys.exit(any(m in sys.modules for m in ('torch', 'numba', 'scipy.ndimage')))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=PACKAGE.parent, check=True)


def test_no_import_statement_leads_to_a_step_that_is_only_named():
    for file in ("registry", "settings", "chain"):
        tree = ast.parse((PACKAGE / "crappify" / f"{file}.py").read_text())
        found = {n.module: n.names for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        # Where the beam was is no step.
        found.pop("pssrflow.crappify.scanner", None)
        assert not {f"pssrflow.crappify.{name}" for name in FILES} & found.keys()


def test_the_steps_that_run_are_those_of_the_preset_or_the_fit(tmp_path):
    own = {"noise": [{"name": "gaussian", "intensity": 3}]}
    assert steps_named(Settings.parse(own, "c").plain()) == ["gaussian"]
    assert steps_named(Settings.parse(own | {"fit": "calibration"}, "c").plain()) == ["gaussian"]
    preset = Settings.parse(own | {"preset": "new_crap"}, "c").plain()
    assert steps_named(preset) == ["salt_pepper", "local_gaussian", "blur"]
    fit = {"crappifier": {"noise": [{"name": "lag", "pixels": 1}]}, "scale": 4, "verdict": "odd"}
    (tmp_path / "fit.json").write_text(json.dumps(fit))
    of_file = Settings.parse(own | {"fit": str(tmp_path / "fit.json")}, "c").plain()
    assert steps_named(of_file) == ["lag"]


def test_it_is_measured_by_default_and_never_where_somebody_stated_it():
    assert Settings().measured
    written = yaml.safe_load((Path(__file__).parents[2] / "config.yaml").read_text())["crappify"]
    assert Settings(**written).measured
    assert Settings(downsample="area").measured
    for stated in (
        {"noise": [{"name": "poisson", "intensity": 0.9}]},
        {"preset": "em_AG_D"},
        {"scan": {"jitter": 1}},
        {"fit": None},
    ):
        assert not Settings(**stated).measured, stated

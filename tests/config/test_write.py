"""What is written from the keys: in step with them, complete, and true."""

import itertools
import json

import jsonschema
import pytest
import yaml
from pssrflow.config.check import check_config
from pssrflow.config.samples import Row
from pssrflow.config.settings import Settings
from pssrflow.config.write import files
from pssrflow.crappify.registry import steps
from pssrflow.keys import Keys
from pssrflow.models.model import archs, keys_of


def test_files_are_those_that_the_keys_make(root):
    for name, text in files(root).items():
        assert (root / name).read_text() == text, f"{name} is old: run `make config`"


def test_config_yaml_holds_the_defaults(root):
    written = yaml.safe_load((root / "config.yaml").read_text())
    assert written.pop("simulate") == yaml.safe_load(
        (root / "resources/demo/simulate.yaml").read_text()
    )
    assert check_config(written, "c").plain() == check_config({}, "c").plain()
    assert written.keys() | {"simulate"} == set(Settings.model_fields)


def kinds(kind):
    """A class of keys and those inside it."""
    yield kind
    for field in kind.model_fields.values():
        if isinstance(field.default, Keys):
            yield from kinds(type(field.default))


@pytest.mark.parametrize(
    "kind",
    [*kinds(Settings), Row, *steps().values(), *map(keys_of, archs())],
    ids=lambda kind: f"{kind.__module__}.{kind.__name__}",
)
def test_every_key_has_a_meaning_of_one_sentence(kind):
    for name, field in kind.model_fields.items():
        assert field.description and field.description.endswith((".", "].", ")")), name


def test_every_key_of_config_yaml_is_commented(root):
    text = (root / "config.yaml").read_text().split("\nsimulate:")[0]
    lines = [line.strip() for line in text.splitlines()]
    for above, line in itertools.pairwise(lines):
        if line.partition(":")[0].isidentifier() and not line.startswith(
            ("default", "intensity: 1")
        ):
            assert above.startswith("#"), f"no comment above {line!r}"
    assert max(map(len, text.splitlines())) <= 100


@pytest.fixture(scope="module")
def schema(root):
    found = json.loads((root / "workflow/schemas/config.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(found)
    return jsonschema.Draft202012Validator(found)


def test_an_editor_takes_what_the_demo_says(schema, root):
    config = yaml.safe_load((root / "config.yaml").read_text())
    assert list(schema.iter_errors(config)) == []


@pytest.mark.parametrize(
    "config",
    [
        {"trian": {}},
        {"crappify": {"scale": 0}},
        {"crappify": {"preset": "Fog"}},
        {"crappify": {"noise": [{"name": "poisson", "intensity": 2}]}},
        {"crappify": {"noise": [{"name": "lag", "pixel": 2}]}},
        {"models": {"m": {"arch": "unet", "depth": 3}}},
        {"models": {"m": {"arch": "vit"}}},
        {"models": {"m": {"arch": "resunet", "hidden": [0]}}},
        {"train": {"loss": "msee"}},
        {"train": {"max_time": "soon"}},
        {"results": "a{b}"},
    ],
)
def test_an_editor_marks_what_is_refused(config, schema):
    assert list(schema.iter_errors(config))


@pytest.mark.parametrize(
    "config",
    [
        {"models": {"m": {"weights": "w.safetensors"}}},
        {"train": {"loss": {"mse": 1, "fourier": 0.1}, "max_time": None, "clip": None}},
        {"crappify": {"noise": [{"name": "custom", "path": "a.py:B", "options": {"x": [1]}}]}},
        {"predict": {"roi": {"a": "0:9, 0:9"}, "tile": 64}},
    ],
)
def test_an_editor_takes_what_is_taken(config, schema):
    assert list(schema.iter_errors(config)) == []

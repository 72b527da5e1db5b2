"""Names of the configuration: found without importing what they name."""

import subprocess
import sys

import pytest
from pssrflow.errors import InputError
from pssrflow.plugins import PACKAGE, choices, declared, keys_of, load, load_class, source_file


def test_public_functions_of_a_module_are_what_may_be_chosen():
    assert choices("pssrflow.train.losses")[:2] == ("mse", "l1")
    assert choices("pssrflow.train.optimisers") == ("adamw", "adam", "sgd")
    assert choices("pssrflow.train.schedules") == ("cosine", "exponential", "plateau", "constant")
    for module in ("pssrflow.train.losses", "pssrflow.train.optimisers"):
        assert all(callable(load(f"{module}:{name}")) for name in choices(module))


def test_kernels_are_the_keys_of_their_mapping():
    kernels = load("pssrflow.crappify.kernels:KERNELS")
    assert keys_of("pssrflow.crappify.kernels", "KERNELS") == tuple(kernels)


def test_a_class_is_declared_with_what_it_needs_alone():
    code = (
        "import sys; from pssrflow.plugins import declared;"
        "Options = declared('pssrflow.networks.unet', 'Options');"
        "assert Options().levels == ((32, 64, 128), (2, 2, 2));"
        "assert 'torch' not in sys.modules and 'pssrflow.networks.unet' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=PACKAGE.parent, check=True)


def test_what_is_loaded_already_is_not_declared_again():
    assert declared("pssrflow.keys", "Keys") is load("pssrflow.keys:Keys")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("mine", r"Accepted: package\.module:Class or file\.py:Class"),
        ("gone.py:A", r"no file gone\.py"),
        ("no.such.module:A", r"no module 'no\.such\.module'"),
    ],
)
def test_a_class_of_ones_own_that_is_not_there_is_refused(path, words):
    with pytest.raises(InputError, match=words):
        source_file(path)


def test_a_class_of_ones_own_is_loaded_from_its_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("class A: pass\nb = 1\n")
    (tmp_path / "broken.py").write_text("import no_such_module\n")
    assert load_class("mine.py:A").__name__ == "A"
    with pytest.raises(InputError, match="no class b"):
        load_class("mine.py:b")
    with pytest.raises(InputError, match=r"broken\.py:A: cannot be imported"):
        load_class("broken.py:A")

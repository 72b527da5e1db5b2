"""The environments: pip and conda pin the same packages, and everything imported is pinned."""

import ast
import re
import sys

import yaml

# Readers that a user may add.
EXTRAS = ("bioio", "bioio-base")


def pins(lines):
    return {line.strip().lower() for line in lines if line.strip() and not line.startswith("#")}


def test_the_conda_environment_has_the_pins_of_the_lock(root):
    lock = pins((root / "envs/requirements.txt").read_text().splitlines())
    conda = yaml.safe_load((root / "envs/pssrflow.yaml").read_text())["dependencies"]
    assert pins(conda[-1]["pip"]) == lock
    assert all("==" in pin for pin in lock)


def test_the_lock_holds_every_direct_dependency_at_its_pin(root):
    lock = pins((root / "envs/requirements.txt").read_text().splitlines())
    text = (root / "envs/requirements.in").read_text()
    direct = pins(re.sub(r"\[\w+\]", "", text).splitlines())
    assert direct <= lock
    assert "torch==2.13.0" in direct


def test_every_import_of_the_core_is_a_listed_dependency(root):
    names = {
        "yaml": "pyyaml",
        "PIL": "pillow",
        "skimage": "scikit-image",
        "lightning_fabric": "lightning-fabric",
        "bioimageio": "bioimageio.core",
    }
    listed = re.findall(r"^([\w.-]+)==", (root / "envs/requirements.in").read_text(), re.MULTILINE)
    known = {name.lower().replace("_", "-") for name in listed}
    for path in (root / "workflow/scripts").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            modules = []
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                modules = [node.module]
            for module in (m.split(".")[0] for m in modules):
                package = names.get(module, module).lower().replace("_", "-")
                assert package in known | {"pssrflow", *EXTRAS} | sys.stdlib_module_names, (
                    f"{module} in {path.name}"
                )


def test_nothing_evaluates_unpickles_or_builds_a_shell_command(root):
    for path in (root / "workflow").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            called = node.func if isinstance(node, ast.Call) else None
            name = getattr(called, "id", getattr(called, "attr", None))
            owner = getattr(getattr(called, "value", None), "id", "")
            assert not (isinstance(called, ast.Name) and name in {"eval", "exec"}), path
            assert (owner, name) not in {
                ("os", "system"),
                ("pickle", "load"),
                ("pickle", "loads"),
            }, path
            if (owner, name) == ("torch", "load"):
                assert any(k.arg == "weights_only" and k.value.value for k in node.keywords), path

"""The house is as ARCHITECTURE.md draws it: arrows one way, small files and functions."""

import ast
import re
import statistics

import pytest

CORE = "workflow/scripts/pssrflow"
# Optional extras, which not everybody has installed.
EXTRAS = {"bioio", "bioio_base"}
LONGEST_FILE, MOST_PARAMETERS, USUAL_FUNCTION = 400, 8, 8


@pytest.fixture(scope="module")
def trees(root):
    """Syntax tree of every file of the core, by its path below it."""
    files = sorted((root / CORE).rglob("*.py"))
    return {f.relative_to(root / CORE): ast.parse(f.read_text()) for f in files}


def imported(tree):
    """Nodes and names of imports, of ours and of others."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield node, node.module
        elif isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)


def functions(tree):
    return [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


def parameters(function):
    spec = function.args
    named = [*spec.posonlyargs, *spec.args, *spec.kwonlyargs]
    return [a for a in named if a.arg not in ("self", "cls")]


def test_arrows_go_up_the_map_and_never_down(root, trees):
    rows = re.findall(r"^\| `(\w+)(?:/|\.py)` \|", (root / "ARCHITECTURE.md").read_text(), re.M)
    rank = {name: number for number, name in enumerate(rows)}
    wrong = []
    for path, tree in trees.items():
        here = path.parts[0].removesuffix(".py")
        for _, module in imported(tree):
            package, _, rest = (module or "").partition(".")
            there = rest.split(".")[0]
            if package == "pssrflow" and rank[there] > rank[here]:
                wrong.append(f"{path} -> {module}")
    assert wrong == []


def test_every_folder_of_the_core_is_on_the_map(root, trees):
    map_of_it = (root / "ARCHITECTURE.md").read_text()
    for name in {path.parts[0] for path in trees} - {"__init__.py"}:
        assert f"| `{name}{'' if name.endswith('.py') else '/'}` |" in map_of_it, name


def test_nothing_is_imported_inside_a_function_but_extras(trees):
    inside = {
        f"{path}: {module}"
        for path, tree in trees.items()
        for function in functions(tree)
        for _, module in imported(function)
        if module.split(".")[0] not in EXTRAS
    }
    assert inside == set()


def test_faces_of_packages_hold_a_docstring_and_nothing_else(trees):
    for path, tree in trees.items():
        if path.name == "__init__.py":
            assert len(tree.body) == 1 and ast.get_docstring(tree), path


def test_files_and_functions_are_small(root, trees):
    for path in trees:
        assert (root / CORE / path).read_text().count("\n") <= LONGEST_FILE, path
    lengths = []
    for path, tree in trees.items():
        for function in functions(tree):
            assert len(parameters(function)) <= MOST_PARAMETERS, (path, function.name)
            body = function.body[1:] if ast.get_docstring(function) else function.body
            lengths.append(body[-1].end_lineno - body[0].lineno + 1 if body else 0)
    assert statistics.median(lengths) <= USUAL_FUNCTION


def test_every_public_function_is_annotated(trees):
    bare = [
        f"{path}: {function.name}"
        for path, tree in trees.items()
        for function in functions(tree)
        if not function.name.startswith("_")
        and (function.returns is None or any(a.annotation is None for a in parameters(function)))
    ]
    assert bare == []


def test_every_module_says_what_it_is(trees):
    assert [str(path) for path, tree in trees.items() if not ast.get_docstring(tree)] == []

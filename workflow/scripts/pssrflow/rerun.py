"""When a rule must run again: a hash of its code that changes with what it does alone."""

import ast
import functools
import hashlib
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


@functools.cache
def code_hash(script):
    """Hash of a script and of every module of this package that it imports, however deeply.

    Comments, docstrings, formatting and time stamps do not count.

    Parameters
    ----------
    script : str
        Path of the script.
    """
    files, waiting = set(), [Path(script).resolve()]
    while waiting:
        path = waiting.pop()
        if path not in files:
            files.add(path)
            waiting += _imports(path)
    # Names below the folder of the scripts: moving the project is no change of its code.
    trees = [
        f"{path.relative_to(PACKAGE.parent).as_posix()} {_code(path)}" for path in sorted(files)
    ]
    return hashlib.sha256("\n".join(trees).encode()).hexdigest()[:16]


# Most scripts import most modules: each is parsed once, which a run of many jobs notices.
@functools.cache
def _imports(path):
    found = []
    for node in ast.walk(_tree(path)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        found += filter(None, map(_module, names))
    return found


def _module(name):
    if name.split(".")[0] != PACKAGE.name:
        return None
    base = PACKAGE.joinpath(*name.split(".")[1:])
    return next((p for p in (base.with_suffix(".py"), base / "__init__.py") if p.is_file()), None)


def _tree(path):
    return ast.parse(path.read_text())


@functools.cache
def _code(path):
    tree = _tree(path)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_text(body[0]):
            node.body = body[1:]
    # The text that the syntax tree stands for; `ast.dump` differs between versions of Python.
    return ast.unparse(tree)


def _is_text(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)

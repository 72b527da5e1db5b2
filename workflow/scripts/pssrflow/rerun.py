"""When a rule must run again: hashes of its code and of inputs that a path cannot show."""

import ast
import functools
import hashlib
from pathlib import Path

PACKAGE = Path(__file__).parent
# Acquisitions up to this size are hashed whole, larger ones at places spread over each file.
HASHED_WHOLE = 64 * 2**20
SAMPLES, SAMPLE_BYTES = 16, 65536


@functools.cache
def code_hash(script):
    """Hash of a script and of every module of this package that it imports, however deeply.

    Comments, docstrings, formatting and time stamps do not count.

    Parameters
    ----------
    script : str
        Path of the script.
    """
    files, waiting = set(), [Path(script)]
    while waiting:
        path = waiting.pop()
        if path not in files:
            files.add(path)
            waiting += _imports(path)
    trees = [f"{path.name} {_code(path)}" for path in sorted(files, key=lambda p: p.name)]
    return hashlib.sha256("\n".join(trees).encode()).hexdigest()[:16]


@functools.cache
def fingerprint(paths):
    """Hash of what files hold, for acquisitions that may be too large to read at every start.

    Sizes always count; bytes count whole up to 64 MiB in all, beyond that at 16 places of every
    file (the first and last 64 KiB among them). Time stamps never count.

    Parameters
    ----------
    paths : tuple of str
        Files, or folders with all that is in them.
    """
    files = [f for p in map(Path, paths) for f in (sorted(p.rglob("*")) if p.is_dir() else [p])]
    files = [f for f in files if f.is_file()]
    whole = sum(f.stat().st_size for f in files) <= HASHED_WHOLE
    total = hashlib.sha256()
    for path in files:
        total.update(f"{path.name} {path.stat().st_size}".encode())
        total.update(path.read_bytes() if whole else _sampled(path))
    return total.hexdigest()[:16]


def _sampled(path):
    last = max(0, path.stat().st_size - SAMPLE_BYTES)
    with open(path, "rb") as stream:
        parts = []
        for place in sorted({last * i // (SAMPLES - 1) for i in range(SAMPLES)}):
            stream.seek(place)
            parts.append(stream.read(SAMPLE_BYTES))
    return b"".join(parts)


def _imports(path):
    for node in ast.walk(_tree(path)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        yield from filter(None, map(_module, names))


def _module(name):
    if name.split(".")[0] != PACKAGE.name:
        return None
    base = PACKAGE.joinpath(*name.split(".")[1:])
    return next((p for p in (base.with_suffix(".py"), base / "__init__.py") if p.is_file()), None)


@functools.cache
def _tree(path):
    return ast.parse(path.read_text())


def _code(path):
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_text(body[0]):
            node.body = body[1:]
    return ast.dump(tree)


def _is_text(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)

"""What the configuration chooses by name: a class of ours, or one of the user's own.

What is loaded by name is no import statement, so that the code hash of a rule follows it only
where the configuration names it.
"""

import ast
import builtins
import contextlib
import functools
import importlib
import importlib.util
import inspect
import json
import os
import re
import resource
import signal
import sys
import threading
import time
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from pssrflow.errors import InputError

PACKAGE = Path(__file__).resolve().parent
ACCEPTED = "package.module:Class or file.py:Class"
# Seconds of a trial of a user's own code, and of one that neither computes nor reads meanwhile.
COMPUTES, WAITS = 60, 2
# Share of a core below which it waits; a busy machine gives little.
IDLE = 0.1


def load(name: str) -> Any:
    """What a module of this package calls so, of ``package.module:Name``."""
    module, _, inside = name.partition(":")
    return getattr(importlib.import_module(module), inside)


# -- names that a module defines, without importing it ---------------------------------------------


def module_file(module: str) -> Path:
    """File of a module of this package, such as ``pssrflow.networks.unet``."""
    return PACKAGE.joinpath(*module.split(".")[1:]).with_suffix(".py")


@functools.cache
def _tree(module: str) -> ast.Module:
    return ast.parse(module_file(module).read_text())


@functools.cache
def choices(module: str) -> tuple[str, ...]:
    """Public functions of a module, in order: what a configuration may name of it."""
    return tuple(re.findall(r"^def ([a-zA-Z]\w*)\(", module_file(module).read_text(), re.MULTILINE))


@functools.cache
def keys_of(module: str, mapping: str) -> tuple[str, ...]:
    """Keys of a mapping that a module writes out under that name."""
    written = next(node for node in _tree(module).body if mapping in _bound(node))
    value = getattr(written, "value", None)
    return tuple(ast.literal_eval(key) for key in getattr(value, "keys", ()))


@functools.cache
def declared(module: str, name: str) -> Any:
    """What a module calls `name`, by running only the statements that it needs.

    Options of a network are read so: the class is made, and torch is not imported.
    """
    loaded = sys.modules.get(module)
    if loaded is not None and hasattr(loaded, name):
        return getattr(loaded, name)
    return getattr(_executed(_Part(module, name)), name)


def _executed(loader: SourceFileLoader) -> ModuleType:
    """A module of its own, which nobody else imports."""
    made = importlib.util.module_from_spec(ModuleSpec(loader.name, loader, origin=loader.path))
    loader.exec_module(made)
    return made


class _Part(SourceFileLoader):
    """Loads of a module of ours what one of its names needs."""

    def __init__(self, module: str, name: str):
        super().__init__(module, str(module_file(module)))
        self.wanted = name

    def get_code(self, module: str) -> CodeType:
        body = _tree(module).body
        needed = _needed(body, self.wanted)
        part = ast.Module([node for node in body if node in needed], type_ignores=[])
        return compile(part, self.path, "exec")


def _needed(body: list[ast.stmt], name: str) -> set[ast.stmt]:
    """Statements that bind `name` and, however deeply, the names that those use."""
    binds = {bound: node for node in body for bound in _bound(node)}
    found: set[ast.stmt] = set()
    waiting = [binds[name]]
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += [binds[used] for used in _used(node) if used in binds]
    return found


def _bound(node: ast.stmt) -> list[str]:
    """Names that a statement at the top of a module binds."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name.partition(".")[0] for alias in node.names]
    targets = getattr(node, "targets", [getattr(node, "target", None)])
    return [n.id for target in targets if target for n in _names(target)]


def _used(node: ast.stmt) -> Iterator[str]:
    return (n.id for n in _names(node) if not hasattr(builtins, n.id))


def _names(node: ast.AST) -> Iterator[ast.Name]:
    return (n for n in ast.walk(node) if isinstance(n, ast.Name))


# -- a class of the user's own ---------------------------------------------------------------------


def source_file(path: str) -> Path:
    """File of a user's class, to notice when it changes.

    Raises
    ------
    InputError
        There is no such file or module.
    """
    module, colon, name = path.rpartition(":")
    if not (colon and module and name):
        raise InputError("path of a custom class", f"{path!r}", ACCEPTED)
    if module.endswith(".py"):
        if not Path(module).is_file():
            raise InputError(path, f"no file {module}", ACCEPTED)
        return Path(module)
    _seen_from_here()
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None:
        raise InputError(path, f"no module {module!r}", ACCEPTED)
    return Path(spec.origin)


def _seen_from_here() -> None:
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())


def load_class(path: str) -> type:
    """A user's class, of ``package.module:Class`` or ``file.py:Class``.

    Raises
    ------
    InputError
        There is no such file, module or class, or it cannot be imported.
    """
    file, name = source_file(path), path.rpartition(":")[2]
    with foreign(path, "cannot be imported: it raised", "a module that imports"):
        module = _imported(path.rpartition(":")[0], file)
    made = getattr(module, name, None)
    if not inspect.isclass(made):
        raise InputError(path, f"no class {name} in {file}", "a class of that module")
    return made


def instance(path: str, options: dict[str, Any], accepted: str) -> Any:
    """The object of a user's class with some options, made once; see `load_class`.

    Raises
    ------
    InputError
        The class refuses the options, or its objects cannot be called.
    """
    return _instance(path, json.dumps(options), accepted, os.getcwd())


@functools.lru_cache(maxsize=16)
def _instance(path: str, options: str, accepted: str, _folder: str) -> Any:
    made = load_class(path)
    with foreign(path, f"options {options} refused: it raised", "its own options"):
        made = made(**json.loads(options))
    if not callable(made):
        raise InputError(path, "its objects cannot be called", accepted)
    return made


def _imported(module: str, file: Path) -> ModuleType:
    if not module.endswith(".py"):
        return importlib.import_module(module)
    return _executed(SourceFileLoader(f"_own_{file.stem}", str(file)))


# -- a user's own code, run ------------------------------------------------------------------------


@contextlib.contextmanager
def foreign(where: str, what: str, accepted: str) -> Iterator[None]:
    """Tell what a user's own code raises inside the block, `SystemExit` too, as an InputError.

    Parameters
    ----------
    where : str
        The class.
    what : str
        What it did, before the name of what it raised.
    accepted : str
    """
    try:
        yield
    except (InputError, KeyboardInterrupt, TooLong):
        raise
    except BaseException as error:
        said = " ".join(str(error).split())
        found = f"{what} {type(error).__name__}" + (f": {said}" if said else "")
        raise InputError(where, found, accepted) from error


class TooLong(BaseException):
    """What the user's own code is interrupted by; no `except Exception` of its own catches it."""


@contextlib.contextmanager
def in_time(where: str) -> Iterator[None]:
    """Refuse a user's own code that never ends, where this is the main thread of a process.

    What computes or reads gets `COMPUTES` seconds, for it may be compiling or lie on a slow disk;
    what waits gets `WAITS`.

    Raises
    ------
    InputError
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    start, seen = time.monotonic(), _spent()

    def look(*_: Any) -> None:
        nonlocal seen
        then, seen = seen, _spent()
        waits = seen[0] - then[0] < IDLE * WAITS and seen[1] == then[1]
        if waits or time.monotonic() - start > COMPUTES:
            raise TooLong

    before = signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, WAITS, WAITS)
    try:
        yield
    except TooLong:
        passed = time.monotonic() - start
        found = f"does not end; it was interrupted after {passed:.0f} s on a small image"
        raise InputError(where, found, "a class that ends") from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _spent() -> tuple[float, int]:
    """Seconds that this process has computed, and blocks that it has read."""
    return time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_inblock

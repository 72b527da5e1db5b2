"""A class of the user's own, named in the configuration: a step of the crappifier, or a network."""

import importlib.util
import inspect
import os
import sys
from pathlib import Path

from pssrflow.errors import InputError


def source_file(path):
    """File of a user's class, to notice when it changes.

    Raises
    ------
    InputError
        There is no such file or module.
    """
    module, colon, name = path.rpartition(":")
    accepted = "package.module:Class or file.py:Class"
    if not (colon and module and name):
        raise InputError("path of a custom class", f"{path!r}", accepted)
    if module.endswith(".py"):
        if not Path(module).is_file():
            raise InputError(path, f"no file {module}", accepted)
        return Path(module)
    _seen_from_here()
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None:
        raise InputError(path, f"no module {module!r}", accepted)
    return Path(spec.origin)


def _seen_from_here():
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())


def load_class(path):
    """A user's class, of ``package.module:Class`` or ``file.py:Class``.

    Raises
    ------
    InputError
        There is no such file, module or class, or it cannot be imported.
    """
    file, name = source_file(path), path.rpartition(":")[2]
    try:
        if path.rpartition(":")[0].endswith(".py"):
            spec = importlib.util.spec_from_file_location(f"_own_{file.stem}", file)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
        else:
            module = importlib.import_module(path.rpartition(":")[0])
    except Exception as error:
        raise InputError(path, f"cannot be imported ({error})", "a module that imports") from error
    made = getattr(module, name, None)
    if not inspect.isclass(made):
        raise InputError(path, f"no class {name} in {file}", "a class of that module")
    return made

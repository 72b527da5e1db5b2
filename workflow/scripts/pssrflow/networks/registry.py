"""Networks by name, without an import of any: one that nobody names is in nobody's code hash."""

import functools
import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pssrflow.errors import InputError
from pssrflow.networks.options import NetworkOptions
from pssrflow.plugins import declared

FOLDER = Path(__file__).parent


@functools.cache
def modules() -> dict[str, str]:
    """Module of every architecture by its name: the files here that define `Options`."""
    files = sorted(FOLDER.rglob("*.py"), key=lambda path: (len(path.parts), path.name))
    return {
        path.stem: ".".join(["pssrflow.networks", *path.relative_to(FOLDER).with_suffix("").parts])
        for path in files
        if re.search(r"^class Options\b", path.read_text(), re.MULTILINE)
    }


def names() -> tuple[str, ...]:
    """Names of all architectures."""
    return tuple(modules())


def network_symbol(arch: str) -> str:
    """Where a network is written, such as ``pssrflow.networks.unet:Network``."""
    return f"{modules()[arch]}:Network"


def options_of(arch: str) -> type[NetworkOptions]:
    """Class of the options of an architecture; torch is not imported for it."""
    return declared(modules()[arch], "Options")


def build(
    arch: str, scale: int, options: Mapping[str, Any] | NetworkOptions, frames: int = 1
) -> Any:
    """Make a network (a torch.nn.Module) with fresh weights.

    Parameters
    ----------
    arch : str
    scale : int
    options : mapping or NetworkOptions
    frames : int
        LR planes that it sees at once.

    Raises
    ------
    InputError
        No such architecture, or options that do not go together.
    """
    if arch not in modules():
        raise InputError("arch", f"found {arch!r}", ", ".join(names()))
    module = importlib.import_module(modules()[arch])
    given = options.plain() if isinstance(options, NetworkOptions) else options
    where = f"options of {arch}"
    checked = module.Options.parse(given, where)
    if found := [f"{fault.key}: {fault.says}" for fault in checked.misfits(scale)]:
        raise InputError(where, "\n  ".join(found))
    return module.Network(scale, checked, frames)

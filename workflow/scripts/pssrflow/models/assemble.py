"""Several networks taken as one."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from pssrflow.errors import InputError
from pssrflow.models.facts import Facts
from pssrflow.models.folder import ModelFolder
from pssrflow.models.weights import load_weights
from pssrflow.networks.frames import most_of
from pssrflow.networks.registry import build


def assemble(
    members: dict[str, Path | str], scale: int, folder: ModelFolder, python: Collection[str] = ()
) -> None:
    """Take several networks as one, whose prediction is their mean.

    Parameters
    ----------
    members : dict of str to path-like
        Weights, by the name that the configuration gives them.
    scale : int
    folder : ModelFolder
    python : collection of str
        Classes that the configuration names for members.

    Raises
    ------
    InputError
        Weights of another scale, or networks that see grey levels in different ways.
    """
    loaded = {name: load_weights(path, python) for name, path in members.items()}
    facts = {name: found for name, (_, found) in loaded.items()}
    _check_alike(facts, scale)
    described = {"members": [_described(f) for f in facts.values()]}
    network = build("ensemble", scale, described)
    for member, (found, _) in zip(network.members, loaded.values()):
        member.load_state_dict(found.state_dict())
    seen = next(iter(facts.values())).intensity
    frames = most_of(f.frames for f in facts.values())
    folder.keep(network, Facts("ensemble", scale, described, frames, seen))


def _described(facts: Facts) -> dict[str, Any]:
    return {"arch": facts.arch, "options": facts.options, "frames": facts.frames.plain()}


def _check_alike(facts: dict[str, Facts], scale: int) -> None:
    """Refuse members that are not of one scale, or that do not see the same as 0 to 1."""
    found = [f"{name}: weights of scale {f.scale}" for name, f in facts.items() if f.scale != scale]
    if found:
        raise InputError("members", "; ".join(found), f"scale {scale}")
    if len({of_one.intensity for of_one in facts.values()}) > 1:
        seen = ", ".join(f"{name}: {of_one.intensity}" for name, of_one in facts.items())
        raise InputError("members", f"intensity differs ({seen})", "the same for all members")
    most = most_of(f.frames for f in facts.values())
    if not all(most.like(f.frames) for f in facts.values()):
        seen = "; ".join(f"{name}: {f.frames.plain()}" for name, f in facts.items())
        accepted = "the same axis, stride and edge for all members that see more than one plane"
        raise InputError("members", f"frames differ ({seen})", accepted)

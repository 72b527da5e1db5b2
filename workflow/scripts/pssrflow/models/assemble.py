"""Several networks taken as one."""

from pathlib import Path

from torch import nn

from pssrflow.errors import InputError
from pssrflow.models.facts import Facts
from pssrflow.models.folder import ModelFolder
from pssrflow.models.weights import load_weights
from pssrflow.networks.registry import build


def assemble(members: dict[str, Path | str], scale: int, folder: ModelFolder) -> None:
    """Take several networks as one, whose prediction is their mean.

    Parameters
    ----------
    members : dict of str to path-like
        Weights, by the name that the configuration gives them.
    scale : int
    folder : ModelFolder

    Raises
    ------
    InputError
        Weights of another scale, or networks that see grey levels in different ways.
    """
    loaded = {name: load_weights(path) for name, path in members.items()}
    facts = {name: found for name, (_, found) in loaded.items()}
    for name, of_one in facts.items():
        if of_one.scale != scale:
            raise InputError(name, f"weights of scale {of_one.scale}", f"scale {scale}")
    seen = _seen_alike(facts)
    described = {"members": [{"arch": f.arch, "options": f.options} for f in facts.values()]}
    network: nn.Module = build("ensemble", scale, described)
    for member, (found, _) in zip(network.members, loaded.values()):
        member.load_state_dict(found.state_dict())
    folder.keep(network, Facts("ensemble", scale, described, intensity=seen))


def _seen_alike(facts: dict[str, Facts]) -> str:
    """What of an acquisition all members see as 0 to 1."""
    seen = {name: of_one.intensity for name, of_one in facts.items()}
    if len(set(seen.values())) > 1:
        found = ", ".join(f"{name}: {kind}" for name, kind in seen.items())
        raise InputError("members", f"intensity differs ({found})", "the same for all members")
    return next(iter(seen.values()))

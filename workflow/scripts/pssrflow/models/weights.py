"""Weights that carry what is needed to use them; reading them executes nothing."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from pssrflow.errors import InputError
from pssrflow.models.facts import SAVED, Facts
from pssrflow.networks.contract import SRNetwork
from pssrflow.networks.registry import build


def save_weights(path: Path | str, network: nn.Module, facts: Facts) -> None:
    """Write weights as safetensors, and what they say of themselves."""
    tensors = {name: t.detach().cpu().contiguous() for name, t in network.state_dict().items()}
    # safetensors refuses an empty file; bicubic has no weights.
    save_file(
        tensors or {"none": torch.zeros(1)},
        path,
        metadata={"pssrflow": json.dumps(facts.to_json())},
    )


def read_tensors(path: Path | str) -> dict[str, Tensor]:
    """Tensors of a file of weights.

    Reads safetensors, and what torch saved (`.pth`, as PSSR2 does) without running code in it.

    Raises
    ------
    InputError
        Neither of them, or not only tensors.
    """
    accepted = "weights: .safetensors, or a state dict that torch saved (.pth), without code"
    try:
        with safe_open(path, "pt") as stream:
            return {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise InputError(path, "no such file", accepted) from error
    except (SafetensorError, OSError):
        return _read_pickled(path, accepted)


def _read_pickled(path: Path | str, accepted: str) -> dict[str, Tensor]:
    """A state dict that torch saved, without running what may be in the file."""
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged files raise whatever their bytes happen to mean
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(path, f"cannot be read as weights ({said})", accepted) from error
    if not isinstance(found, dict) or not found:
        raise InputError(path, f"a {type(found).__name__}, no state dict", accepted)
    other = [k for k, v in found.items() if not isinstance(v, Tensor)]
    if other:
        raise InputError(path, f"{other[0]!r} is no tensor", accepted)
    # What torch's DataParallel puts before every name.
    return {str(k).removeprefix("module."): v for k, v in found.items()}


def adopt(network: nn.Module, tensors: dict[str, Tensor], where: Path | str) -> None:
    """Load weights into a network of the same architecture.

    Raises
    ------
    InputError
        Says which tensors are missing, unknown or of another shape, and what option that points to.
    """
    own = network.state_dict()
    missing = [name for name in own if name not in tensors]
    extra = [name for name in tensors if name not in own]
    if missing or extra:
        raise InputError(
            where,
            f"weights of another architecture or depth; {_few(missing)} missing, "
            f"{_few(extra)} unknown",
            "weights of the architecture and options that the model has in the configuration",
        )
    for name, tensor in own.items():
        if tensor.shape != tensors[name].shape:
            found = f"{name} is {_by(tensors[name])} where the model in the configuration has "
            hint = _pointed_to(network, name, tensors[name].shape, tensor.shape)
            raise InputError(where, f"{found}{_by(tensor)}{hint}", "the options of its training")
    network.load_state_dict(tensors)


def _few(names: list[str]) -> str:
    return f"{len(names)} ({', '.join(names[:3])}{', ...' if names[3:] else ''})"


def _by(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "a number"


def _pointed_to(
    network: nn.Module, name: str, found: Sequence[int], expected: Sequence[int]
) -> str:
    """The option that a wrong shape most likely comes from, as text; empty if it cannot be told.

    Tensors are compared in the network's order, so that a wrong number of channels shows at the
    first layer, and a wrong scale only where the channels fit.
    """
    names = [key for key, tensor in network.state_dict().items() if tensor.dim() == 4]
    if name in ("norm.weight", "norm.bias", "norm.running_mean", "norm.running_var"):
        return f": channels {found[0]}"
    if name.endswith("attn_mask"):
        return ": another image_size or window_size"
    if len(found) != len(expected) or not names:
        return ""
    if name == names[0] and found[1:2] != expected[1:2]:
        return f": channels {found[1]} in"
    return _at_the_end(network, name, names, found, expected)


def _at_the_end(
    network: Any, name: str, names: list[str], found: Sequence[int], expected: Sequence[int]
) -> str:
    outputs = found[0] != expected[0] and found[1:] == expected[1:]
    if outputs and name in ("reconstruction.pre.weight", "tail.weight"):
        ratio = found[0] * network.scale**2 / expected[0]
        scale = math.isqrt(round(ratio))
        return f": scale {scale}" if scale**2 == ratio else ""
    return f": channels {found[0]} out" if outputs and name == names[-1] else ""


def read_saved(path: Path | str, accepted: str = SAVED) -> tuple[dict[str, Tensor], Facts]:
    """Tensors and facts of weights that PSSRflow saved.

    Raises
    ------
    InputError
        It did not.
    """
    try:
        tensors = read_tensors(path)
    except InputError as error:
        raise InputError(path, error.found, accepted) from error
    return tensors, Facts.saved_in(path)


def load_weights(path: Path | str, python: bool = False) -> tuple[SRNetwork, Facts]:
    """Read a network and its facts; nothing in the file is executed.

    Parameters
    ----------
    path : path-like
    python : bool
        Whether the configuration names a Python class for this network, or for a member of it.
        Weights alone never choose one.

    Raises
    ------
    InputError
        Not weights of this pipeline, or of a class that the configuration does not name.
    """
    tensors, facts = read_saved(path)
    if facts.names_python and not python:
        raise InputError(
            path,
            "weights of a Python class that they name themselves",
            "a model of arch: custom, whose class the configuration names",
        )
    network = _built(facts, path)
    if network.state_dict():
        adopt(network, tensors, path)
    return network.eval(), facts


def _built(facts: Facts, path: Path | str) -> SRNetwork:
    try:
        made: SRNetwork = build(facts.arch, facts.scale, facts.options)
    except InputError as error:
        raise InputError(f"{path}: {error.where}", error.found, error.accepted) from error
    except RecursionError:
        raise InputError(path, "ensembles of ensembles without end", SAVED) from None
    return made

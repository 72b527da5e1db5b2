"""Weights that carry what is needed to use them; reading them executes nothing."""

import json
import math
import pickle
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from pssrflow.errors import InputError
from pssrflow.models.facts import SAVED, Facts
from pssrflow.networks.contract import SRNetwork
from pssrflow.networks.registry import build
from pssrflow.run.files import check_file, read_json
from pssrflow.run.layout import BEST, TRAINED


def save_weights(path: Path | str, network: nn.Module, facts: Facts) -> None:
    """Write weights as safetensors, and what they say of themselves."""
    save_tensors(path, network.state_dict(), facts)


def save_tensors(path: Path | str, tensors: Mapping[str, Tensor], facts: Facts) -> None:
    """Write the tensors of a network as `save_weights` does."""
    tensors = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    # safetensors refuses an empty file; bicubic has no weights. Its own writer names no full disk.
    about = {"pssrflow": json.dumps(facts.to_json())}
    Path(path).write_bytes(save(tensors or {"none": torch.zeros(1)}, about))


def read_tensors(path: Path | str) -> dict[str, Tensor]:
    """Tensors of a file of weights.

    Reads safetensors, and what torch saved (`.pth`, as PSSR2 does) without running code in it.

    Raises
    ------
    InputError
        Neither of them, not only tensors, or not what the done file beside them vouches for.
    """
    done = Path(path).with_name(TRAINED)
    if Path(path).name == BEST and done.exists() and (known := read_json(done).get("sha256")):
        check_file(path, known, done)
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
        # Torch's own sentence advises to load it without protection.
        guarded = isinstance(error, pickle.UnpicklingError)
        said = "objects in it besides tensors, which may run code" if guarded else "damaged"
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
    _compare(network, {name: tuple(tensor.shape) for name, tensor in tensors.items()}, where)
    network.load_state_dict(tensors)


def _compare(network: nn.Module, found: Mapping[str, tuple[int, ...]], where: Path | str) -> None:
    """Refuse tensors of these shapes that are not those of a network."""
    own = network.state_dict()
    missing, extra = [n for n in own if n not in found], [n for n in found if n not in own]
    if own and (missing or extra):
        raise InputError(
            where,
            f"weights of another architecture or depth; {_few(missing)} missing, "
            f"{_few(extra)} unknown",
            "weights of the architecture and options that the model has in the configuration",
        )
    for name, tensor in own.items():
        if tuple(tensor.shape) != found[name]:
            said = f"{name} is {_by(found[name])} where the model in the configuration has "
            hint = _pointed_to(network, name, found[name], tuple(tensor.shape))
            accepted = "the options of its training"
            raise InputError(where, f"{said}{_by(tensor.shape)}{hint}", accepted)


def _few(names: list[str]) -> str:
    return f"{len(names)} ({', '.join(names[:3])}{', ...' if names[3:] else ''})"


def _by(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape)) or "a number"


def _pointed_to(
    network: nn.Module, name: str, found: tuple[int, ...], expected: tuple[int, ...]
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
        return f": channels {found[1]} in, its frames"
    return _at_the_end(network, name, names, found, expected)


def _at_the_end(
    network: Any, name: str, names: list[str], found: tuple[int, ...], expected: tuple[int, ...]
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


def _check_size(facts: Facts, path: Path | str) -> None:
    """Refuse facts of a network that the file does not hold, before memory is taken for it.

    Torch's device "meta" makes tensors without pixels.

    Raises
    ------
    InputError
    """
    if facts.classes:
        # The configuration's own class, which may do anything as it is made.
        return
    with torch.device("meta"):
        network = _built(facts, path)
    with safe_open(path, "pt") as stream:
        held = {n: tuple(stream.get_slice(n).get_shape()) for n in stream.keys()}  # noqa: SIM118
    _compare(network, held, path)


def load_weights(path: Path | str, python: Collection[str] = ()) -> tuple[SRNetwork, Facts]:
    """Read a network and its facts; nothing in the file is executed.

    Parameters
    ----------
    path : path-like
    python : collection of str
        Classes that the configuration names for this network or for members of it; weights alone
        never choose one.

    Raises
    ------
    InputError
        Not weights of this pipeline, or of a class that the configuration does not name.
    """
    facts = Facts.saved_in(path)
    facts.refuse_python(python, path)
    _check_size(facts, path)
    tensors = read_tensors(path)
    network = _built(facts, path)
    if network.state_dict():
        adopt(network, tensors, path)
    return network.eval(), facts


def _built(facts: Facts, path: Path | str) -> SRNetwork:
    try:
        made: SRNetwork = build(facts.arch, facts.scale, facts.options, facts.frames.count)
    except InputError as error:
        raise InputError(f"{path}: {error.where}", error.found, error.accepted) from error
    except RecursionError:
        raise InputError(path, "ensembles of ensembles without end", SAVED) from None
    return made

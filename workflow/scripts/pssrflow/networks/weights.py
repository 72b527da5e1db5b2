"""Weights that carry what is needed to use them; reading them executes nothing."""

import json

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from pssrflow.errors import InputError
from pssrflow.networks.registry import build


def save_weights(path, network, facts):
    """Write weights as safetensors; `facts` (JSON) hold `arch`, `scale` and `options` at least."""
    tensors = {name: t.detach().cpu().contiguous() for name, t in network.state_dict().items()}
    # safetensors refuses an empty file; bicubic has no weights.
    save_file(tensors or {"none": torch.zeros(1)}, path, metadata={"pssrflow": json.dumps(facts)})


def load_weights(path):
    """Read a network and its facts; safetensors hold no code, so nothing is executed.

    Raises
    ------
    InputError
        Not weights of this pipeline.
    """
    accepted = "weights that PSSRflow saved (.safetensors)"
    try:
        with safe_open(path, "pt") as stream:
            facts = json.loads((stream.metadata() or {}).get("pssrflow", "null"))
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, json.JSONDecodeError) as error:
        raise InputError(path, f"cannot be read as weights ({error})", accepted) from error
    if facts is None:
        raise InputError(path, "no PSSRflow facts in the file", accepted)
    network = build(facts["arch"], facts["scale"], **facts["options"])
    if network.state_dict():
        network.load_state_dict(tensors)
    return network.eval(), facts

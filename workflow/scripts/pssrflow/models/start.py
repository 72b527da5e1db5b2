"""The network that a training begins with."""

from dataclasses import replace

from pssrflow.models.facts import Facts
from pssrflow.models.model import Model
from pssrflow.models.weights import adopt, read_tensors
from pssrflow.networks.contract import SRNetwork
from pssrflow.networks.registry import build


def start(model: Model, scale: int) -> tuple[SRNetwork, Facts]:
    """The network that a training begins with, and its facts.

    Parameters
    ----------
    model : Model
    scale : int
        HR pixels per LR pixel of the configuration.

    Raises
    ------
    InputError
        Weights of another architecture, scale or number of channels.
    """
    network: SRNetwork = build(model.arch, scale, model.options.plain(), model.frames.count)
    if model.weights:
        adopt(network, read_tensors(model.weights), model.weights)
    network.requires_grad_(model.train)
    facts = Facts(model.arch, scale, model.options.plain(), model.frames)
    return network, facts if model.intensity is None else replace(facts, intensity=model.intensity)

"""The network that a training begins with."""

from pssrflow.models.facts import Facts
from pssrflow.models.model import Model
from pssrflow.models.weights import adopt, read_tensors
from pssrflow.networks.contract import SRNetwork
from pssrflow.networks.registry import build


def start(model: Model, scale: int) -> tuple[SRNetwork, Facts]:
    """The network that a training begins with, and what goes with its weights.

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
    network: SRNetwork = build(model.arch, scale, model.options)
    if model.weights:
        tensors, _ = read_tensors(model.weights)
        adopt(network, tensors, model.weights)
    network.requires_grad_(model.train)
    seen = {} if model.intensity is None else {"intensity": model.intensity}
    return network, Facts(model.arch, scale, model.options.plain(), **seen)

"""A network of the configuration."""

from pssrflow.models.weights import adopt, read_tensors
from pssrflow.networks.options import NO_OPTIONS
from pssrflow.networks.registry import build


def start(model, scale):
    """The network that a training begins with, and what goes with its weights.

    Parameters
    ----------
    model : dict
        A network of the configuration.
    scale : int
        HR pixels per LR pixel of the configuration.

    Returns
    -------
    torch.nn.Module, dict

    Raises
    ------
    InputError
        Weights of another architecture, scale or number of channels.
    """
    options = {k: v for k, v in model.items() if k not in NO_OPTIONS}
    network = build(model["arch"], scale, **options)
    if model.get("weights"):
        tensors, _ = read_tensors(model["weights"])
        adopt(network, tensors, model["weights"])
    network.requires_grad_(model.get("train", True))
    facts = {
        "arch": model["arch"],
        "scale": scale,
        "options": options,
        "frames": 1,
        "intensity": model.get("intensity", "window"),
    }
    return network, facts

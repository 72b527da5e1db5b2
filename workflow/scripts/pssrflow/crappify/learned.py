"""Networks of scale 1 that degrade an image: how they are built, saved, loaded and run."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from pssrflow.errors import InputError
from pssrflow.models.facts import Facts
from pssrflow.models.weights import load_weights, save_weights
from pssrflow.networks.receptive_field import receptive_halo

ACCEPTED = "weights of scale 1 that PSSRflow saved (.safetensors)"


class NoiseModel(nn.Module):
    """What a detector makes of a clean pixel and its surroundings: a mean and a spread.

    Maps (n, 1, y, x), 0 black to 1 white, to (n, 2, y, x): the mean, and the logarithm of the
    standard deviation. The mean starts as the input.

    Parameters
    ----------
    width : int
        Channels.
    depth : int
        Convolutions of 3 x 3 between the first and the last.
    """

    scale = 1
    stride = 1

    def __init__(self, width: int = 24, depth: int = 2):
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(1, width, 3, padding=1), nn.GELU()]
        for _ in range(depth):
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.GELU()]
        last = nn.Conv2d(width, 2, 3, padding=1)
        nn.init.zeros_(last.weight)
        last.bias = nn.Parameter(torch.tensor([0.0, -3.0]))
        self.layers = nn.Sequential(*layers, last)
        self.halo = depth + 2

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        mean, spread = self.layers(images - 0.5).chunk(2, dim=1)
        return torch.cat([images + mean, spread], dim=1)


@dataclass
class Loaded:
    """A network ready to run on arrays.

    Attributes
    ----------
    network : torch.nn.Module
    halo : int
        Pixels around a window that reach into it.
    """

    network: nn.Module
    halo: int

    def run(self, image: np.ndarray) -> np.ndarray:
        """Channels (1 or 2, y, x) of float32 that the network makes of an image, 0 to 1."""
        with torch.inference_mode():
            found = self.network(torch.from_numpy(np.ascontiguousarray(image))[None, None])
        return found[0].float().numpy()


def save(path: Path | str, network: NoiseModel, options: dict[str, int]) -> None:
    """Write a `NoiseModel`; `options` are what it was made with."""
    save_weights(path, network, Facts("noise", 1, options))


def load(path: Path | str) -> Loaded:
    """Read a network of scale 1; safetensors hold no code, so nothing is executed.

    Raises
    ------
    InputError
        Not such weights.
    """
    try:
        with safe_open(path, "pt") as stream:
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InputError(path, f"cannot be read as weights ({error})", ACCEPTED) from error
    facts = Facts.read(path)
    if facts is None or facts.scale != 1:
        raise InputError(path, f"weights of scale {facts and facts.scale}", ACCEPTED)
    if facts.arch != "noise":
        # A network that was trained to restore or denoise may as well degrade.
        network, _ = load_weights(path)
        return Loaded(network, receptive_halo(network))
    network = NoiseModel(**facts.options)
    network.load_state_dict(tensors)
    return Loaded(network.eval(), network.halo)

"""Networks of scale 1 that degrade an image: how they are built, saved, loaded and run."""

from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
import torch
from torch import nn

from pssrflow.errors import InputError
from pssrflow.keys import Keys, key
from pssrflow.models.facts import Facts
from pssrflow.models.weights import adopt, load_weights, read_saved, save_weights
from pssrflow.networks.receptive_field import receptive_halo

ACCEPTED = "weights of scale 1 that PSSRflow saved (.safetensors)"


class Size(Keys):
    """How large a `NoiseModel` is."""

    width: int = key(24, "Channels.", ge=1, le=1024)
    depth: int = key(2, "Convolutions of 3 x 3 between the first and the last.", ge=0, le=64)


USUAL = Size()


class NoiseModel(nn.Module):
    """What a detector makes of a clean pixel and its surroundings: a mean and a spread.

    Maps (n, 1, y, x), 0 black to 1 white, to (n, 2, y, x): the mean, and the logarithm of the
    standard deviation. The mean starts as the input.

    Parameters
    ----------
    size : Size
    """

    scale = 1
    stride = 1

    def __init__(self, size: Size = USUAL):
        super().__init__()
        width = size.width
        layers: list[nn.Module] = [nn.Conv2d(1, width, 3, padding=1), nn.GELU()]
        for _ in range(size.depth):
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.GELU()]
        last = nn.Conv2d(width, 2, 3, padding=1)
        nn.init.zeros_(last.weight)
        last.bias = nn.Parameter(torch.tensor([0.0, -3.0]))
        self.layers = nn.Sequential(*layers, last)
        self.halo = size.depth + 2

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


def save(path: str | PathLike[str], network: NoiseModel, options: dict[str, int]) -> None:
    """Write a `NoiseModel`; `options` are what it was made with."""
    save_weights(Path(path), network, Facts("noise", 1, options))


def load(path: Path | str) -> Loaded:
    """Read a network of scale 1; safetensors hold no code, so nothing is executed.

    Raises
    ------
    InputError
        Not such weights.
    """
    tensors, facts = read_saved(path, ACCEPTED)
    if facts.scale != 1:
        raise InputError(path, f"weights of scale {facts.scale}", ACCEPTED)
    if facts.arch != "noise":
        # A network that was trained to restore or denoise may as well degrade.
        restoring, _ = load_weights(path)
        return Loaded(restoring, receptive_halo(restoring))
    network = NoiseModel(Size.parse(facts.options, str(path)))
    adopt(network, tensors, path)
    return Loaded(network.eval(), network.halo)

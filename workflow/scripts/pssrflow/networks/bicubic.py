"""No network at all: the baseline, and what is left of the time when the network is free."""

from torch import Tensor, nn

from pssrflow.networks.contract import middle
from pssrflow.networks.options import NetworkOptions
from pssrflow.volumes.interpolation import bicubic


class Options(NetworkOptions):
    """There is nothing to choose."""


class Network(nn.Module):
    """The baseline, and what is left of the time when the network is free."""

    stride = 1

    def __init__(self, scale: int, options: Options | None = None, frames: int = 1):
        super().__init__()
        self.scale, self.frames = scale, frames

    def forward(self, images: Tensor) -> Tensor:
        return bicubic(middle(images), self.scale)

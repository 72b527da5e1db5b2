"""No network at all: the baseline, and what is left of the time when the network is free."""

from torch import Tensor, nn

from pssrflow.networks.options import NetworkOptions
from pssrflow.volumes.interpolation import bicubic


class Options(NetworkOptions):
    """There is nothing to choose."""


class Network(nn.Module):
    """The baseline, and what is left of the time when the network is free."""

    stride = 1

    def __init__(self, scale: int, options: Options | None = None):
        super().__init__()
        self.scale = scale

    def forward(self, images: Tensor) -> Tensor:
        return bicubic(images, self.scale)

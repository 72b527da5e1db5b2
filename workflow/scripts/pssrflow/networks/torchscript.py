"""A network that came as TorchScript, in a model package of somebody else."""

import io
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from pssrflow.keys import key
from pssrflow.networks.options import NetworkOptions

# Bytes of a script; those of a whole package.
LARGEST = 4 << 30


class Options(NetworkOptions):
    """What the package says of the script; the configuration has no say in it."""

    whole_image = True
    stride: int = key(..., "LR pixels by which sizes may differ from the least one.", ge=1)
    minimum: int = key(..., "LR pixels that the network takes at least.", ge=1)
    halo: int = key(..., "LR pixels that tiles need around them; a multiple of `stride`.", ge=0)
    size: int = key(..., "Bytes of the script.", ge=0, le=LARGEST)


class Network(nn.Module):
    """TorchScript, kept as its bytes so that it travels like any other weights.

    Torch's interpreter runs it: no Python of the package is executed. It still is a program that
    somebody else wrote, so it is loaded when it is first used, not when the weights are read.

    Parameters
    ----------
    scale : int
    options : Options
    frames : int
        One: packages of others have one channel.
    """

    script: torch.Tensor

    def __init__(self, scale: int, options: Options, frames: int = 1):
        super().__init__()
        self.scale, self.stride, self.frames = scale, options.stride, frames
        self.minimum, self.halo = options.minimum, options.halo
        self.register_buffer("script", torch.zeros(options.size, dtype=torch.uint8))
        self._loaded: dict[torch.device, Any] = {}

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        device, (height, width) = self.script.device, images.shape[-2:]
        padding = (0, self._missing(width), 0, self._missing(height))
        padded = F.pad(images.float().to(device), padding, mode="replicate")
        # The script was written for float32; autocast would change its operations.
        with torch.autocast(device.type, enabled=False):
            made = self._network(device)(padded)
        return made[..., : height * self.scale, : width * self.scale]

    def _missing(self, length: int) -> int:
        return max(self.minimum - length, (self.minimum - length) % self.stride)

    def _network(self, device: torch.device) -> Any:
        if device not in self._loaded:
            stream = io.BytesIO(self.script.cpu().numpy().tobytes())
            # In a dict, so that torch does not take it for a part with weights of its own.
            self._loaded[device] = torch.jit.load(stream, map_location=device).eval()
        return self._loaded[device]

"""A network that came as TorchScript, in a model package of somebody else."""

import io

import torch
from torch import nn
from torch.nn import functional as F


class Scripted(nn.Module):
    """TorchScript, kept as its bytes so that it travels like any other weights.

    Torch's interpreter runs it: no Python of the package is executed. It still is a program that
    somebody else wrote, so it is loaded when it is first used, not when the weights are read.

    Parameters
    ----------
    scale : int
    stride, minimum : int
        LR pixels: the network takes `minimum` and any number of `stride` more.
    halo : int
        LR pixels that the package says its tiles need; a multiple of `stride`.
    size : int
        Bytes of the script.
    """

    def __init__(self, scale, stride, minimum, halo, size):
        super().__init__()
        self.scale, self.stride, self.minimum, self.halo = scale, stride, minimum, halo
        self.register_buffer("script", torch.zeros(size, dtype=torch.uint8))
        self._loaded = {}

    def forward(self, images):
        device, (height, width) = self.script.device, images.shape[-2:]
        padding = (0, self._missing(width), 0, self._missing(height))
        padded = F.pad(images.float().to(device), padding, mode="replicate")
        # The script was written for float32; autocast would change its operations.
        with torch.autocast(device.type, enabled=False):
            made = self._network(device)(padded)
        return made[..., : height * self.scale, : width * self.scale]

    def _missing(self, length):
        return max(self.minimum - length, (self.minimum - length) % self.stride)

    def _network(self, device):
        if device not in self._loaded:
            stream = io.BytesIO(self.script.cpu().numpy().tobytes())
            # In a dict, so that torch does not take it for a part with weights of its own.
            self._loaded[device] = torch.jit.load(stream, map_location=device).eval()
        return self._loaded[device]

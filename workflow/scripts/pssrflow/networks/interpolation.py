"""Plain interpolation: the baseline of every comparison, and what networks add detail to."""

from torch import nn
from torch.nn import functional as F


def bicubic(images, scale):
    """Bicubic interpolation of (n, c, y, x); LR pixel i covers HR pixels scale*i + 0 to scale - 1.

    `antialias` changes nothing when enlarging but the kernel: Keys' a = -1/2, as in Pillow and
    MATLAB, which keeps straight ramps straight; without it torch takes -3/4.
    """
    return F.interpolate(images.float(), scale_factor=float(scale), mode="bicubic", antialias=True)


class Bicubic(nn.Module):
    """No network at all: the baseline, and what is left of the time when the network is free."""

    stride = 1

    def __init__(self, scale):
        super().__init__()
        self.scale = scale

    def forward(self, images):
        return bicubic(images, self.scale)

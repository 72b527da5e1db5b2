"""Networks: one registry, one interface, weights that carry what is needed to use them.

A network maps (n, 1, y, x) float32 to (n, 1, scale * y, scale * x), for any y and x. Grey levels
are scaled with the constants of the acquisition: its low percentile is 0, its high one is 1.
"""

from pssrflow.networks.interpolation import Bicubic, bicubic
from pssrflow.networks.reach import receptive_halo
from pssrflow.networks.registry import ARCHITECTURES, build
from pssrflow.networks.unet import UNet
from pssrflow.networks.weights import load_weights, save_weights

__all__ = [
    "ARCHITECTURES",
    "Bicubic",
    "UNet",
    "bicubic",
    "build",
    "load_weights",
    "receptive_halo",
    "save_weights",
]

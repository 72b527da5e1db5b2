"""Networks by name: the one place where an architecture is added."""

from pssrflow.networks.interpolation import Bicubic
from pssrflow.networks.unet import UNet

# Adding an architecture: one module, one line here, its options in the schema.
ARCHITECTURES = {"unet": UNet, "bicubic": Bicubic}


def build(arch, scale, **options):
    """Make a network with fresh weights."""
    return ARCHITECTURES[arch](scale, **options)

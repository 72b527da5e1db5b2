"""Networks by name: the one place where an architecture is added."""

from pssrflow.errors import InputError
from pssrflow.networks.bicubic import Bicubic
from pssrflow.networks.custom import own_network
from pssrflow.networks.ensemble import Ensemble
from pssrflow.networks.pssr2.rdresunet import RDResUNet, rdresunet_a
from pssrflow.networks.pssr2.resunet import ResUNet, resunet_a
from pssrflow.networks.pssr2.swinir import SwinIR
from pssrflow.networks.torchscript import Scripted
from pssrflow.networks.unet import UNet


def _ensemble(scale, members):
    return Ensemble(scale, [build(m["arch"], scale, **m["options"]) for m in members])


# Adding an architecture: one module, one line here, its options in the schema.
ARCHITECTURES = {
    "unet": UNet,
    "bicubic": Bicubic,
    "resunet": ResUNet,
    "resunet_a": resunet_a,
    "rdresunet": RDResUNet,
    "rdresunet_a": rdresunet_a,
    "swinir": SwinIR,
    "custom": own_network,
    # Of networks that were trained on their own; see `train.ensemble`.
    "ensemble": _ensemble,
    # Of a model package; its sizes come from there, not from the configuration.
    "torchscript": Scripted,
}


def build(arch, scale, **options):
    """Make a network with fresh weights.

    Raises
    ------
    InputError
        No such architecture, or options that do not go together.
    """
    if arch not in ARCHITECTURES:
        raise InputError("arch", f"found {arch!r}", ", ".join(ARCHITECTURES))
    return ARCHITECTURES[arch](scale, **options)

"""The networks of PSSR2, written anew with its parameter names, so that its weights load."""

from pssrflow.networks.pssr2.rdresunet import RDResUNet, rdresunet_a
from pssrflow.networks.pssr2.resunet import ResUNet, resunet_a
from pssrflow.networks.pssr2.swinir import SwinIR

__all__ = ["RDResUNet", "ResUNet", "SwinIR", "rdresunet_a", "resunet_a"]

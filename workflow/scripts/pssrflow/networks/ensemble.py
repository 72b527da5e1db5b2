"""Several networks as one: their mean, which is better than most of them, and how they differ."""

import math
from collections.abc import Sequence

from torch import Tensor, nn

from pssrflow.keys import JsonObject, Keys, key
from pssrflow.networks.contract import SRNetwork
from pssrflow.networks.options import NetworkOptions
from pssrflow.networks.registry import build


class Member(Keys):
    """One of the networks."""

    arch: str = key(..., "Its architecture.")
    options: JsonObject = key(..., "Options of that architecture.")


class Options(NetworkOptions):
    """Which networks, as the weights say; a configuration names models or files instead."""

    members: tuple[Member, ...] = key(..., "The networks, in order.", min_length=1)


class Ensemble(SRNetwork):
    """Mean of several networks (Hansen & Salamon 1990, doi:10.1109/34.58871).

    Parameters
    ----------
    scale : int
    members : sequence of SRNetwork
    """

    def __init__(self, scale: int, members: Sequence[SRNetwork]):
        super().__init__()
        self.scale, self.members = scale, nn.ModuleList(members)
        self.stride = math.lcm(*(member.stride for member in members))
        self.global_pooling = any(getattr(m, "global_pooling", False) for m in members)

    def forward(self, images: Tensor) -> Tensor:
        return sum(member(images) for member in self.members) / len(self.members)


def Network(scale: int, options: Options) -> Ensemble:
    """An ensemble of fresh networks."""
    return Ensemble(scale, [build(m.arch, scale, m.options) for m in options.members])

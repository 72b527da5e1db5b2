"""Several networks as one: their mean, which is better than most of them, and how they differ."""

import math
from collections.abc import Sequence

from torch import Tensor, nn

from pssrflow.keys import JsonObject, Keys, key
from pssrflow.networks.contract import SRNetwork
from pssrflow.networks.frames import ONE, Frames, most_of
from pssrflow.networks.options import NetworkOptions
from pssrflow.networks.registry import build


class Member(Keys):
    """One of the networks."""

    arch: str = key(..., "Its architecture.")
    options: JsonObject = key(..., "Options of that architecture.")
    frames: Frames = key(ONE, "Planes that it sees at once.")


class Options(NetworkOptions):
    """Which networks, as the weights say; a configuration names models or files instead."""

    members: tuple[Member, ...] = key(..., "The networks, in order.", min_length=1)

    @property
    def frames(self) -> Frames:
        """Of all members together: each takes its own from the middle."""
        return most_of(member.frames for member in self.members)


class Ensemble(SRNetwork):
    """Mean of several networks (Hansen & Salamon 1990, doi:10.1109/34.58871).

    Parameters
    ----------
    scale : int
    members : sequence of SRNetwork
    frames : sequence of Frames
        Of each member.
    """

    def __init__(self, scale: int, members: Sequence[SRNetwork], frames: Sequence[Frames]):
        super().__init__()
        most = most_of(frames)
        self.frames, self.seen = most.count, [most.inner(each) for each in frames]
        self.scale, self.members = scale, nn.ModuleList(members)
        self.stride = math.lcm(*(member.stride for member in members))
        # Of each member, which was trained on a split of its own.
        self.looks = [(member.stride, each) for member, each in zip(members, frames)]
        self.global_pooling = any(getattr(m, "global_pooling", False) for m in members)

    def forward(self, images: Tensor) -> Tensor:
        made = (member(images[:, seen]) for member, seen in zip(self.members, self.seen))
        return sum(made) / len(self.members)


def Network(scale: int, options: Options, frames: int = 1) -> Ensemble:
    """An ensemble of fresh networks; its members say which frames they see."""
    made = [build(m.arch, scale, m.options, m.frames.count) for m in options.members]
    return Ensemble(scale, made, [m.frames for m in options.members])

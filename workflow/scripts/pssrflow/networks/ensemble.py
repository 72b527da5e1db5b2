"""Several networks as one: their mean, which is better than most of them, and how they differ."""

import math

from torch import nn


class Ensemble(nn.Module):
    """Mean of several networks (Hansen & Salamon 1990, doi:10.1109/34.58871).

    Parameters
    ----------
    scale : int
    members : list of torch.nn.Module
    """

    def __init__(self, scale, members):
        super().__init__()
        self.scale, self.members = scale, nn.ModuleList(members)
        self.stride = math.lcm(*(member.stride for member in members))
        self.global_pooling = any(getattr(m, "global_pooling", False) for m in members)

    def forward(self, images):
        return sum(member(images) for member in self.members) / len(self.members)

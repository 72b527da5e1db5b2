"""How far pixels reach through a network."""

import copy

import torch
from torch import nn


def receptive_halo(network):
    """LR pixels around a tile that can change it, by following gradients through the network.

    Returns
    -------
    int
        A multiple of the network's stride.
    """
    stride, size = network.stride, 64
    probe = _positive_copy(network)
    while True:
        reach = _gradient_reach(probe, size, stride)
        if reach < size:
            return -(-reach // stride) * stride
        size *= 2


def _positive_copy(network):
    """Copy with positive weights, in which no path through the network cancels another."""
    probe = copy.deepcopy(network).double().cpu().train(False)
    for name, parameter in probe.named_parameters():
        fan = parameter[0].numel() if parameter.dim() > 1 else 1
        nn.init.constant_(parameter, 1 / fan if name.endswith("weight") else 0.0)
    return probe


def _gradient_reach(probe, margin, stride):
    image = torch.ones(1, 1, 2 * margin + stride, 2 * margin + stride, dtype=torch.float64)
    image.requires_grad_(True)
    inner = slice(margin * probe.scale, (margin + stride) * probe.scale)
    probe(image)[..., inner, inner].sum().backward()
    hit = torch.nonzero(image.grad[0, 0])
    return int(max(margin - hit.min(), hit.max() - (margin + stride - 1)))

"""How far pixels reach through a network."""

import copy
from typing import Any

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from pssrflow.networks.contract import SRNetwork

# LR pixels; a network that looks further looks at the whole image, as far as tiles go.
FURTHEST = 1024
# LR pixels across the strip that is probed: more than kernels mirror at an edge.
ACROSS = 64
# Of networks that offer a thin copy: they mirror nothing at whole strides.
ACROSS_THIN = 8
# Functions that never let a pixel reach further, but may hide that one does: rectifiers, what
# subtracts a mean, and rounding to 32 bit.
TRANSPARENT = {
    "float",
    "relu",
    "relu_",
    "relu6",
    "leaky_relu",
    "leaky_relu_",
    "hardtanh",
    "hardtanh_",
    "hardsigmoid",
    "hardswish",
    "elu",
    "gelu",
    "silu",
    "mish",
    "softplus",
    "sigmoid",
    "tanh",
    "clamp",
    "dropout",
    "dropout2d",
    "batch_norm",
    "layer_norm",
    "rms_norm",
}


def receptive_halo(network: SRNetwork) -> int:
    """LR pixels around a tile that can change it, by following gradients through the network.

    What a network with `global_pooling` takes from the mean of the whole image does not count:
    no halo holds it. A network of one's own that looks at everything has a halo of `FURTHEST`.

    Returns
    -------
    int
        A multiple of the network's stride.
    """
    offers: Any = network
    if hasattr(network, "members"):
        furthest = max(receptive_halo(member) for member in offers.members)
        return -(-furthest // network.stride) * network.stride
    # Weights of a script cannot be changed; its package says how far it reaches.
    if hasattr(network, "halo"):
        return int(offers.halo)
    stride = network.stride
    probe = _positive_copy(network)
    margin = -(-64 // stride) * stride
    while True:
        # Networks that offer a thin copy treat both axes alike.
        axes = (3,) if hasattr(network, "thin") else (2, 3)
        reach = max(_gradient_reach(probe, margin, stride, axis) for axis in axes)
        if reach < margin or margin >= FURTHEST:
            return min(-(-reach // stride) * stride, margin)
        margin *= 2


def _positive_copy(network: Any) -> Any:
    """Copy with positive weights, in which no path through the network cancels another."""
    # Channels matter only to the time that this takes.
    probe = network.thin() if hasattr(network, "thin") else copy.deepcopy(network)
    probe = probe.double().cpu().train(False)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in probe.named_parameters():
            fan = parameter[0].numel() if parameter.dim() > 1 else 1
            draw = torch.rand(parameter.shape, generator=generator, dtype=torch.float64)
            # Not all the same: what subtracts a mean would leave nothing.
            parameter.copy_(0 * draw if name.endswith("bias") else (0.5 + draw) / fan)
    return probe


def _gradient_reach(probe: Any, margin: int, stride: int, axis: int) -> int:
    """LR pixels before or after a square of `stride` pixels that change it, along one axis."""
    across = ACROSS_THIN if hasattr(probe, "thin") else ACROSS
    size = [0, 0, *[-(-across // stride) * stride] * 2]
    size[axis] = 2 * margin + stride
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(1, probe.frames, *size[2:], generator=generator, dtype=torch.float64)
    image.requires_grad_(True)
    with _Transparent(probe):
        made = probe(image)
        inside = made.narrow(axis, margin * probe.scale, stride * probe.scale).sum()
        (gradient,) = torch.autograd.grad(inside, image)
    hit = torch.nonzero(gradient)[:, axis]
    return int(max(margin - hit.min(), hit.max() - (margin + stride - 1)))


class _Transparent(TorchFunctionMode):
    """Lets every path through a network be seen, while it runs."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.global_pooling = getattr(network, "global_pooling", False)

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        name, kwargs = getattr(function, "__name__", "").lstrip("_"), kwargs or {}
        if name in TRANSPARENT:
            return kwargs.get("input", args[0] if args else None)
        if name == "max_pool2d":
            return _mean_pooled(*args, **kwargs)
        if name == "scaled_dot_product_attention":
            return _evenly_seen(*args, **kwargs)
        made = function(*args, **kwargs)
        return made.detach() if name == "mean" and self.global_pooling else made


def _mean_pooled(
    input: torch.Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, *_: Any, **__: Any
) -> torch.Tensor:
    """All pixels of which the maximum might be taken, instead of one."""
    return F.avg_pool2d(input, kernel_size, stride, padding)


def _evenly_seen(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: Any = None,
    *_: Any,
    **__: Any,
) -> torch.Tensor:
    """What attention may look at, all with the same weight; a mask of -100 or less hides."""
    shape = (*query.shape[:-1], key.shape[-2])
    seen = torch.ones(shape, dtype=value.dtype)
    if attn_mask is not None:
        seen = seen * (attn_mask > -50 if attn_mask.dtype != torch.bool else attn_mask)
    return seen / seen.sum(-1, keepdim=True) @ value

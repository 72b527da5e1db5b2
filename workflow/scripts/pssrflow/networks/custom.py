"""A user's own network: a class that is named in the configuration."""

from typing import Any

import torch
from torch import nn

from pssrflow.errors import InputError
from pssrflow.keys import JsonObject, key
from pssrflow.networks.options import NetworkOptions
from pssrflow.networks.pssr2.blocks import pad
from pssrflow.plugins import foreign, load_class

CONTRACT = (
    "a torch.nn.Module, made as Class(scale=..., **options), and with frames=... where it sees "
    "several planes, that maps float32 images (n, frames, y, x) from 0 to 1, which it does not "
    "write to, to finite ones (n, 1, scale * y, scale * x)"
)


class Options(NetworkOptions):
    """A class that the configuration names; weights never choose one."""

    whole_image = True
    path: str = key(..., "Your class: file.py:Class, or package.module:Class that can be imported.")
    options: JsonObject = key({}, "Keyword arguments of the class, besides scale.")


def Network(scale: int, options: Options, frames: int = 1) -> nn.Module:
    """Make a user's own network, and try it on a small image.

    Images reach it with a height and width that are multiples of its attribute `stride`
    (1 unless it has one), whatever their size was.

    Raises
    ------
    InputError
        The class cannot be found or made, or does not keep `CONTRACT`.
    """
    path, given = options.path, options.options
    found = load_class(path)
    if not issubclass(found, nn.Module):
        raise InputError(path, "no torch.nn.Module", CONTRACT)
    given = given | ({"frames": frames} if frames > 1 else {})
    with foreign(path, f"scale {scale}, options {given} refused: it raised", CONTRACT):
        network = type(found.__name__, (_AnySize, found), {})(scale=scale, **given)
    _place(network, scale, frames, path)
    _try(network, path)
    return network


class _AnySize(nn.Module):
    """Comes before the user's class: pads what it takes, crops what it gives."""

    scale: int
    stride: int
    frames: int

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        height, width = images.shape[-2:]
        images = pad(images, -height % self.stride, -width % self.stride)
        made = super().forward(images)
        whole = tuple(self.scale * size for size in images.shape[-2:])
        if not isinstance(made, torch.Tensor) or tuple(made.shape[-2:]) != whole:
            # Cropping would hide what is wrong with it.
            return made
        return made[..., : height * self.scale, : width * self.scale]


def _place(network: Any, scale: int, frames: int, path: str) -> None:
    """See to the attributes that every network of this pipeline has."""
    stride = getattr(network, "stride", 1)
    if isinstance(stride, bool) or not isinstance(stride, int) or not 1 <= stride <= 1024:
        raise InputError(path, f"stride is {stride!r}", "a whole number from 1 to 1024")
    network.scale, network.stride, network.frames = scale, stride, frames


def _try(network: Any, path: str) -> None:
    # Odd sizes, and larger than most kernels.
    size = [max(32, 2 * network.stride) + odd for odd in (1, 3)]
    image = torch.linspace(0, 1, size[0] * size[1]).view(1, 1, *size)
    image = image.expand(1, network.frames, *size).clone()
    training, given = network.training, image.clone()
    with foreign(path, f"on an image of {size} it raised", CONTRACT), torch.no_grad():
        found = network.eval()(given)
    network.train(training)
    if not torch.equal(given, image):
        raise InputError(path, "wrote to the image that it was given", CONTRACT)
    _check(found, (1, 1, *(n * network.scale for n in size)), path)


def _check(found: Any, shape: tuple[int, ...], path: str) -> None:
    if not isinstance(found, torch.Tensor):
        raise InputError(path, f"returned {type(found).__name__}, no tensor", CONTRACT)
    if tuple(found.shape) != shape:
        raise InputError(path, f"returned shape {tuple(found.shape)}, not {shape}", CONTRACT)
    if found.dtype != torch.float32:
        raise InputError(path, f"returned dtype {found.dtype}", CONTRACT)
    if not torch.isfinite(found).all():
        raise InputError(path, "returned NaN or infinity", CONTRACT)

"""How well a network does on the held-out patches, whose noise never changes."""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import lightning_fabric
import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from pssrflow.errors import InputError
from pssrflow.networks.contract import middle
from pssrflow.pairs.patches import Patches
from pssrflow.run.files import replacing
from pssrflow.volumes.interpolation import bicubic

PATCHES = 64
PREVIEW_PIXELS = 96


class Validation:
    """Held-out patches, drawn once, and what a network makes of them.

    Parameters
    ----------
    fabric : lightning_fabric.Fabric
    held : Patches or None
    scale : int

    Raises
    ------
    InputError
        No held-out pixel counts.
    """

    def __init__(self, fabric: lightning_fabric.Fabric, held: Patches | None, scale: int):
        self.fabric, self.scale = fabric, scale
        drawn = [held.batch([n]) for n in range(PATCHES)] if held else []
        self.patches = [tensors(arrays) for arrays in drawn]
        if self.patches and all(len(p) > 2 and not p[2].any() for p in self.patches):
            raise InputError(
                "train.validation",
                "every pixel that is held out has the weight 0, or a mask leaves it out",
                "masks and weights that are not 0 at the bottom of each field, a `crop`, or 0",
            )

    def measure(self, network: nn.Module) -> dict[str, float]:
        """PSNR in decibel of the network and of bicubic interpolation; NaN without patches.

        The range is that of the scaling: the acquisition's display window, or its detector's.
        Pixels count by their weights, if there are any.
        """
        if not self.patches:
            return {"psnr": float("nan"), "psnr_bicubic": float("nan")}
        with evaluating(network):
            errors = [self._errors(network, *patch) for patch in self.patches]
        *squares, weight = torch.tensor(errors, dtype=torch.float64).mean(0)
        predicted, plain = (-10 * torch.log10(s / weight).item() for s in squares)
        return {"psnr": predicted, "psnr_bicubic": plain}

    def _errors(self, network, lr, hr, *weight):
        """Squared errors of prediction and bicubic interpolation, and weights: means of a patch."""
        _, *made, truth = self.images(network, lr, hr)
        weight = self.fabric.to_device(*weight) if weight else torch.ones_like(truth)
        squares = [(image - truth).square() * weight for image in made]
        return [mean.mean().item() for mean in (*squares, weight)]

    def images(self, network: nn.Module, lr: Tensor, hr: Tensor) -> tuple[Tensor, ...]:
        """LR image (the plane that is made), prediction, bicubic one and truth, on the device."""
        lr, hr = self.fabric.to_device((lr, hr))
        with torch.inference_mode(), self.fabric.autocast():
            predicted = network(lr.contiguous(memory_format=torch.channels_last)).float()
        lr = middle(lr)
        return lr, predicted, bicubic(lr, self.scale), hr

    def preview(self, network: nn.Module, path: Path) -> None:
        """Write LR | bicubic | prediction | truth of one patch, at the same contrast."""
        if not self.patches:
            return
        with evaluating(network):
            lr, predicted, plain, hr = self.images(network, *self.patches[-1][:2])
        size = [min(n, PREVIEW_PIXELS * self.scale) for n in hr.shape[-2:]]
        nearest = F.interpolate(lr, hr.shape[-2:], mode="nearest")
        shown = nearest, plain, predicted, hr
        images = [i[0, 0, : size[0], : size[1]].cpu().numpy() for i in shown]
        low, high = np.percentile(images[-1], (0.5, 99.5))
        grey = np.clip((np.hstack(images) - low) / max(high - low, 1e-6) * 255, 0, 255)
        with replacing(path) as scratch:
            Image.fromarray(grey.astype(np.uint8)).save(scratch, "png")


def tensors(arrays: Iterable[np.ndarray]) -> tuple[Tensor, ...]:
    """Arrays as tensors, without a copy where they are contiguous."""
    return tuple(torch.from_numpy(np.ascontiguousarray(a)) for a in arrays)


@contextlib.contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Network in the mode of prediction for a while: no dropout, fixed statistics."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)

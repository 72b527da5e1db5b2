"""What every network offers, whichever architecture it is of."""

from typing import Any, Protocol, Self

import torch


class Network(Protocol):
    """Makes SR images of LR images, as a `torch.nn.Module` with these attributes.

    Some offer more: `members`, networks that are averaged; `halo`, LR pixels that somebody else
    says its tiles need; `global_pooling`, where it sees the mean of the whole image; `thin()`, a
    copy of few channels that reaches equally far.

    Attributes
    ----------
    scale : int
        SR pixels per LR pixel, along y and along x.
    stride : int
        LR pixels: images shifted by whole strides give shifted results.
    """

    scale: int
    stride: int

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Images (n, frames, y, x) from 0 to 1 become (n, 1, scale * y, scale * x)."""
        ...

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """As `torch.nn.Module.to`."""
        ...

    def eval(self) -> Self:
        """As `torch.nn.Module.eval`."""
        ...

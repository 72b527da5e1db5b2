"""What every network offers, whichever architecture it is of."""

from torch import Tensor, nn


class SRNetwork(nn.Module):
    """Makes SR images (n, 1, scale * y, scale * x) of LR images (n, frames, y, x) from 0 to 1.

    For annotations: a network is any module with these attributes, derived from this class or not.
    Some offer more: `members`, networks that are averaged; `halo`, LR pixels that somebody else
    says its tiles need; `global_pooling`, where it sees the mean of the whole image; `thin()`, a
    copy of few channels that reaches equally far.

    Attributes
    ----------
    scale : int
        SR pixels per LR pixel, along y and along x.
    stride : int
        LR pixels: images shifted by whole strides give shifted results.
    frames : int
        LR planes that are seen at once; the one in their middle is made.
    """

    scale: int
    stride: int
    frames: int


def middle(images: Tensor) -> Tensor:
    """The plane that is made, (n, 1, y, x), of the planes that are seen, (n, frames, y, x)."""
    half = images.shape[1] // 2
    return images[:, half : half + 1]

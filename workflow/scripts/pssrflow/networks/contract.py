"""What every network offers, whichever architecture it is of."""

from torch import nn


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
    """

    scale: int
    stride: int

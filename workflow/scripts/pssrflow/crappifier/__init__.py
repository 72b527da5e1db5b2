"""The crappifier: high-resolution planes made to look as if scanned fast at low resolution."""

from pssrflow.crappifier.chain import (  # noqa: F401
    KERNELS,
    NOISE_BLOCK,
    Crappifier,
    NoiseKey,
    Step,
    crappify_patch,
    crappify_plane,
    crappify_region,
    downsample_region,
    lr_shape,
)

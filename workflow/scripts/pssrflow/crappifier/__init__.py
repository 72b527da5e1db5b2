"""The crappifier: high-resolution planes made to look as if scanned fast at low resolution.

`downsampling` is what an LR pixel sees, `scanner` what a real scan does to it, `noise` the
published degradations, `custom` a user's own; `registry` finds
them by name, `chain` runs them in order.
"""

from pssrflow.crappifier.chain import (
    Crappifier,
    NoiseKey,
    crappify_patch,
    crappify_plane,
    crappify_region,
    lr_shape,
)
from pssrflow.crappifier.downsampling import KERNELS, Downsampling
from pssrflow.crappifier.noise import Blur, Gaussian, LocalGaussian, Poisson, SaltPepper
from pssrflow.crappifier.presets import PRESETS
from pssrflow.crappifier.registry import STEPS, foreign_files, settings_of
from pssrflow.crappifier.scanner import Counts, Lag, Readout, Scan
from pssrflow.crappifier.squares import NOISE_BLOCK

__all__ = [
    "KERNELS",
    "NOISE_BLOCK",
    "PRESETS",
    "STEPS",
    "Blur",
    "Counts",
    "Crappifier",
    "Downsampling",
    "Gaussian",
    "Lag",
    "LocalGaussian",
    "NoiseKey",
    "Poisson",
    "Readout",
    "SaltPepper",
    "Scan",
    "crappify_patch",
    "crappify_plane",
    "crappify_region",
    "foreign_files",
    "lr_shape",
    "settings_of",
]

"""Networks of PSSR2 with weights that are drawn from their names, and what PSSR2 made of them.

Read by the tests, too, which have the file of reference outputs but no PSSR2.
"""

import json
import math
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

# Ends of the names of tensors that are no weights.
COMPUTED = ("attn_mask", "relative_position_index", "num_batches_tracked")
RDNET = {
    "hidden": [16, 16, 16],
    "depth": 1,
    "rdnet_init": 8,
    "growth_rates": [8, 4, 8],
    "ds_blocks": [False, True, True],
    "ese_blocks": [False, False, True],
    "n_blocks": [1, 2, 1],
    "bottleneck": 1,
}
SWIN = {"image_size": 16, "embed_dim": 8, "depths": [2, 1], "num_heads": [2, 4], "window_size": 4}
# Architecture, scale, options, and LR pixels along y and x.
Case = tuple[str, int, dict[str, Any], tuple[int, int]]
TINY: dict[str, Case] = {
    "resunet": ("resunet", 4, {"hidden": [4, 8, 16], "depth": 1}, (16, 20)),
    "resunet_channels": (
        "resunet",
        3,
        {"channels": [3, 1], "hidden": [4, 8], "depth": 0, "pool_sizes": [1, 3]},
        (10, 14),
    ),
    "resunet_a": (
        "resunet_a",
        2,
        {"hidden": [8, 16], "depth": 1, "dilations": [[1, 3], [1]], "encoder_pool": True},
        (32, 24),
    ),
    "resunet_holes": (
        "resunet_a",
        1,
        {"hidden": [4, 8], "depth": 0, "dilations": [[1, 2], [2]], "pool_sizes": None},
        (12, 12),
    ),
    "rdresunet": ("rdresunet", 4, RDNET, (16, 24)),
    "rdresunet_channels": (
        "rdresunet",
        1,
        RDNET
        | {
            "channels": [3, 1],
            "hidden": [16, 16, 32],
            "patch_size": 4,
            "n_blocks": 1,
            "compression": 0.75,
            "pool_sizes": [1, 2],
        },
        (32, 16),
    ),
    "rdresunet_a": (
        "rdresunet_a",
        3,
        RDNET
        | {
            "dilations": [[1], [1, 2], [1, 3]],
            "pool_sizes": [1, 2],
            "encoder_pool": True,
            "drop_rate": 0.1,
        },
        (16, 24),
    ),
    "swinir": ("swinir", 4, SWIN, (16, 16)),
    "swinir_odd": ("swinir", 3, SWIN | {"resi_connection": "3conv", "qkv_bias": False}, (13, 18)),
    "swinir_direct": (
        "swinir",
        2,
        SWIN
        | {
            "upsampler": "pixelshuffledirect",
            "channels": [3, 1],
            "ape": True,
            "patch_norm": False,
            "qk_scale": 0.7,
        },
        (16, 16),
    ),
    "swinir_nearest": ("swinir", 4, SWIN | {"upsampler": "nearest+conv", "mlp_ratio": 3}, (8, 11)),
    "swinir_restore": ("swinir", 1, SWIN | {"upsampler": None, "channels": 3}, (12, 20)),
    "swinir_one_window": (
        "swinir",
        1,
        SWIN | {"image_size": 4, "patch_size": 2, "norm_layer": "RMSNorm"},
        (8, 8),
    ),
}
LARGE: dict[str, Case] = {
    "resunet": ("resunet", 4, {}, (64, 48)),
    "resunet_a": ("resunet_a", 4, {}, (64, 64)),
    "resunet_pool": ("resunet_a", 2, {"encoder_pool": True, "channels": [3, 2]}, (128, 128)),
    "rdresunet": ("rdresunet", 4, {}, (64, 48)),
    "rdresunet_a": ("rdresunet_a", 4, {"channels": [5, 1]}, (64, 64)),
    "swinir": ("swinir", 4, {}, (128, 128)),
    "swinir_other_size": ("swinir", 8, {"resi_connection": "3conv"}, (61, 44)),
}


def drawn(case: str, name: str, shape: Sequence[int]) -> np.ndarray:
    """Random values of one tensor, the same on every machine; no layer drowns in another."""
    # Only RandomState promises the same numbers from every version of NumPy.
    random = np.random.RandomState(zlib.crc32(f"{case} {name}".encode()))
    if name.endswith("running_var") or (name.endswith("weight") and len(shape) == 1):
        return random.uniform(0.5, 1.5, shape).astype(np.float32)
    many = name.endswith("weight") and len(shape) > 1
    spread = math.prod(shape[1:]) ** -0.5 if many else 0.5
    return (spread * random.standard_normal(shape)).astype(np.float32)


def stored(
    path: Path, case: str
) -> tuple[dict[str, Any], torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
    """Setting of a case, its input 0 to 1, PSSR2's output 0 to 1, and the state of its network."""
    setting = json.loads(path.with_suffix(".json").read_text())[case]
    state = {
        name: torch.from_numpy(drawn(case, name, shape))
        for name, shape in setting.pop("weights").items()
    }
    with np.load(path.with_suffix(".npz")) as arrays:
        start = f"{case}/state/"
        for name in arrays.files:
            if name.startswith(start):
                state[name.removeprefix(start)] = torch.from_numpy(np.asarray(arrays[name]))
        image, output = arrays[f"{case}/input"], arrays[f"{case}/output"]
    return setting, torch.from_numpy(image) / 255, torch.from_numpy(output) / 255, state

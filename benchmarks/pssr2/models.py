"""Reference outputs of PSSR2's networks, and a comparison at their default sizes.

PSSR2 needs an environment of its own, made as `benchmarks/pssr2_reference.py` says; the stored
reference is of pssr 2.4.0.

    pssr2/bin/python benchmarks/pssr2_models.py                   # writes tests/data/pssr2_models.*
    pssr2/bin/python benchmarks/pssr2_models.py --large FOLDER    # the same at default sizes
    python benchmarks/pssr2_models.py --compare FOLDER            # ours against what lies there
"""

import argparse
import json
import math
import sys
import zlib
from pathlib import Path

import numpy as np
import torch

# Ends of the names of tensors that are no weights.
COMPUTED = ("attn_mask", "relative_position_index", "num_batches_tracked")
ROOT = Path(__file__).resolve().parents[1]
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
# Case: architecture, scale, options, and LR pixels along y and x.
TINY = {
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
LARGE = {
    "resunet": ("resunet", 4, {}, (64, 48)),
    "resunet_a": ("resunet_a", 4, {}, (64, 64)),
    "resunet_pool": ("resunet_a", 2, {"encoder_pool": True, "channels": [3, 2]}, (128, 128)),
    "rdresunet": ("rdresunet", 4, {}, (64, 48)),
    "rdresunet_a": ("rdresunet_a", 4, {"channels": [5, 1]}, (64, 64)),
    "swinir": ("swinir", 4, {}, (128, 128)),
    "swinir_other_size": ("swinir", 8, {"resi_connection": "3conv"}, (61, 44)),
}


def drawn(case, name, shape):
    """Random values of one tensor, the same on every machine; no layer drowns in another."""
    # Only RandomState promises the same numbers from every version of NumPy.
    random = np.random.RandomState(zlib.crc32(f"{case} {name}".encode()))
    if name.endswith("running_var") or (name.endswith("weight") and len(shape) == 1):
        return random.uniform(0.5, 1.5, shape).astype(np.float32)
    many = name.endswith("weight") and len(shape) > 1
    spread = math.prod(shape[1:]) ** -0.5 if many else 0.5
    return (spread * random.standard_normal(shape)).astype(np.float32)


def theirs(arch, scale, options):
    """PSSR2's network, in eval."""
    from pssr import models

    kinds = {
        "resunet": models.ResUNet,
        "resunet_a": models.ResUNetA,
        "rdresunet": models.RDResUNet,
        "rdresunet_a": models.RDResUNetA,
        "swinir": models.SwinIR,
    }
    options = dict(options)
    if "norm_layer" in options:
        options["norm_layer"] = getattr(torch.nn, options["norm_layer"])
    return kinds[arch](scale=scale, **options).eval()


def written(cases, path):
    """Write what PSSR2 makes of every case: arrays, and settings with the shapes of its weights.

    Values of weights are drawn from their names, so that only their shapes need be stored; tensors
    that PSSR2 computes itself, such as masks, are stored as they are.
    """
    arrays, settings = {}, {}
    for case, (arch, scale, options, size) in cases.items():
        network, shapes = theirs(arch, scale, options), {}
        for name, tensor in network.state_dict().items():
            if name.endswith(COMPUTED):
                arrays[f"{case}/state/{name}"] = _packed(tensor.numpy())
            else:
                shapes[name] = list(tensor.shape)
                tensor.copy_(torch.from_numpy(drawn(case, name, tensor.shape)))
        channels = options.get("channels", 1)
        inputs = channels if isinstance(channels, int) else channels[0]
        random = np.random.RandomState(zlib.crc32(case.encode()))
        image = random.randint(0, 256, (2, inputs, *size)).astype(np.uint8)
        with torch.no_grad():
            arrays[f"{case}/output"] = network(torch.from_numpy(image).float()).numpy()
        arrays[f"{case}/input"] = image
        settings[case] = {"arch": arch, "scale": scale, "options": options, "weights": shapes}
    np.savez_compressed(path.with_suffix(".npz"), **arrays)
    path.with_suffix(".json").write_text(_lines(settings))
    return path


def _packed(values):
    return values.astype(np.int32) if values.dtype.kind == "i" else values.astype(np.float32)


def _lines(settings):
    lines = (f"{json.dumps(case)}: {json.dumps(setting)}" for case, setting in settings.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def stored(path, case):
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


def difference(path, case):
    """Largest difference of ours from PSSR2's output, and that output's range; of 0 to 1."""
    from pssrflow.networks import build

    setting, image, wanted, state = stored(path, case)
    network = build(setting["arch"], setting["scale"], **setting["options"]).eval()
    network.load_state_dict(state, strict=True)
    with torch.inference_mode():
        made = network(image)
    if made.shape != wanted.shape:
        raise ValueError(f"{case}: {tuple(made.shape)} instead of {tuple(wanted.shape)}")
    return float((made - wanted).abs().max()), float(wanted.max() - wanted.min())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--large", type=Path, metavar="FOLDER")
    parser.add_argument("--compare", type=Path, metavar="FOLDER")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.large:
        arguments.large.mkdir(parents=True, exist_ok=True)
        for case, setting in LARGE.items():
            print(written({case: setting}, arguments.large / case), flush=True)
    elif arguments.compare:
        sys.path.insert(0, str(ROOT / "workflow" / "scripts"))
        for path in sorted(arguments.compare.glob("*.npz")):
            for case in json.loads(path.with_suffix(".json").read_text()):
                error, spread = difference(path, case)
                print(f"{case:20} error {error:.1e}, outputs span {spread:.2f}", flush=True)
    else:
        written(TINY, ROOT / "tests" / "data" / "pssr2_models")


if __name__ == "__main__":
    main()

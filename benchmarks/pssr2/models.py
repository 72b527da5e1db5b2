"""Reference outputs of PSSR2's networks, and a comparison at their default sizes.

PSSR2 needs an environment of its own, made as `benchmarks/pssr2/reference.py` says; the stored
reference is of pssr 2.4.0.

    pssr2/bin/python -m benchmarks.pssr2.models                   # writes tests/data/pssr2_models.*
    pssr2/bin/python -m benchmarks.pssr2.models --large FOLDER    # the same at default sizes
    python -m benchmarks.pssr2.models --compare FOLDER            # ours against what lies there
"""

import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.machine import ROOT, heading, parser
from benchmarks.pssr2.cases import COMPUTED, LARGE, TINY, Case, drawn, stored
from benchmarks.tables import print_table


def theirs(arch: str, scale: int, options: Mapping[str, Any]) -> torch.nn.Module:
    """PSSR2's network, in eval."""
    # Only in the environment that has it, as ours is only in the other.
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


def outputs(case: str, about: Case) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays of what PSSR2 makes of a case, and its setting with the shapes of its weights."""
    arch, scale, options, size = about
    network = theirs(arch, scale, options)
    arrays, shapes = _filled(network, case)
    image = _image(case, options.get("channels", 1), size)
    with torch.no_grad():
        arrays["output"] = network(torch.from_numpy(image).float()).numpy()
    arrays["input"] = image
    return arrays, {"arch": arch, "scale": scale, "options": options, "weights": shapes}


def _filled(network, case):
    """Draw the weights: tensors that PSSR2 computes itself, and the shapes of the others."""
    computed, shapes = {}, {}
    for name, tensor in network.state_dict().items():
        if name.endswith(COMPUTED):
            computed[f"state/{name}"] = _packed(tensor.numpy())
        else:
            shapes[name] = list(tensor.shape)
            tensor.copy_(torch.from_numpy(drawn(case, name, tensor.shape)))
    return computed, shapes


def _packed(values):
    return values.astype(np.int32) if values.dtype.kind == "i" else values.astype(np.float32)


def _image(case, channels, size):
    inputs = channels if isinstance(channels, int) else channels[0]
    random = np.random.RandomState(zlib.crc32(case.encode()))
    return random.randint(0, 256, (2, inputs, *size)).astype(np.uint8)


def write(cases: Mapping[str, Case], path: Path) -> Path:
    """Write what PSSR2 makes of every case: arrays, and settings with the shapes of its weights.

    Values of weights are drawn from their names, so that only their shapes need be stored; tensors
    that PSSR2 computes itself, such as masks, are stored as they are.
    """
    arrays, settings = {}, {}
    for case, about in cases.items():
        made, settings[case] = outputs(case, about)
        arrays |= {f"{case}/{name}": values for name, values in made.items()}
    np.savez_compressed(path.with_suffix(".npz"), **arrays)
    path.with_suffix(".json").write_text(_lines(settings))
    return path


def _lines(settings):
    lines = (f"{json.dumps(case)}: {json.dumps(setting)}" for case, setting in settings.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def difference(path: Path, case: str) -> tuple[float, float]:
    """Largest difference of ours from PSSR2's output, and that output's range; of 0 to 1."""
    from pssrflow.networks.registry import build

    setting, image, wanted, state = stored(path, case)
    network = build(setting["arch"], setting["scale"], setting["options"]).eval()
    network.load_state_dict(state, strict=True)
    with torch.inference_mode():
        made = network(image)
    if made.shape != wanted.shape:
        raise ValueError(f"{case}: {tuple(made.shape)} instead of {tuple(wanted.shape)}")
    return float((made - wanted).abs().max()), float(wanted.max() - wanted.min())


def rows(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Difference and range of every case that lies in a folder."""
    for path in sorted(folder.glob("*.npz")):
        for case in json.loads(path.with_suffix(".json").read_text()):
            error, span = difference(path, case)
            yield case, f"{error:.1e}", f"{span:.2f}"


def main() -> None:
    """Write references, or compare with them."""
    arguments = parser(__doc__)
    arguments.add_argument("--large", type=Path, metavar="FOLDER")
    arguments.add_argument("--compare", type=Path, metavar="FOLDER")
    options = arguments.parse_args()
    torch.set_num_threads(1)
    print(heading())
    if options.large:
        options.large.mkdir(parents=True, exist_ok=True)
        for case, about in LARGE.items():
            print(write({case: about}, options.large / case), flush=True)
    elif options.compare:
        print_table(["case", "largest difference", "outputs span"], rows(options.compare))
    else:
        print(write(TINY, ROOT / "tests" / "data" / "pssr2_models"))


if __name__ == "__main__":
    main()

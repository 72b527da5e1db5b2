"""Reference values of PSSR2's loss.

PSSR2 needs an environment of its own, made as `benchmarks/pssr2/reference.py` says:

    pssr2/bin/python -m benchmarks.pssr2.losses      # writes tests/data/pssr2_losses.json

The images are those of `images`, which tests/train/test_losses.py makes again.
"""

import json

import numpy as np
import torch
from pssr.util import SSIMLoss

from benchmarks.machine import ROOT, heading, parser

OUT = ROOT / "tests" / "data" / "pssr2_losses.json"
# Images, their pixels along y and x. MS-SSIM of PSSR2 needs more than 160, odd ones too.
SHAPES = [(1, 192, 192), (2, 176, 200), (3, 165, 181)]
SETTINGS = {
    "ms_ssim_l1": {},
    "ms_ssim": {"mix": 1},
    "ssim": {"mix": 1, "ms": False},
    "gaussian_l1": {"mix": 0},
}


def images(count: int, height: int, width: int) -> list[np.ndarray]:
    """Prediction and truth in 0..1, float32 (n, 1, y, x): waves, and other waves upon them."""
    n, y, x = np.ogrid[:count, :height, :width]
    truth = 0.5 + 0.25 * np.sin(x / 3 + n) * np.cos(y / 5) + 0.2 * np.sin(x * y / 400)
    predicted = truth + 0.08 * np.sin(x * 1.7 + y * 2.3 + n)
    return [np.clip(i, 0, 1).astype(np.float32)[:, None] for i in (predicted, truth)]


if __name__ == "__main__":
    parser(__doc__).parse_args()
    print(heading())
    entries = []
    for shape in SHAPES:
        predicted, truth = map(torch.from_numpy, images(*shape))
        values = {k: SSIMLoss(**v)(predicted, truth).item() for k, v in SETTINGS.items()}
        entries.append({"shape": shape, **values})
    OUT.write_text(json.dumps(entries, indent=1) + "\n")
    print(OUT.read_text())

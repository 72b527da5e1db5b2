"""Train PSSR2's ResUNet by PSSR2 itself and predict; runs in PSSR2's environment.

Called by `benchmarks.pssr2.against`. The last line that it prints is JSON.
"""

import contextlib
import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch
from pssr.crappifiers import Poisson
from pssr.data import SlidingDataset
from pssr.models import ResUNet
from pssr.train import train_paired
from pssr.util import SSIMLoss

from benchmarks.machine import heading, parser


class OutOfTimeError(Exception):
    """The time for the training is over."""


def train(folder: Path, seconds: float) -> torch.nn.Module:
    """A ResUNet with PSSR2's defaults."""
    model = ResUNet()
    data = SlidingDataset(folder, hr_res=512, lr_scale=4, crappifier=Poisson(1), overlap=128)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser)
    start = time.monotonic()

    def stop():
        if time.monotonic() - start > seconds:
            raise OutOfTimeError

    with contextlib.suppress(OutOfTimeError), contextlib.redirect_stdout(sys.stderr):
        train_paired(
            model, data, 16, SSIMLoss(), optimiser, 10_000, scheduler=plateau, callbacks=[stop]
        )
    return model.eval()


def predict(network: torch.nn.Module, planes: np.ndarray) -> tuple[np.ndarray, float]:
    """SR planes (z, y, x), and HR megapixels a second."""
    made, took = [], []
    with torch.no_grad():
        for plane in planes.astype(np.float32):
            start = time.perf_counter()
            made.append(network(torch.from_numpy(plane)[None, None])[0, 0].numpy())
            took.append(time.perf_counter() - start)
    return np.stack(made), made[0].size / 1e6 / statistics.median(took)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("sections", type=Path, help="folder of HR sections")
    arguments.add_argument("lr", type=Path, help="LR planes, .npy")
    arguments.add_argument("sr", type=Path, help="file for the predictions, .npy")
    arguments.add_argument("seconds", type=float, help="of training")
    options = arguments.parse_args()
    print(heading())
    torch.manual_seed(0)
    made, speed = predict(train(options.sections, options.seconds), np.load(options.lr))
    np.save(options.sr, made)
    print(json.dumps({"hr_megapixel_per_s": speed}))

"""Train PSSR2's ResUNet by PSSR2 itself and predict; runs in PSSR2's environment.

Called by against_pssr2.py: folder of HR sections, LR planes (.npy), file for the predictions
(.npy), seconds. Prints the speed of prediction as JSON.
"""

import contextlib
import json
import statistics
import sys
import time

import numpy as np
import torch
from pssr.crappifiers import Poisson
from pssr.data import SlidingDataset
from pssr.models import ResUNet
from pssr.train import train_paired
from pssr.util import SSIMLoss


class OutOfTimeError(Exception):
    """The time for the training is over."""


def train(folder, seconds):
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


if __name__ == "__main__":
    folder, lr, sr, seconds = sys.argv[1:]
    torch.manual_seed(0)
    network = train(folder, float(seconds))
    planes, made, took = np.load(lr).astype(np.float32), [], []
    with torch.no_grad():
        for plane in planes:
            start = time.perf_counter()
            made.append(network(torch.from_numpy(plane)[None, None])[0, 0].numpy())
            took.append(time.perf_counter() - start)
    np.save(sr, np.stack(made))
    print(json.dumps({"hr_megapixel_per_s": made[0].size / 1e6 / statistics.median(took)}))

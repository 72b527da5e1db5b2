"""Predict one LR sheet by PSSR2 itself and put its tiles together; runs in PSSR2's environment.

Called by `benchmarks.predict throughput` with a folder that holds one LR sheet (.tif). Tiles of 128
LR pixels, which is PSSR2's default for 512 HR pixels at scale 4, and its default overlap. The last
line that it prints is JSON.
"""

import contextlib
import json
import sys
import time
from pathlib import Path

import torch
from pssr.data import SlidingDataset
from pssr.models import ResUNet
from pssr.predict import predict_images
from pssr.util import reassemble_sheets

from benchmarks.machine import heading, parser

TILE, OVERLAP, MARGIN = 128, 32, 16


def predicted(folder: Path) -> tuple[float, int]:
    """Seconds of a prediction of the sheet, and its tiles."""
    torch.manual_seed(0)
    sheets = SlidingDataset(
        folder, hr_res=TILE, lr_scale=-1, overlap=OVERLAP, extension="tif", val_split=1
    )
    model, start = ResUNet(), time.perf_counter()
    made = predict_images(model, sheets, out_dir=None)
    reassemble_sheets(made, folder, 4, OVERLAP, MARGIN, out_dir=str(folder / "made"))
    return time.perf_counter() - start, len(made)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("folder", type=Path)
    folder = arguments.parse_args().folder
    print(heading())
    with contextlib.redirect_stdout(sys.stderr):
        seconds, tiles = predicted(folder)
    print(json.dumps({"seconds": seconds, "tiles": tiles}))

"""Predict one LR sheet by PSSR2 itself and put its tiles together; runs in PSSR2's environment.

Called by predict_scale.py: folder that holds one LR sheet (.tif). Tiles of 128 LR pixels, which is
PSSR2's default for 512 HR pixels at scale 4, and its default overlap. Prints the seconds as JSON.
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

TILE, OVERLAP, MARGIN = 128, 32, 16

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    torch.manual_seed(0)
    with contextlib.redirect_stdout(sys.stderr):
        sheets = SlidingDataset(
            folder, hr_res=TILE, lr_scale=-1, overlap=OVERLAP, extension="tif", val_split=1
        )
        model, start = ResUNet(), time.perf_counter()
        made = predict_images(model, sheets, out_dir=None)
        reassemble_sheets(made, folder, 4, OVERLAP, MARGIN, out_dir=str(folder / "made"))
        seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "tiles": len(made)}))

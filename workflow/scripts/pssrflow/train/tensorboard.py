"""Curves and previews for TensorBoard, where they are asked for."""

import shutil
from pathlib import Path

import numpy as np
from PIL import Image
from tensorboardX import SummaryWriter


class Board:
    """Event files that `tensorboard --logdir` shows while the training runs.

    Parameters
    ----------
    folder : path-like
        Made anew, so that what a killed run did not write is there too.
    previews : path-like
        Folder of the previews.
    history : list of dict
        Rows of earlier runs of this training.
    """

    def __init__(self, folder, previews, history):
        shutil.rmtree(folder, ignore_errors=True)
        self.writer, self.previews = SummaryWriter(str(folder)), Path(previews)
        for row in history:
            self.note(row)

    def note(self, row):
        """Add a row of the history, and its preview if there is one."""
        for name, value in row.items():
            if name != "step":
                self.writer.add_scalar(name, value, row["step"])
        preview = self.previews / f"step_{row['step']:06d}.png"
        if preview.exists():
            grey = np.asarray(Image.open(preview))
            self.writer.add_image("preview", grey, row["step"], dataformats="HW")

    def close(self):
        self.writer.close()

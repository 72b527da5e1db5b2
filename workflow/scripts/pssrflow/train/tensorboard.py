"""Curves and previews for TensorBoard, where they are asked for."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tensorboardX import SummaryWriter


class Board:
    """Event files that `tensorboard --logdir` shows while the training runs.

    Parameters
    ----------
    folder : Path
        Made anew, so that what a killed run did not write is there too.
    previews : Path
        Folder of the previews.
    history : list of dict
        Rows of earlier runs of this training.
    """

    def __init__(self, folder: Path, previews: Path, history: list[dict[str, Any]]):
        shutil.rmtree(folder, ignore_errors=True)
        self.writer, self.previews = SummaryWriter(str(folder)), previews
        for row in history:
            self.note(row)

    def note(self, row: dict[str, Any]) -> None:
        """Add a row of the history, and its preview if there is one."""
        for name, value in row.items():
            if name != "step":
                self.writer.add_scalar(name, value, row["step"])
        preview = self.previews / f"step_{row['step']:06d}.png"
        if preview.exists():
            grey = np.asarray(Image.open(preview))
            self.writer.add_image("preview", grey, row["step"], dataformats="HW")

    def close(self) -> None:
        """End the file of events."""
        self.writer.close()

"""Rows, networks and settings of every set, and the pipeline on them."""

import argparse
from typing import Any

import pandas as pd

from benchmarks.processes import run_sheet
from benchmarks.real_data import FIBSEM, RATS, SSTEM

COLUMNS = ["sample", "role", "path", "crop", "pixel_size", "hr2_path"]
NOISE = {
    "fit": None,
    "downsample": "bilinear",
    "noise": [{"name": "poisson", "intensity": 1}],
}
MODELS = {
    "default": {"arch": "unet"},
    "pssr2-resunet": {"arch": "resunet"},
    "bicubic": {"arch": "bicubic", "train": False},
}
EM = {"dwell_us": 20, "gain": 0.4}
COUNTING = {"dwell_us": 4, "gain": 1, "offset": 0, "read_noise": 0}
FAST = {"step_nm": 16, "spot_nm": 5, "dwell_us": 8, "gain": 1}
SIMULATED = {
    "learnt": EM | {"shape": [4, 1024, 1024], "tissue": 11},
    "kept": EM | {"shape": [4, 1024, 1024], "tissue": 12},
    "again": EM | {"shape": [4, 1024, 1024], "tissue": 12, "draw": 1},
    "tested": EM | {"shape": [8, 1024, 1024], "tissue": 13},
    "large": FAST | {"shape": [2, 1024, 1024], "tissue": 14},
}
SETS = {
    "simulated": [
        ("learnt", "train", "simulate:learnt", "", ""),
        ("kept", "trust", "simulate:kept", "", "", "simulate:again"),
        ("tested", "test", "simulate:tested", "", ""),
        ("large", "predict", "simulate:large", "", ""),
    ],
    "fibsem": [
        ("learnt", "train", FIBSEM, "0:90, 0:, 0:", "10, 10, 10 nm"),
        ("kept", "trust", FIBSEM, "95:126, 0:, 0:", "10, 10, 10 nm"),
        ("tested", "test", FIBSEM, "130:160, 0:, 0:", "10, 10, 10 nm"),
    ],
    "sstem": [
        ("learnt", "train", SSTEM, "0:10, 0:, 0:", "50, 4.6, 4.6 nm"),
        ("kept", "trust", SSTEM, "10:14, 0:, 0:", "50, 4.6, 4.6 nm"),
        ("tested", "test", SSTEM, "14:20, 0:, 0:", "50, 4.6, 4.6 nm"),
    ],
    "rat": [
        *(
            (f"rat-{rat}-{image}", role, RATS.format(rat, image), "", f"{size} um")
            for rat, image, role, size in (
                (1, 1, "train", 0.18),
                (2, 5, "train", 0.093),
                (3, 9, "train", 0.1),
                (3, 10, "trust", 0.1),
                (3, 11, "trust", 0.1),
            )
        ),
        ("tested", "test", RATS.format(4, 12), "", "0.1 um"),
    ],
}
# The same images, of each of which some is kept for the promise, so that it is of three animals.
SETS["rats"] = [(name, role.replace("trust", "train"), *rest) for name, role, *rest in SETS["rat"]]


def run(options: argparse.Namespace) -> None:
    """Every set through the pipeline."""
    for name in options.only:
        if (options.out / name / "results/report.json").exists():
            continue
        rows = [(*row, *[""] * (len(COLUMNS) - len(row))) for row in SETS[name]]
        table = pd.DataFrame(rows, columns=COLUMNS)
        real = ~table["path"].str.startswith("simulate:")
        root = str(options.data.resolve()) + "/"
        table.loc[real, "path"] = root + table.loc[real, "path"]
        learning = {"max_time": options.max_time, "epochs": 100_000}
        config: dict[str, Any] = {"crappify": NOISE, "models": MODELS, "train": learning}
        config["simulate"] = SIMULATED
        run_sheet(options.out / name, table, config)

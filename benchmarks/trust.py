"""Are the promises of the map of trust kept? On simulated and on real images.

    python -m benchmarks.trust run --data FOLDER --out FOLDER [--max-time 120s] [--only NAME ...]
    python -m benchmarks.trust coverage --out FOLDER [--only NAME ...]

run       the pipeline on every set, with rows to learn from, rows that trust is calibrated on, and
          rows that are tested; three networks
coverage  of the intervals on the rows that are tested

LR images are bilinear means of 4 x 4 pixels with Poisson noise. What is complete below `--out` is
kept: remove it to begin anew.
"""

import argparse
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.machine import heading, parser
from benchmarks.processes import run_sheet
from benchmarks.real_data import FIBSEM, RATS, SSTEM

COLUMNS = ["sample", "role", "path", "crop", "pixel_size"]
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
SIMULATED = {
    "learnt": EM | {"shape": [4, 1024, 1024], "tissue": 11},
    "kept": EM | {"shape": [4, 1024, 1024], "tissue": 12},
    "tested": EM | {"shape": [8, 1024, 1024], "tissue": 13},
}
SETS = {
    "simulated": [
        ("learnt", "train", "simulate:learnt", "", ""),
        ("kept", "trust", "simulate:kept", "", ""),
        ("tested", "test", "simulate:tested", "", ""),
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


def run(options: argparse.Namespace) -> None:
    """Every set through the pipeline."""
    for name in options.only:
        if (options.out / name / "results/report.json").exists():
            continue
        table = pd.DataFrame(SETS[name], columns=COLUMNS)
        real = ~table["path"].str.startswith("simulate:")
        root = str(options.data.resolve()) + "/"
        table.loc[real, "path"] = root + table.loc[real, "path"]
        learning = {"max_time": options.max_time, "epochs": 100_000}
        config: dict[str, Any] = {"crappify": NOISE, "models": MODELS, "train": learning}
        config["simulate"] = SIMULATED
        run_sheet(options.out / name, table, config)


def main() -> None:
    """Measure, and print."""
    arguments = parser(__doc__ or "")
    arguments.add_argument("what", choices=["run"])
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--data", type=Path)
    arguments.add_argument("--max-time", default="120s")
    arguments.add_argument("--only", choices=SETS, nargs="*", default=list(SETS))
    options = arguments.parse_args()
    print(heading())
    {"run": run}[options.what](options)


if __name__ == "__main__":
    main()

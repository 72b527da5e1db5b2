"""Is less resin learnt with `train.focus`? On sparse fluorescence and on dense tissue.

    python -m benchmarks.focus --data FOLDER --out FOLDER [--max-time 150s] [--only NAME ...]

Networks that draw all places alike, and by the power 0.5 and 1 of their local variance, learn for
the same time from one part of a set and are tested on another. What is complete is kept.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.machine import heading, parser
from benchmarks.processes import run_sheet
from benchmarks.tables import print_table

LAPSE = "fluo_multiframe/nuclei_timelapse_t00-14.tif"
SSTEM = "em_sstem_drosophila_vnc_stack1/raw"
# Learnt and tested: a crop of each.
SETS = {
    "nuclei, sparse": (LAPSE, "TYX", "0:, 0:240", "0:, 272:511"),
    "ssTEM, dense": (SSTEM, "ZYX", "0:16, 0:, 0:", "16:20, 0:, 0:"),
}
FOCI = (0, 0.5, 1)


def tested(name: str, focus: float, data: Path, out: Path, max_time: str) -> pd.DataFrame:
    """Metrics of the planes of a set that were not learnt from."""
    path, axes, learnt, other = SETS[name]
    rows = [
        ("learnt", "train", str(data / path), axes, learnt),
        ("tested", "test", str(data / path), axes, other),
    ]
    folder = out / f"{name.split(',')[0]}-{focus:g}"
    if not (folder / "results/report.json").exists():
        table = pd.DataFrame(rows, columns=["sample", "role", "path", "axes", "crop"])
        learning = {"max_time": max_time, "epochs": 100_000, "focus": focus}
        run_sheet(folder, table, {"train": learning})
    return pd.read_csv(folder / "results/tested/default/metrics.csv")


def rows(name: str, *where: Any) -> Iterator[list[Any]]:
    """Means over the planes of a set, for every focus."""
    first = None
    for focus in FOCI:
        metrics = tested(name, focus, *where).groupby("method")[["psnr", "psnr_affine", "ssim"]]
        mean = metrics.mean()
        sr, bicubic = mean.loc["sr"], mean.loc["bicubic"]
        first = sr if first is None else first
        yield [
            *(name, focus, f"{bicubic['psnr']:.2f}", f"{sr['psnr']:.2f}"),
            *(f"{sr[key] - first[key]:+.2f}" for key in ("psnr", "psnr_affine")),
            f"{sr['ssim']:.4f}",
        ]


def main() -> None:
    """Run, and print."""
    arguments = parser(__doc__ or "")
    arguments.add_argument("--data", type=Path, required=True)
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--max-time", default="150s", help="training of each network")
    arguments.add_argument("--only", choices=SETS, nargs="*", default=list(SETS))
    options = arguments.parse_args()
    where = options.data.resolve(), options.out, options.max_time
    print(heading())
    names = ["set", "focus", "bicubic", "SR", "over focus 0", "affine, over focus 0", "SSIM"]
    print_table(names, (row for name in options.only for row in rows(name, *where)))


if __name__ == "__main__":
    main()

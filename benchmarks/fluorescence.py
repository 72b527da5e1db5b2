"""Networks that learnt from three kinds of fluorescence, on a fourth that they never saw.

    python -m benchmarks.fluorescence --data FOLDER --out FOLDER [--max-time 150s] [--only NAME ...]

Every image is crappified by the default, `crappify.fit: auto`: noise as it was measured on the
images that are learnt from. What is complete in the folder is kept: remove it to begin anew.
"""

import shutil
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.machine import heading, parser
from benchmarks.processes import run_sheet
from benchmarks.tables import print_table

SETS = {
    "membrane": "fluo_multiframe/membrane_2d_timelapse.tif",
    "nuclei": "fluo_multiframe/cells3d_nuclei_z20-39.tif",
    "time-lapse": "fluo_multiframe/nuclei_timelapse_t00-14.tif",
    "two-photon": "fluo_multiframe/two_photon_20frames.tif",
}
AXES = {"nuclei": "ZYX"}
BASELINES = ("bicubic", "smoothed", "constant")


def tested(name: str, data: Path, out: Path, max_time: str) -> pd.DataFrame:
    """Metrics of every plane of a set, by a network that learnt from the others."""
    rows = [
        (other, "test" if other == name else "train", str(data / path), AXES.get(other, "TYX"))
        for other, path in SETS.items()
    ]
    table = pd.DataFrame(rows, columns=["sample", "role", "path", "axes"])
    folder = out / name
    if not (folder / "results/report.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
        run_sheet(folder, table, {"train": {"max_time": max_time, "epochs": 100_000}})
    return pd.read_csv(folder / "results" / name / "default/metrics.csv")


def row(name: str, metrics: pd.DataFrame) -> list[Any]:
    """Means over the planes of a set."""
    psnr = metrics.groupby("method")["psnr"].mean()
    affine = metrics.groupby("method")["psnr_affine"].mean()
    planes = (metrics["method"] == "sr").sum()
    figures = [*(psnr[m] for m in BASELINES), psnr["sr"]]
    gains = [(of["sr"] - of[m]) for of in (psnr, affine) for m in ("bicubic", "smoothed")]
    return [name, planes, *(f"{f:.2f}" for f in figures), *(f"{g:+.2f}" for g in gains)]


def main() -> None:
    """Run, and print."""
    arguments = parser(__doc__)
    arguments.add_argument("--data", type=Path, required=True)
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--max-time", default="150s", help="training of each network")
    arguments.add_argument("--only", choices=SETS, nargs="*", default=list(SETS))
    options = arguments.parse_args()
    where = options.data.resolve(), options.out, options.max_time
    print(heading())
    names = ["tested", "planes", *BASELINES, "SR", "over bicubic", "over smoothed"]
    names += ["over bicubic, affine", "over smoothed, affine"]
    print_table(names, (row(name, tested(name, *where)) for name in options.only))


if __name__ == "__main__":
    main()

"""The whole pipeline on real microscopy: PSNR and SSIM of held-out planes over bicubic.

Expects the folder of development images as `--data`; each data set is run in a folder of its own
below `--out`, where its report stays. Sections, planes or halves that are tested were never
trained on.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.machine import heading, parser
from benchmarks.processes import run_sheet
from benchmarks.tables import print_table

# Columns of a sheet, and the rows of every data set.
COLUMNS = ["sample", "role", "path", "crop", "pixel_size"]
SSTEM = "em_sstem_drosophila_vnc_stack1/raw"
FIBSEM = "em_fibsem_drosophila_medulla_ts1/*.png"
NUCLEI = "fluo_multiframe/cells3d_nuclei_z20-39.tif"
RATS = "sem_rat_spinal_cord/sub-rat{0}/micr/sub-rat{0}_sample-data{1}_SEM.png"
CELL = "tem_mammalian_cell/EM2022_190_K2Box37_03_03_66.tif"
DATASETS = {
    "sstem": [
        ("sections-00-15", "train", SSTEM, "0:16, 0:, 0:", "50, 4.6, 4.6 nm"),
        ("sections-16-19", "test", SSTEM, "16:20, 0:, 0:", "50, 4.6, 4.6 nm"),
    ],
    "fibsem": [
        ("slices-000-119", "train", FIBSEM, "0:120, 0:, 0:", "10, 10, 10 nm"),
        ("slices-140-159", "test", FIBSEM, "140:160, 0:, 0:", "10, 10, 10 nm"),
    ],
    "rat": [
        *(
            (f"rat-{rat}-{data}", "train", RATS.format(rat, data), "", f"{size} um")
            for rat, data, size in (
                *((1, 1, 0.18), (2, 5, 0.093)),
                *((3, 9, 0.1), (3, 10, 0.1), (3, 11, 0.1)),
            )
        ),
        ("rat-4", "test", RATS.format(4, 12), "", "0.1 um"),
    ],
    "nuclei": [
        ("planes-20-33", "train", NUCLEI, "0:14, 0:, 0:", "0.29, 0.26, 0.26 um"),
        ("planes-36-39", "test", NUCLEI, "16:20, 0:, 0:", "0.29, 0.26, 0.26 um"),
    ],
    "cell": [
        ("upper", "train", CELL, "0:1400, 0:", ""),
        ("lower", "test", CELL, "1500:2008, 0:", ""),
    ],
}


def run_rows(folder: Path, rows: Iterable[tuple], data: Path, config: Mapping[str, Any]) -> Path:
    """Run the whole pipeline on a data set in a folder of its own; results of the tested sample."""
    table = pd.DataFrame(rows, columns=COLUMNS)
    table["path"] = [str(data / path) for path in table["path"]]
    # Noise as stated, so that figures of one and of another commit are of one degradation.
    config = {"crappify": {"fit": None}} | dict(config)
    return run_sheet(folder, table, config) / table.loc[table["role"] == "test", "sample"].iloc[0]


def measured(name: str, data: Path, out: Path, max_time: str) -> pd.DataFrame:
    """Metrics of every plane of a data set, and method."""
    config = {
        "train": {"max_time": max_time, "epochs": 100_000},
        "report": {"title": f"PSSRflow on real data: {name}"},
    }
    tested = run_rows(out / name, DATASETS[name], data, config)
    return pd.read_csv(tested / "default" / "metrics.csv")


def row(name: str, metrics: pd.DataFrame) -> list[Any]:
    """Means over the planes of a data set."""
    mean = metrics.groupby("method")[["psnr", "ssim", "ms_ssim"]].mean()
    bicubic, made = mean.loc["bicubic"], mean.loc["sr"]
    gain = made - bicubic
    planes = (metrics["method"] == "sr").sum()
    psnr = [f"{bicubic['psnr']:.2f}", f"{made['psnr']:.2f}", f"{gain['psnr']:+.2f}"]
    return [name, planes, *psnr, f"{gain['ssim']:+.3f}", f"{gain['ms_ssim']:+.3f}"]


def main() -> None:
    """Run, and print."""
    arguments = parser(__doc__)
    arguments.add_argument("--data", type=Path, required=True)
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--max-time", default="10m", help="training of each data set")
    arguments.add_argument("--only", choices=DATASETS, nargs="*", default=list(DATASETS))
    options = arguments.parse_args()
    where = options.data.resolve(), options.out, options.max_time
    rows = [row(name, measured(name, *where)) for name in options.only]
    print(heading())
    names = ["data", "planes", "bicubic PSNR", "SR PSNR", "PSNR gain (dB)"]
    print_table([*names, "SSIM gain", "MS-SSIM gain"], rows)


if __name__ == "__main__":
    main()

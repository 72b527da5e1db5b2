"""Networks on images of another pixel size than what they learnt from, with and without zoom.

    python -m benchmarks.magnification --data FOLDER --out FOLDER [--max-time 150s]

`rat`: three animals at about 0.1 um are learnt from, a fourth at 0.18 um is tested. `sstem finer`:
sections averaged to 9.2 nm are learnt from, other sections at 4.6 nm are tested; `sstem coarser`:
the other way round. `train.zoom: 1` draws patches as they are, `auto` over the pixel sizes that
are asked for. Noise is that of the stated crappifier. What is complete in the folder is kept.
"""

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import tifffile

from benchmarks.machine import heading, parser
from benchmarks.processes import run_sheet
from benchmarks.real_data import RATS, SSTEM
from benchmarks.tables import print_table

LEARNT, TESTED = range(16), range(16, 20)
FINE, COARSE = "4.6 nm", "9.2 nm"
COLUMNS = ["sample", "role", "path", "crop", "pixel_size"]
CASES = ("rat", "sstem finer", "sstem coarser")
ZOOMS: dict[str, Any] = {"as they are": 1, "auto": "auto"}


def rows_of(case: str, data: Path, out: Path) -> list[tuple]:
    """The sheet of a case."""
    if case == "rat":
        animals = ((1, 1, 0.18), (2, 5, 0.093), (3, 9, 0.1), (3, 10, 0.1), (3, 11, 0.1))
        return [
            (
                f"rat-{rat}-{image}",
                "test" if rat == 1 else "train",
                str(data / RATS.format(rat, image)),
                "",
                f"{size} um",
            )
            for rat, image, size in animals
        ]
    coarse = averaged(data / SSTEM, out / "averaged.tif")
    fine = str(data / SSTEM)
    learnt, tested = (coarse, fine) if case == "sstem finer" else (fine, coarse)
    return [
        (name, role, path, f"{z.start}:{z.stop}, 0:, 0:", COARSE if path == coarse else FINE)
        for name, role, path, z in (
            ("learnt", "train", learnt, LEARNT),
            ("tested", "test", tested, TESTED),
        )
    ]


def averaged(folder: Path, path: Path) -> str:
    """Sections whose pixels are means of two by two."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        stack = tifffile.imread(sorted(folder.glob("*.tif")))
        z, y, x = stack.shape
        mean = stack.reshape(z, y // 2, 2, x // 2, 2).mean((2, 4)).round().astype(stack.dtype)
        tifffile.imwrite(path, mean, photometric="minisblack", metadata={"axes": "ZYX"})
    return str(path.resolve())


def measured(case: str, zoom: str, data: Path, out: Path, max_time: str) -> pd.Series:
    """Mean PSNR by method over the planes that are tested."""
    rows = rows_of(case, data, out)
    folder = out / f"{case} {zoom}".replace(" ", "-")
    if not (folder / "results/report.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
        train = {"max_time": max_time, "epochs": 100_000, "zoom": ZOOMS[zoom]}
        config = {"crappify": {"fit": None}, "train": train}
        run_sheet(folder, pd.DataFrame(rows, columns=COLUMNS), config)
    (tested,) = (row[0] for row in rows if row[1] == "test")
    metrics = pd.read_csv(folder / "results" / tested / "default/metrics.csv")
    return metrics.groupby("method")["psnr"].mean()


def main() -> None:
    """Run, and print."""
    arguments = parser(__doc__)
    arguments.add_argument("--data", type=Path, required=True)
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--max-time", default="150s", help="training of each network")
    arguments.add_argument("--only", choices=CASES, nargs="*", default=list(CASES))
    options = arguments.parse_args()
    where = options.data.resolve(), options.out, options.max_time
    print(heading())
    table = []
    for case in options.only:
        made = [measured(case, zoom, *where) for zoom in ZOOMS]
        plain = [f"{made[0][name]:.2f}" for name in ("bicubic", "smoothed")]
        networks = [f"{psnr['sr']:.2f}" for psnr in made]
        table.append([case, *plain, *networks, f"{made[1]['sr'] - made[0]['sr']:+.2f}"])
    names = ["case", "bicubic", "smoothed", *(f"SR, patches {zoom}" for zoom in ZOOMS)]
    print_table([*names, "auto over as they are"], table)


if __name__ == "__main__":
    main()

"""Denoising: networks that learn at scale 1 from pairs of low and high signal on one grid.

    python -m benchmarks.denoising --data FOLDER --out FOLDER [--seconds 150s] [--only NAME ...]

One half of each field is learnt from, the other half is tested, behind a guard band. PSNR after an
affine fit of the grey levels, of the network and of the noisy image itself; and the mean of what
the network made beside those of the noisy and the true image, for grey levels must stay where they
are. What is complete in the folder is kept.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.machine import heading, parser
from benchmarks.real_pairs import PAIRS, halves, ran
from benchmarks.tables import print_table
from pssrflow.volumes.store import Store

DENOISED = [name for name, (_, _, scale, _) in PAIRS.items() if scale == 1]


def row(name: str, data: Path, out: Path, seconds: str) -> Iterator[Any]:
    """Figures of one pair."""
    hr, lr, scale, size = PAIRS[name]
    first, other = halves(scale, size)
    rows = [
        ("pair", "train", str(data / hr), str(data / lr), first),
        ("test", "test", str(data / hr), str(data / lr), other),
    ]
    train = {"max_time": seconds, "epochs": 1_000_000}
    config = {"crappify": {"scale": scale, "fit": None}, "train": train}
    results = ran(out / name, rows, config)
    table = pd.read_csv(results / "test/default/metrics.csv").groupby("method").mean(True)
    psnr = table["psnr_affine"]
    noisy = psnr[[m for m in ("input", "bicubic") if m in psnr]].iloc[0]
    yield from (name, f"{noisy:.2f}", f"{psnr['smoothed']:.2f}", f"{psnr['sr']:.2f}")
    yield f"{psnr['sr'] - noisy:+.2f}"
    stores = [results / "test" / path for path in ("lr", "hr", "default/sr")]
    found = [Store(f"{store}.ome.zarr") for store in stores]
    yield " / ".join(f"{store.level()[:].mean():.0f}" for store in found)
    yield found[-1].volume.dtype


def main() -> None:
    """Run, and print."""
    arguments = parser(__doc__ or "")
    arguments.add_argument("--data", type=Path, required=True)
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--seconds", default="150s", help="training of each network")
    arguments.add_argument("--only", choices=DENOISED, nargs="*", default=DENOISED)
    options = arguments.parse_args()
    where = options.data.resolve(), options.out, options.seconds
    print(heading())
    names = ["pair", "noisy image", "smoothed", "network", "over the noisy image"]
    names += ["mean grey level: noisy / true / made", "data type"]
    print_table(names, ([*row(name, *where)] for name in options.only))


if __name__ == "__main__":
    main()

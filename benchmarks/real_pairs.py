"""Really acquired pairs: does a measured crappifier make a better network than the default one?

    python -m benchmarks.real_pairs --data FOLDER --out FOLDER [--seconds 150] [--only NAME ...]

Each field is split into two halves behind a guard band. Four networks learn from the first half:
with the default noise, with noise that is measured on the pair of that half (`auto`), on LR images
alone (`lr`, `crappify.fit: auto` in a sheet without a pair to learn from), and from the acquired
pair itself. They are judged on the acquired pair of the other half, after an affine fit of the
grey levels, beside smoothed interpolation with the width that is best on that very half. What is
complete in the folder is kept: remove it to begin anew.

    python -m benchmarks.real_pairs --data CHECKOUT --out FOLDER --fresh

The same of four pairs that were named here before any of them was looked at, in a checkout of
github.com/ND-HowardGroup/Instant-Image-Denoising (commit c885aee).
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.machine import heading, parser
from benchmarks.processes import run_sheet
from benchmarks.tables import print_table
from pssrflow.evaluate.baselines import WIDTHS, psnr_by_width

CACO2, GIGADB = "paired_confocal_sr_caco2/{}.tif", "paired_snr_gigadb/{}-{}snr-sample.png"
BPAE, BACTERIA = "paired_snr_fmd_bpae/image_R_1_{}.png", "paired_snr_bacteria_16bit/{}.png"
# HR image, LR image, scale, and HR pixels along y and x.
PAIRS = {
    "caco2 div2": (CACO2.format("div1"), CACO2.format("div2"), 2, 512),
    "caco2 div4": (CACO2.format("div1"), CACO2.format("div4"), 4, 512),
    "caco2 div8": (CACO2.format("div1"), CACO2.format("div8"), 8, 512),
    "membrane": (GIGADB.format("membrane", "high"), GIGADB.format("membrane", "low"), 1, 2048),
    "nucleus": (GIGADB.format("nucleus", "high"), GIGADB.format("nucleus", "low"), 1, 512),
    "bpae": (BPAE.format("avg50"), BPAE.format("001"), 1, 512),
    "bacteria": (BACTERIA.format("target_16bit"), BACTERIA.format("noisy_avg1_16bit"), 1, 512),
}
VALIDATION = "Plugins/Model_validation/"
W2S = VALIDATION + "Bias_free_out_of_distribution_noise/W2S_bias_free_test/{}_010_0.tif"
SELECTED = VALIDATION + "N2V_Comparison/selected_{}s/{}_{}.tif"
MYXO = VALIDATION + "Bacteria_dataset/Bacteria_sample_low_power_8bit/{}.png"
FRESH = {
    "w2s 010 0": (W2S.format("target_avg400"), W2S.format("input_avg1"), 1, 512),
    **{
        f"w2s {field.replace('_', ' ')}": (
            SELECTED.format("target", "target_avg400", field),
            SELECTED.format("input", "input_avg1", field),
            1,
            512,
        )
        for field in ("042_1", "031_2")
    },
    "myxo 8 bit": (
        MYXO.format("AVG_2mw_OD=1_Myxo_240mM KNO3_CV_7"),
        MYXO.format("Substack (1)"),
        1,
        512,
    ),
}
# LR pixels between the halves.
GUARD = 2
NETWORKS = ["default", "auto", "lr", "acquired"]
COLUMNS = ["sample", "role", "path", "lr_path", "crop"]


def halves(scale: int, size: int) -> tuple[str, str]:
    """Crops of the half that is learnt from, and of the other one."""
    middle, guard = size // 2, GUARD * scale
    return f"0:, 0:{middle - guard}", f"0:, {middle + guard}:{size}"


def ran(folder: Path, rows: list[tuple], config: Mapping[str, Any], *targets: str) -> Path:
    """Run the workflow in a folder of its own, unless it was; its results."""
    last = folder / "results" / ("calibration/crappifier.json" if targets else "report.json")
    if last.exists():
        return folder / "results"
    shutil.rmtree(folder, ignore_errors=True)
    return run_sheet(folder, pd.DataFrame(rows, columns=COLUMNS), config, *targets)


def networks(
    name: str, data: Path, out: Path, seconds: str, without: Sequence[str] = ()
) -> dict[str, Path]:
    """Results by network."""
    hr, lr, scale, size = (PAIRS | FRESH)[name]
    hr, lr, (first, other) = str(data / hr), str(data / lr), halves(scale, size)
    test, place = ("test", "test", hr, lr, other), out / name.replace(" ", "_")
    train = {"max_time": seconds, "epochs": 1_000_000}
    alone, pair = ("train", "train", hr, "", first), ("pair", "train", hr, lr, first)

    def config(**crappify: Any) -> dict[str, Any]:
        return {"crappify": {"scale": scale, **crappify}, "train": train}

    measured = ran(place / "calibrate", [pair, test], config(fit="calibration"), "calibrate")
    fit = str((measured / "calibration/crappifier.json").resolve())
    keys = {"calibrate": {"require_fit": False}}
    asked = {
        "default": (alone, config(fit=None)),
        "auto": (alone, config(fit=fit) | keys),
        "lr": (alone, config(fit="auto") | keys),
        "acquired": (pair, config(fit=None)),
    }
    made = {
        network: ran(place / network, [row, test], said)
        for network, (row, said) in asked.items()
        if network not in without
    }
    return made | {"calibrate": measured}


def row(name: str, found: Mapping[str, Path]) -> Iterator[Any]:
    """Figures of one pair."""
    tables = {
        network: pd.read_csv(results / "test/default/metrics.csv").groupby("method").mean(True)
        for network, results in found.items()
        if network != "calibrate"
    }
    psnr = tables["default"]["psnr_affine"]
    plain = psnr[[m for m in ("bicubic", "input") if m in psnr]].iloc[0]
    results = found["default"] / "test"
    pair = {kind: results / f"{kind}.ome.zarr" for kind in ("hr", "lr")}
    pair |= {"acquired": True, "mask": None}
    pair["registration"] = results / "registration.json"
    smooth = psnr_by_width(pair, *(PAIRS | FRESH)[name][2:])
    best = max(smooth)
    yield from (name, f"{plain:.2f}", f"{best:.2f} ({WIDTHS[smooth.index(max(smooth))]:g})")
    made = {network: table.loc["sr", "psnr_affine"] for network, table in tables.items()}
    yield from (f"{made[n]:.2f}" if n in made else "–" for n in NETWORKS)
    yield f"{made['auto'] - made['default']:+.2f}"
    yield f"{made['auto'] - best:+.2f}"
    yield f"{made['lr'] - plain:+.2f}"
    yield json.loads((found["calibrate"] / "calibration/crappifier.json").read_text())["verdict"]


def main() -> None:
    """Run, and print."""
    arguments = parser(__doc__)
    arguments.add_argument("--data", type=Path, required=True)
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--seconds", default="150s", help="training of each network")
    arguments.add_argument("--fresh", action="store_true", help="pairs of a checkout")
    arguments.add_argument("--only", choices=PAIRS | FRESH, nargs="*")
    arguments.add_argument("--without", choices=["acquired"], nargs="*", default=[])
    options = arguments.parse_args()
    where = options.data.resolve(), options.out, options.seconds, options.without
    chosen = options.only or (FRESH if options.fresh else PAIRS)
    print(heading())
    names = ["pair", "interpolation", "smoothed, best width (HR pixels)"]
    names += NETWORKS
    names += ["auto over default", "auto over smoothed", "lr over interpolation", "verdict"]
    print_table(names, ([*row(name, networks(name, *where))] for name in chosen))


if __name__ == "__main__":
    main()

"""The whole pipeline on real microscopy: PSNR and SSIM of held-out planes over bicubic.

Expects the folder of development images as `--data`; each data set is run in a folder of its own
below `--out`, where its report stays. Sections, planes or halves that are tested were never
trained on.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import pandas as pd
import yaml
from machine import ROOT, heading

# name: rows of (sample, role, path, crop, pixel size), and what differs from the default.
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


def run(name, rows, data, out, max_time):
    """Run the workflow on one data set; its metrics."""
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    header = ["sample", "role", "path", "crop", "pixel_size"]
    table = pd.DataFrame(rows, columns=header)
    table["path"] = [str(data / path) for path in table["path"]]
    table.to_csv(folder / "samples.tsv", sep="\t", index=False)
    config = {
        "samples": "samples.tsv",
        "results": "results",
        "train": {"max_time": max_time, "epochs": 100_000},
        "report": {"title": f"PSSRflow on real data: {name}"},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile")]
    subprocess.run([*command, "--configfile", "config.yaml"], cwd=folder, check=True)
    test = next(row[0] for row in rows if row[1] == "test")
    return pd.read_csv(folder / "results" / test / "default" / "metrics.csv")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--max-time", default="10m", help="training of each data set")
    parser.add_argument("--only", choices=DATASETS, nargs="*", default=list(DATASETS))
    options = parser.parse_args()
    lines = []
    for name in options.only:
        metrics = run(name, DATASETS[name], options.data.resolve(), options.out, options.max_time)
        mean = metrics.groupby("method")[["psnr", "ssim", "ms_ssim"]].mean()
        gain = mean.loc["sr"] - mean.loc["bicubic"]
        planes = (metrics["method"] == "sr").sum()
        lines.append(
            f"| {name} | {planes} | {mean.loc['bicubic', 'psnr']:.2f} "
            f"| {mean.loc['sr', 'psnr']:.2f} "
            f"| {gain['psnr']:+.2f} | {gain['ssim']:+.3f} | {gain['ms_ssim']:+.3f} |"
        )
    print(heading())
    print("| data | planes | bicubic PSNR | SR PSNR | PSNR gain (dB) | SSIM gain | MS-SSIM gain |")
    print("|---" * 7 + "|")
    print("\n".join(lines))

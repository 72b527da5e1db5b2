"""What segmenters find in predictions of real images, beside what they find in the truth.

    python -m benchmarks.tasks --data FOLDER --out FOLDER [--max-time SECONDS]

Mitochondria of `em_sstem_drosophila_vnc_stack1` (sections 0 to 11 are learnt, 14 to 19 tested) and
axons of `sem_rat_spinal_cord` (three animals are learnt, another one tested), both degraded as the
default does; trained with the defaults. First how the segmenters agree with the experts' labels, on
sections and animals that they were not tuned on (those were sections 0, 5 and 9, and two animals).
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import yaml

from benchmarks.machine import ROOT, heading, parser
from benchmarks.tables import print_table

# isort: split
from pssrflow.evaluate.agreement import agreement, told
from pssrflow.evaluate.structures import Axons, Mitochondria
from pssrflow.evaluate.tasks import Task

SSTEM, RAT = "em_sstem_drosophila_vnc_stack1", "sem_rat_spinal_cord"
# Micrometers; the README of the images.
SECTION, ANIMALS = 0.0046, {"sub-rat1": 0.18, "sub-rat2": 0.093, "sub-rat3": 0.1, "sub-rat4": 0.1}
NAMES = ("dice", "f1", "ratio")


def _image(path: Path) -> np.ndarray:
    from PIL import Image

    found = np.array(Image.open(path))
    return found if found.ndim == 2 else found[..., 0]


def _beside_experts(data: Path) -> list[list[str]]:
    stacks, labels = data / SSTEM, data / RAT / "derivatives" / "labels"
    sections = [
        (stacks / "raw" / f"{n:02d}.tif", stacks / "mitochondria" / f"{n:02d}.png", SECTION)
        for n in range(10, 20)
    ]
    animals = [
        (path, next((labels / name / "micr").glob(f"{path.stem}*axon-m*")), ANIMALS[name])
        for name in ("sub-rat3", "sub-rat4")
        for path in sorted((data / RAT / name / "micr").glob("*.png"))
    ]
    tried: tuple[tuple[Task, list], ...] = ((Mitochondria(), sections), (Axons(), animals))
    return [_beside(task, given) for task, given in tried]


def _beside(task: Task, given: list[tuple[Path, Path, float]]) -> list[str]:
    from scipy import ndimage

    planes = {}
    for number, (path, labels, side) in enumerate(given):
        # Of axons a mask, of mitochondria a number for each.
        drawn = _image(labels)
        expert, _ = ndimage.label(drawn > (127 if drawn.max() == 255 else 0))
        found = task(_image(path).astype(np.float32), side)
        planes[0, 0, number] = {"expert": [agreement(expert, found).tolist()]}
    figures = told(planes)["expert"]
    return [task.name, str(len(planes)), *(_interval(figures[name]) for name in NAMES)]


def _interval(found: list[float | None]) -> str:
    value, *ends = (v if v is None else f"{v:.3f}" for v in found)
    return f"{value} ({' to '.join(map(str, ends))})"


def _sheets(data: Path, out: Path) -> dict[str, tuple[Path, dict]]:
    head = "sample\trole\tpath\tpixel_size"
    raw, rat = data / SSTEM / "raw", data / RAT
    sstem = [
        *(f"learnt{n}\ttrain\t{raw}/{n:02d}.tif\t{SECTION} um" for n in range(12)),
        *(f"tested{n}\ttest\t{raw}/{n:02d}.tif\t{SECTION} um" for n in range(14, 20)),
    ]
    animals = [
        f"{path.stem}\t{'test' if name == 'sub-rat4' else 'train'}\t{path}\t{side} um"
        for name, side in ANIMALS.items()
        for path in sorted((rat / name / "micr").glob("*.png"))
    ]
    made = {}
    for name, rows, task in (("sstem", sstem, "mitochondria"), ("rat", animals, "axons")):
        path = out / f"{name}.tsv"
        path.write_text("\n".join([head, *rows]) + "\n")
        made[name] = path, {"tasks": [{"name": task}]}
    return made


def _run(name: str, sheet: Path, tasks: dict, args: argparse.Namespace) -> list[list[str]]:
    results = args.out / name
    config = {"samples": str(sheet), "results": str(results), "evaluate": tasks}
    config["train"] = {"max_time": args.max_time}
    file = args.out / f"{name}.yaml"
    file.write_text(yaml.safe_dump(config))
    called = [
        sys.executable,
        "-m",
        "snakemake",
        "--cores",
        "all",
        "--configfile",
        str(file),
        "--quiet",
    ]
    subprocess.run(called, cwd=ROOT, check=True)
    measured = json.loads((results / "report.json").read_text())["measured"]
    rows = []
    for one in measured["tasks"]:
        cells = (_interval(one[key]) for key in NAMES)
        image = one["model"] or one["image"]
        rows.append([name, one["sample"], one["task"], image, *map(round, one["objects"]), *cells])
    return rows


def main() -> None:
    """Print both tables."""
    options = parser(__doc__)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--out", type=Path, required=True)
    options.add_argument("--max-time", type=int, default=150, help="seconds of each training")
    args = options.parse_args()
    args.data, args.out = args.data.resolve(), args.out.resolve()
    args.out.mkdir(parents=True, exist_ok=True)
    print(heading())
    print_table(["segmenter beside experts", "images", *NAMES], _beside_experts(args.data))
    print()
    names = ["data", "sample", "task", "image", "truth", "found", *NAMES]
    sheets = _sheets(args.data, args.out)
    print_table(names, (row for name, found in sheets.items() for row in _run(name, *found, args)))


if __name__ == "__main__":
    main()

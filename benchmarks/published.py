"""Figures of the stage evaluate beside published implementations of them, on the same images.

    python -m benchmarks.published --data FOLDER --second PYTHON

PYTHON has nanopyx 2.1.5 (GPL), frc 0.1.1, scikit-image and microssim 0.0.5: `pip install
nanopyx==2.1.5 frc==0.1.1 scikit-image torch "torchmetrics<=1.8.2" tqdm; pip install --no-deps
microssim==0.0.5` in an environment of its own. FOLDER holds the development images. Of crops of
real images, of even and odd sizes, two noisy scans are drawn; the LR image is one that is blurred
by 3 pixels, noisy too.
"""

import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np

# Images below the folder, and crops of them.
IMAGES = (
    "em_fibsem_drosophila_medulla_ts1/iso.2600.png",
    "em_sstem_drosophila_vnc_stack1/raw/00.tif",
    "fluo_single/maize_clsm.tif",
)
SHAPES = ((512, 512), (501, 501), (400, 480))
NOISE, BLUR, SCALE = 12.0, 3.0, 4
FIGURES = ("FRC 1/7 (px)", "decorrelation (px)", "RSE", "RSP", "MicroSSIM", "SSIM")


def published(path: str) -> dict[str, float | None]:
    """What the other implementations find; run in their environment."""
    from microssim import MicroSSIM
    from nanopyx.methods.squirrel import (
        calculate_decorr_analysis,
        calculate_error_map,
        calculate_frc,
    )
    from skimage.metrics import structural_similarity

    first, second, lr = np.load(path)
    one = MicroSSIM()
    one.fit([first], [lr])
    _, rse, rsp = calculate_error_map(lr, first)
    likeness = structural_similarity(
        first, lr, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    found = (
        calculate_frc(first, second),
        calculate_decorr_analysis(first),
        rse,
        rsp,
        one.score(first, lr),
        likeness,
    )
    return dict(zip(FIGURES, map(float, found))) | {"frc": _frc_package(first, second)}


def _frc_package(first: np.ndarray, second: np.ndarray) -> float | None:
    import frc

    size = first.shape[0]
    if first.shape != (size, size):
        return None
    curve = frc.two_frc(*(frc.util.apply_tukey(image) for image in (first, second)))
    return float(frc.frc_res(np.arange(len(curve)) / size, curve, size)[0])


def ours(first: np.ndarray, second: np.ndarray, lr: np.ndarray) -> list[float]:
    """What the stage evaluate finds."""
    from pssrflow.evaluate.judged import Piece
    from pssrflow.evaluate.metrics import ssim
    from pssrflow.evaluate.micro import micro_scales
    from pssrflow.evaluate.resolution import RINGS, SEVENTH, Spectra, crossing
    from pssrflow.evaluate.windows import Compared

    images = {"sr": first, "scan": second, "lr": lr}
    found = Spectra.of(images, "lr", "scan", min(RINGS, min(first.shape) // 2))
    likeness = found.likeness("sr", SCALE)
    compared = Compared.of(first, lr, 255.0)
    scale = micro_scales([Piece(first, {"lr": lr})])["lr"]
    return [
        2 * found.rings / crossing(found.correlation("sr"), SEVENTH),
        1 / found.cut_off("sr"),
        likeness.rse,
        likeness.rsp,
        ssim(scale.of(compared)),
        ssim(compared),
    ]


def _drawn(path: Path, shape: tuple[int, int]) -> np.ndarray:
    import tifffile
    from PIL import Image
    from scipy import ndimage

    read = tifffile.imread if path.suffix == ".tif" else lambda p: np.array(Image.open(p))
    image = np.squeeze(read(path)).astype(np.float32)
    while image.ndim > 2:
        image = image[0]
    top, left = ((n - s) // 2 for n, s in zip(image.shape, shape))
    crop = image[top : top + shape[0], left : left + shape[1]]
    # Real images are noisy themselves: what two scans have in common is the specimen here.
    crop = 200 * ndimage.gaussian_filter(crop, 1.0) / crop.max()
    rng = np.random.default_rng(0)
    images = [crop, crop, 0.6 * ndimage.gaussian_filter(crop, BLUR) + 20]
    noise = (NOISE, NOISE, NOISE / SCALE)
    drawn = [i + n * rng.standard_normal(crop.shape) for i, n in zip(images, noise)]
    return np.stack(drawn).astype(np.float32)


def main() -> None:
    """Print a row for every image and figure."""
    from benchmarks.machine import heading, parser
    from benchmarks.tables import print_table

    options = parser(__doc__)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--second", required=True, help="Python with the other implementations")
    args = options.parse_args()
    print(heading())
    rows, away = [], {name: [] for name in FIGURES}
    for name in IMAGES:
        for shape in SHAPES:
            images = _drawn(args.data / name, shape)
            with tempfile.TemporaryDirectory() as folder:
                path = f"{folder}/images.npy"
                np.save(path, images)
                called = [args.second, __file__, path]
                said = subprocess.run(called, check=True, capture_output=True, text=True).stdout
            theirs = json.loads(said.splitlines()[-1])
            own = dict(zip(FIGURES, ours(*images)))
            for figure, value in own.items():
                away[figure].append(abs(value / theirs[figure] - 1))
            cells = (f"{own[f]:.4g} / {theirs[f]:.4g}" for f in FIGURES)
            package = theirs["frc"] and f"{theirs['frc']:.4g}"
            rows.append([name, "x".join(map(str, shape)), *cells, package or ""])
    print_table(["image", "crop", *FIGURES, "frc 0.1.1 (px)"], rows)
    worst = (f"{100 * max(away[f]):.2g} %" for f in FIGURES)
    print_table(["largest difference", "", *FIGURES, ""], [["", "", *worst, ""]])


if __name__ == "__main__":
    if len(sys.argv) == 2 and sys.argv[1].endswith(".npy"):
        warnings.filterwarnings("ignore")
        print(json.dumps(published(sys.argv[1])))
    else:
        main()

"""Reference figures of PSSR2's crappifiers, and how fast they are.

PSSR2 needs an environment of its own. The file of figures, tests/data/pssr2_noise.json, is of pssr
2.4.0 with numpy 1.26.4, scikit-image 0.26.0, scipy 1.17.1, Pillow 13.0.0 and torch 2.14.1 on
Python 3.11, and comes out the same to the byte:

    python3.11 -m venv pssr2 && pssr2/bin/pip install pssr==2.4.0
    pssr2/bin/python -m benchmarks.pssr2.reference                # writes the file of figures
    pssr2/bin/python -m benchmarks.pssr2.reference --throughput   # ends with one line of JSON

Noise is made by PSSR2's own dataset: it resizes the 8-bit HR image with Pillow (bilinear, rounded
to 8 bit), hands it to the crappifier as float32, then rounds to the nearest integer, ties to even,
and clips to 0..255. `float` in the file is what the crappifier returned, before the rounding;
`MultiCrappifier` with clip has clipped it by then, a single crappifier has not.
"""

import hashlib
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import tifffile
from PIL import Image
from pssr.crappifiers import (
    AdditiveGaussian,
    Blur,
    Crappifier,
    MultiCrappifier,
    Poisson,
    SaltPepper,
)
from pssr.data import ImageDataset

from benchmarks.machine import ROOT, heading, parser

PACKAGES = ["pssr", "numpy", "scikit-image", "scipy", "pillow", "torch"]
STEPS = {"gaussian": AdditiveGaussian, "poisson": Poisson, "salt_pepper": SaltPepper, "blur": Blur}
# A noise step: name, intensity, gain, spread.
Step = Mapping[str, Any]
SCALE = 4
# LR pixels along y and x.
SIZE = 512
LEVELS = [0, 10, 40, 100, 180, 250]
QUANTILES = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]
# Images of one setting with spread, and their grey level.
IMAGES = 200
SPREAD_LEVEL = 128


def step(name: str, intensity: float, gain: float = 0, spread: float = 0) -> Step:
    """One noise step in the terms of PSSRflow's configuration."""
    return {"name": name, "intensity": intensity, "gain": gain, "spread": spread}


Noise = Sequence[Step]
# Noise chain, and whether it is clipped between its steps.
FLAT = [
    ([step("gaussian", 13)], True),
    ([step("gaussian", 13, gain=10)], True),
    ([step("poisson", 1)], True),
    ([step("poisson", 1, gain=10)], True),
    ([step("poisson", 0.5)], True),
    ([step("salt_pepper", 0.5)], True),
    ([step("salt_pepper", 0.5, gain=10)], True),
    ([step("salt_pepper", 2)], True),
    ([step("salt_pepper", 2, gain=10)], True),
    ([step("poisson", 1), step("gaussian", 13)], True),
    ([step("poisson", 1), step("gaussian", 13)], False),
    ([step("gaussian", 13), step("poisson", 0.5)], True),
    ([step("gaussian", 13), step("poisson", 0.5)], False),
    ([step("salt_pepper", 2), step("blur", 1.3)], True),
    ([step("gaussian", 13), step("salt_pepper", 2), step("blur", 1.3)], False),
]
SPREAD = [
    [step("gaussian", 13, spread=4)],
    [step("poisson", 0.5, spread=0.1)],
    [step("salt_pepper", 2, spread=0.5)],
]
BLUR = [[step("blur", 2)], [step("blur", 1.3)]]
FULL = [
    ([step("poisson", 1)], True),
    ([step("poisson", 1), step("gaussian", 13)], True),
    ([step("salt_pepper", 2), step("blur", 2)], True),
]


class Recorder(Crappifier):
    """Passes images to another crappifier and keeps what that returned last."""

    def __init__(self, inner: Crappifier) -> None:
        self.inner = inner
        self.returned = None

    def crappify(self, image: np.ndarray) -> np.ndarray:
        """What the other one makes."""
        self.returned = self.inner.crappify(image)
        return self.returned


def pssr2(noise: Noise, clip: bool = True) -> Crappifier:
    """PSSR2's crappifier of a noise chain; a single step is not put into a MultiCrappifier."""
    steps = [_pssr2_step(**one) for one in noise]
    return steps[0] if len(steps) == 1 else MultiCrappifier(*steps, clip=clip)


def _pssr2_step(name, intensity, gain, spread):
    # PSSR2 takes the intensity of salt and pepper in percent, its spread as a fraction.
    return STEPS[name](intensity, gain, spread / 100 if name == "salt_pepper" else spread)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed NumPy's global state and the generator that scikit-image makes without a seed."""
    np.random.seed(seed)
    generator = np.random.default_rng(seed)
    with mock.patch.object(np.random, "default_rng", lambda *_: generator):
        yield


def dataset(folder: Path, planes: Iterable[np.ndarray]) -> ImageDataset:
    """PSSR2's training dataset of HR planes, stored below `folder`; its crappifier is unset."""
    folder.mkdir()
    for index, plane in enumerate(planes):
        tifffile.imwrite(folder / f"{index:03}.tif", plane)
    return ImageDataset(folder, SCALE * SIZE, SCALE, None, rotation=False)


def low_resolution(
    source: ImageDataset, index: int, crappifier: Crappifier | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """LR plane `index` of a dataset: uint8, and float as the crappifier returned it."""
    source.crappifier = crappifier and Recorder(crappifier)
    lr = source[index][1].numpy()[0]
    if (lr != lr.astype(np.uint8)).any():
        raise ValueError("PSSR2 made LR pixels that are not 8 bit")
    return lr.astype(np.uint8), crappifier and source.crappifier.returned[0]


def histogram(values: np.ndarray) -> dict[int, int]:
    """Counts of the values that occur."""
    return {int(value): int(count) for value, count in zip(*np.unique(values, return_counts=True))}


def moments(values: np.ndarray) -> dict[str, float]:
    """Mean and variance."""
    values = np.asarray(values, float)
    return {"mean": round(values.mean(), 5), "variance": round(values.var(), 5)}


def figures(lr: np.ndarray, returned: np.ndarray) -> dict[str, Any]:
    """Mean, variance and histogram of LR pixels, and of what they were rounded from."""
    quantiles = np.quantile(returned, QUANTILES).round(4).tolist()
    exact = {**moments(returned), "quantiles": quantiles}
    return {**moments(lr), "float": exact, "histogram": histogram(lr)}


def correlated(noise: Noise) -> bool:
    """Whether neighbouring pixels depend on each other, which most two-sample tests forbid."""
    return any(one["name"] == "blur" for one in noise)


def flat_entries(folder: Path) -> list[dict]:
    """Noise of every chain on flat images of every grey level."""
    shape = (SCALE * SIZE, SCALE * SIZE)
    source = dataset(folder / "flat", [np.full(shape, level, np.uint8) for level in LEVELS])
    entries = []
    for noise, clip in FLAT:
        for index, level in enumerate(LEVELS):
            with seeded(len(entries)):
                made = low_resolution(source, index, pssr2(noise, clip))
            about = {"noise": noise, "clip": clip, "correlated": correlated(noise)}
            entries.append({**about, "level": level, **figures(*made)})
    return entries


def spread_entries(folder: Path) -> list[dict]:
    """Standard deviation of each of many images whose noise intensity varies."""
    plane = np.full((SCALE * SIZE, SCALE * SIZE), SPREAD_LEVEL, np.uint8)
    source = dataset(folder / "spread", [plane])
    entries = []
    for noise in SPREAD:
        with seeded(1000 + len(entries)):
            made = [low_resolution(source, 0, pssr2(noise)) for _ in range(IMAGES)]
        sd = [round(float(lr.std()), 3) for lr, _ in made]
        exact = [round(float(returned.std()), 3) for _, returned in made]
        about = {"noise": noise, "clip": True, "level": SPREAD_LEVEL}
        entries.append({**about, "sd": sd, "float_sd": exact})
    return entries


def blur_entries() -> list[dict]:
    """Response of every blur to an impulse, one in the corner of the image, and a step edge."""
    impulse, corner, edge = (np.zeros((1, 65, 65), np.float32) for _ in range(3))
    impulse[0, 32, 32] = 255
    corner[0, 0, 0] = 255
    edge[...] = 40
    edge[0, :, 32:] = 180
    entries = []
    for noise in BLUR:
        blur = pssr2(noise)
        spot, piece, row = (
            blur(impulse)[0, 22:43, 22:43],
            blur(corner)[0, :9, :9],
            blur(edge)[0, 32],
        )
        responses = {"impulse": spot, "corner": piece, "edge": row}
        rounded = {name: np.round(r.astype(float), 5).tolist() for name, r in responses.items()}
        entries.append({"noise": noise, "clip": True, **rounded})
    return entries


def hr_image() -> np.ndarray:
    """HR image of the full path, 8 bit: rings with edges between them, under a fine texture."""
    y, x = np.ogrid[: SCALE * SIZE, : SCALE * SIZE]
    rings = (x * x + y * y) // 8192
    texture = (37 * x + 101 * y + x * y) % 17
    return ((rings + texture) % 256).astype(np.uint8)


def full_hr() -> dict[str, Any]:
    """How to make the HR image again."""
    return {
        "shape": [SCALE * SIZE, SCALE * SIZE],
        "formula": "((x * x + y * y) // 8192 + (37 * x + 101 * y + x * y) % 17) % 256",
        "sha256": hashlib.sha256(hr_image().tobytes()).hexdigest(),
    }


def full_entries(folder: Path) -> list[dict]:
    """The whole way from a structured HR image; the first entry has no noise."""
    source = dataset(folder / "full", [hr_image()])
    clean, _ = low_resolution(source, 0)
    corners = {"corner": clean[:12, :12].tolist(), "middle": clean[250:262, 250:262].tolist()}
    entries = [{"noise": [], "clip": True, **moments(clean), "histogram": histogram(clean)}]
    entries[0].update(corners)
    for noise, clip in FULL:
        with seeded(2000 + len(entries)):
            lr, returned = low_resolution(source, 0, pssr2(noise, clip))
        about = {"noise": noise, "clip": clip, "correlated": correlated(noise)}
        difference = lr.astype(int) - clean
        residual = {**moments(difference), "histogram": histogram(difference)}
        entries.append({**about, **figures(lr, returned), "residual": residual})
    return entries


def reference() -> dict[str, Any]:
    """All reference figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return {
            "made_with": {"python": platform.python_version(), **{p: version(p) for p in PACKAGES}},
            "scale": SCALE,
            "size": SIZE,
            "quantiles": QUANTILES,
            "rounding": "nearest, ties to even; then clipped to 0..255",
            "flat": flat_entries(folder),
            "spread": spread_entries(folder),
            "blur": blur_entries(),
            "full_hr": full_hr(),
            "full": full_entries(folder),
        }


def dumped(document: Mapping[str, Any]) -> str:
    """JSON with one line for each key, and for each entry of a list of entries."""
    compact = json.JSONEncoder(separators=(",", ":")).encode
    lines = []
    for key, value in document.items():
        if isinstance(value, list) and isinstance(value[0], dict):
            lines.append(f"{compact(key)}:[\n" + ",\n".join(map(compact, value)) + "\n]")
        else:
            lines.append(f"{compact(key)}:{compact(value)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def crappify_in_memory(hr: np.ndarray, crappifier: Crappifier) -> np.ndarray:
    """What PSSR2's dataset does to an HR image in memory, without making tensors of the pair."""
    size = [n // SCALE for n in reversed(hr.shape)]
    small = Image.fromarray(hr).resize(size, Image.Resampling.BILINEAR)
    noisy = crappifier(np.asarray(small, np.float32)[np.newaxis])
    return np.clip(np.rint(noisy), 0, 255)


def throughput(size: int = 4096, repeats: int = 5) -> float:
    """HR megapixels per second of Poisson and Gaussian noise at scale 4, in one process."""
    hr = np.tile(hr_image(), (size // (SCALE * SIZE),) * 2)
    crappifier = MultiCrappifier(Poisson(1), AdditiveGaussian(13))
    seconds = []
    # The first pass is not counted.
    for _ in range(repeats + 1):
        begin = time.perf_counter()
        crappify_in_memory(hr, crappifier)
        seconds.append(time.perf_counter() - begin)
    return hr.size / 1e6 / statistics.median(seconds[1:])


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--throughput", action="store_true", help="measure speed, write no file")
    arguments.add_argument("--out", type=Path, default=ROOT / "tests" / "data" / "pssr2_noise.json")
    options = arguments.parse_args()
    print(heading())
    if options.throughput:
        print(json.dumps({"hr_megapixel_per_s": round(throughput(), 2)}))
    else:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(dumped(reference()))
        print(f"{options.out}: {options.out.stat().st_size} bytes")

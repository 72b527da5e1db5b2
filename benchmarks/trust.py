"""Are the promises of the map of trust kept? On simulated and on real images.

    python -m benchmarks.trust run --data FOLDER --out FOLDER [--max-time 120s] [--only NAME ...]
    python -m benchmarks.trust coverage|fakes|sizes|domains --out FOLDER [--data FOLDER]
        [--only NAME ...]
    python -m benchmarks.trust specimen|cost|truth --out FOLDER
    python -m benchmarks.trust scans --data FOLDER --out FOLDER

run       the pipeline on every set, with rows to learn from, rows that trust is calibrated on, and
          rows that are tested; three networks
coverage  of the intervals on the rows that are tested
specimen  the same of the interval for the specimen, against clean images of the simulator
scans     noise as two real scans of a field tell it, beside its variance over 20 of them
fakes     vesicles and bands that are planted in predictions, and structures that are erased
cost      of the map, beside the prediction
truth     PSNR freed of the noise of the truth, on simulated scans whose clean image is known
domains   LR images of another dwell time, focus, pixel size or specimen
sizes     how intervals and gains hold on pixels that are larger or smaller than what was learnt

LR images are bilinear means of 4 x 4 pixels with Poisson noise. What is complete below `--out` is
kept: remove it to begin anew.
"""

import argparse
import functools
import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tifffile
import torch
from scipy import ndimage

from benchmarks.machine import heading, parser
from benchmarks.processes import run_sheet
from benchmarks.real_data import FIBSEM, RATS, SSTEM
from benchmarks.tables import in_turns, print_table
from pssrflow.calibrate.frames import Noise, noise_between
from pssrflow.crappify.chain import Crappifier, crappify_plane
from pssrflow.crappify.squares import NoiseKey
from pssrflow.evaluate.errors import Remedy, decibels
from pssrflow.evaluate.intervals import Bootstrap, block_sums
from pssrflow.evaluate.metrics import psnr
from pssrflow.ingest.readers.counts import Half
from pssrflow.ingest.settings import Settings as Ingest
from pssrflow.models.input import Input
from pssrflow.models.weights import load_weights
from pssrflow.pairs.aligned import Scan
from pssrflow.pairs.field import Field, open_field
from pssrflow.pairs.patches import Drawing
from pssrflow.predict.assembly import finalise
from pssrflow.predict.inference import Inference
from pssrflow.predict.plan import Request
from pssrflow.predict.prediction import Prediction
from pssrflow.predict.settings import Settings as Predict
from pssrflow.predict.stage import initialise, run_part
from pssrflow.run.layout import Layout
from pssrflow.run.memory import Budget
from pssrflow.simulate.microscope import Place, expected, scan
from pssrflow.simulate.settings import Microscope
from pssrflow.trust.conformal import multiplier, multipliers
from pssrflow.trust.consistency import degraded, statistics
from pssrflow.trust.layers import layers
from pssrflow.trust.learn import Grounds, Learner
from pssrflow.trust.maps import DOUBTFUL, STRANGE, Looked
from pssrflow.trust.novelty import features
from pssrflow.trust.promise import STRATA, Promise
from pssrflow.trust.stage import Work, make
from pssrflow.trust.windows import WINDOW, Seen, gathered
from pssrflow.volumes.intensity import Range, finest, noise_of
from pssrflow.volumes.interpolation import interpolated
from pssrflow.volumes.store import Store

COLUMNS = ["sample", "role", "path", "crop", "pixel_size", "hr2_path"]
NOISE = {
    "fit": None,
    "downsample": "bilinear",
    "noise": [{"name": "poisson", "intensity": 1}],
}
MODELS = {
    "default": {"arch": "unet"},
    "pssr2-resunet": {"arch": "resunet"},
    "bicubic": {"arch": "bicubic", "train": False},
}
EM = {"dwell_us": 20, "gain": 0.4}
COUNTING = {"dwell_us": 4, "gain": 1, "offset": 0, "read_noise": 0}
FAST = {"step_nm": 16, "spot_nm": 5, "dwell_us": 8, "gain": 1}
SIMULATED = {
    "learnt": EM | {"shape": [4, 1024, 1024], "tissue": 11},
    "kept": EM | {"shape": [4, 1024, 1024], "tissue": 12},
    "again": EM | {"shape": [4, 1024, 1024], "tissue": 12, "draw": 1},
    "tested": EM | {"shape": [8, 1024, 1024], "tissue": 13},
    "large": FAST | {"shape": [2, 1024, 1024], "tissue": 14},
}
SETS = {
    "simulated": [
        ("learnt", "train", "simulate:learnt", "", ""),
        ("kept", "trust", "simulate:kept", "", "", "simulate:again"),
        ("tested", "test", "simulate:tested", "", ""),
        ("large", "predict", "simulate:large", "", ""),
    ],
    "fibsem": [
        ("learnt", "train", FIBSEM, "0:90, 0:, 0:", "10, 10, 10 nm"),
        ("kept", "trust", FIBSEM, "95:126, 0:, 0:", "10, 10, 10 nm"),
        ("tested", "test", FIBSEM, "130:160, 0:, 0:", "10, 10, 10 nm"),
    ],
    "sstem": [
        ("learnt", "train", SSTEM, "0:10, 0:, 0:", "50, 4.6, 4.6 nm"),
        ("kept", "trust", SSTEM, "10:14, 0:, 0:", "50, 4.6, 4.6 nm"),
        ("tested", "test", SSTEM, "14:20, 0:, 0:", "50, 4.6, 4.6 nm"),
    ],
    "rat": [
        *(
            (f"rat-{rat}-{image}", role, RATS.format(rat, image), "", f"{size} um")
            for rat, image, role, size in (
                (1, 1, "train", 0.18),
                (2, 5, "train", 0.093),
                (3, 9, "train", 0.1),
                (3, 10, "trust", 0.1),
                (3, 11, "trust", 0.1),
            )
        ),
        ("tested", "test", RATS.format(4, 12), "", "0.1 um"),
    ],
}
# The same images, of each of which some is kept for the promise, so that it is of three animals.
SETS["rats"] = [(name, role.replace("trust", "train"), *rest) for name, role, *rest in SETS["rat"]]


def run(options: argparse.Namespace) -> None:
    """Every set through the pipeline."""
    for name in options.only:
        if (options.out / name / "results/report.json").exists():
            continue
        rows = [(*row, *[""] * (len(COLUMNS) - len(row))) for row in SETS[name]]
        table = pd.DataFrame(rows, columns=COLUMNS)
        real = ~table["path"].str.startswith("simulate:")
        root = str(options.data.resolve()) + "/"
        table.loc[real, "path"] = root + table.loc[real, "path"]
        learning = {"max_time": options.max_time, "epochs": 100_000}
        config: dict[str, Any] = {"crappify": NOISE, "models": MODELS, "train": learning}
        config["simulate"] = SIMULATED
        run_sheet(options.out / name, table, config)


# -- coverage -------------------------------------------------------------------------------------

LEVELS = np.arange(0.1, 0.95, 0.1)


@dataclass(frozen=True)
class Tested:
    """The tested row of a set and what a network made of it."""

    results: Path
    model: str

    @property
    def promise(self) -> Promise:
        """What is promised of the network."""
        return Promise.read(self.results / f"models/{self.model}/trust.safetensors")

    def field(self, sample: str) -> Field:
        """A row, with its LR image."""
        hr, lr = (self.results / f"{sample}/{kind}.ome.zarr" for kind in ("hr", "lr"))
        return replace(open_field(sample, hr, lr, False, self.promise.scale), lr=Store(lr))

    def planes(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """LR image, prediction and truth of every plane, as the network sees grey levels."""
        field = self.field("tested")
        lr, sr = field.lr, Store(self.results / f"tested/{self.model}/sr.ome.zarr")
        given = Input.of(lr.volume.intensity, self.promise.intensity)
        for plane in sr.volume.region.planes():
            whole = [slice(0, n) for n in field.hr.volume.shape[3:]]
            coarse = [slice(0, n) for n in lr.volume.shape[3:]]
            finer = [slice(0, n) for n in sr.volume.shape[3:]]
            images = lr.reader()(plane, *coarse), sr.reader()(plane, *finer)
            truth = field.hr.reader()(plane, *whole)
            yield tuple(given.scaled(i, plane[1]) for i in (*images, truth))

    def constant(self) -> float:
        """Half-width of an interval that is as wide everywhere, calibrated on the same blocks."""
        weights = self.results / f"models/{self.model}/best.safetensors"
        network, facts = load_weights(weights)
        inference = Inference(network, torch.device("cpu"), "32")
        nothing = Promise.nothing(self.promise.level, facts.intensity, self.promise.crappify)
        fields = [self.field(sample) for sample in self.promise.about["samples"]]
        none = [None] * len(fields)
        grounds = Grounds(fields, none, [field.region for field in fields], 48)
        learner = Learner(inference, nothing, Drawing(frames=facts.frames), 0)
        flat = learner.of(grounds, len(self.promise.blocks))
        return multiplier(flat.blocks.sum(1), flat.level)


def coverage(options: argparse.Namespace) -> None:
    """How the intervals hold on rows that nothing was learnt or calibrated on."""
    names = ["set", "network", "blocks", "coverage %", "5th percentile of planes"]
    names += [" / ".join(STRATA), "with one width everywhere", "spread to that", "width to that"]
    rows = (
        [name, model, *_covered(Tested(options.out / name / "results", model))]
        for name, model in itertools.product(options.only, MODELS)
    )
    print_table([*names, "calibration error"], rows)


def _covered(tested: Tested) -> Iterator[Any]:
    promise = tested.promise
    planes = [_ratios(promise, *images) for images in tested.planes()]
    error, strata, scale, *_ = (np.concatenate(found) for found in zip(*planes))
    factors = np.array(promise.multipliers)
    inside = error <= scale * factors[strata]
    flat = tested.constant()
    sizes = [len(e) for e, *_ in planes]
    by_plane = [100 * part.mean() for part in np.split(inside, np.cumsum(sizes)[:-1])]
    own, other = _by_stratum(inside, strata), _by_stratum(error <= flat, strata)
    yield from (len(promise.blocks), f"{100 * inside.mean():.1f}")
    yield f"{np.percentile(by_plane, 5):.1f}"
    yield from (" / ".join(f"{v:.1f}" for v in found) for found in (own, other))
    yield f"{np.ptp(own) / max(np.ptp(other), 1e-9):.2f}"
    # One width that covers as much.
    yield f"{(scale * factors[strata]).mean() / np.quantile(error, inside.mean()):.2f}"
    at = [
        (error <= scale * np.array(multipliers(promise.blocks, q))[strata]).mean() for q in LEVELS
    ]
    yield f"{np.abs(np.array(at) - LEVELS).mean():.3f}"


def _ratios(promise: Promise, lr: np.ndarray, sr: np.ndarray, hr: np.ndarray) -> Sequence:
    """Errors, scales and strata of the pixels of a plane."""
    height, width = hr.shape
    fine = np.ones((promise.scale, promise.scale), np.float32)
    shown = layers(sr, promise.scale)
    scales = (np.kron(s, fine)[:height, :width].ravel() for s in promise.scales(lr, *shown))
    strata = np.kron(promise.strata(*shown), fine)[:height, :width]
    # The last LR pixels may show more than the truth does.
    error = np.abs(sr[:height, :width] - hr)
    return error.ravel(), strata.ravel().astype(np.int64), *scales


def _by_stratum(inside: np.ndarray, strata: np.ndarray) -> list[float]:
    return [100 * float(inside[strata == k].mean()) for k in range(len(STRATA))]


# -- the specimen ---------------------------------------------------------------------------------


def specimen(options: argparse.Namespace) -> None:
    """How the intervals for the specimen hold it, which the simulator shows without noise."""
    names = ["network", "coverage %", "5th percentile of planes", " / ".join(STRATA)]
    names += ["mean half-width", "to that of a second scan", "to one width everywhere"]
    rows = (
        [model, *_held(Tested(options.out / "simulated" / "results", model))] for model in MODELS
    )
    print_table(names, rows)


def _held(tested: Tested) -> Iterator[Any]:
    promise = tested.promise
    given = Input.of(tested.field("tested").lr.volume.intensity, promise.intensity)
    slow, place = Microscope(**EM), Place(SIMULATED["tested"]["tissue"])
    planes = []
    for z, (lr, sr, hr) in enumerate(tested.planes()):
        clean = expected(slow, place, z, *(slice(0, n) for n in hr.shape))
        planes.append(_ratios(promise, lr, sr, given.scaled(clean, 0)))
    error, strata, scale, deviation = (np.concatenate(found) for found in zip(*planes))
    wide = deviation * np.array(promise.deviations)[strata]
    inside = error <= wide
    each = [100 * part.mean() for part in np.split(inside, len(planes))]
    yield from (f"{100 * inside.mean():.1f}", f"{np.percentile(each, 5):.1f}")
    yield " / ".join(f"{v:.1f}" for v in _by_stratum(inside, strata))
    yield f"{wide.mean():.4f}"
    yield f"{wide.mean() / (scale * np.array(promise.multipliers)[strata]).mean():.2f}"
    yield f"{wide.mean() / np.quantile(error, inside.mean()):.3f}"


# -- the noise of real scans ----------------------------------------------------------------------

TWO_PHOTON = "fluo_multiframe/two_photon_20frames.tif"
FIRST = (0, 5, 10, 15)


def scans(options: argparse.Namespace) -> None:
    """Noise of frames of a two-photon series, whose scans show one field over and over."""
    frames = tifffile.imread(options.data / TWO_PHOTON)
    told = [_told(frames[n : n + 2], options.out / f"scans{n}") for n in FIRST]
    mean, variance = frames.mean(0, float), frames.var(0, float, ddof=1)
    edges = np.quantile(mean, np.linspace(0, 1, 6))
    names = ["grey level", "variance over all frames"]
    rows = []
    for low, high in itertools.pairwise(edges):
        here = (mean >= low) & (mean <= high)
        level, known = float(mean[here].mean()), float(variance[here].mean())
        found = (float(noise.variance(np.array(level))) / known for noise in told)
        rows.append([f"{level:.0f}", f"{known:.0f}", *(f"{ratio:.2f}" for ratio in found)])
    print_table([*names, *(f"frames {n}, {n + 1} to that" for n in FIRST)], rows)


def _told(pair: np.ndarray, folder: Path) -> Noise:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [str((folder / f"{n}.tif").resolve()) for n in (0, 1)]
    for path, frame in zip(paths, pair, strict=True):
        tifffile.imwrite(path, frame)
    table = pd.DataFrame([("a", "test", *paths)], columns=["sample", "role", "path", "hr2_path"])
    config = {"crappify": NOISE, "models": {"bicubic": MODELS["bicubic"]}}
    results = run_sheet(folder, table, config, "ingest")
    first, second = (Store(results / f"a/{kind}.ome.zarr") for kind in ("hr", "hr2"))
    found = noise_between(first, Scan(second), 0)
    assert found is not None
    return found


# -- what is planted ------------------------------------------------------------------------------

# Radii of vesicles and widths of bands, SR pixels; how much darker or lighter, in parts of the
# display window.
VESICLES, BANDS, CONTRAST = (4, 6, 8, 12), (3, 5, 8), 0.5
FAKES = 60


def fakes(options: argparse.Namespace) -> None:
    """Can what is invented or lost in a prediction be told by the LR image?"""
    names = ["set", "network", "fake", "size (SR pixels)", "AUROC of consistency"]
    rows = (
        [name, model, *row]
        for name, model in itertools.product(options.only, ["default"])
        for row in _planted(Tested(options.out / name / "results", model))
    )
    print_table(names, rows)


def _planted(tested: Tested) -> Iterator[list[Any]]:
    promise, rng = tested.promise, np.random.default_rng(0)
    images = [(lr, sr) for lr, sr, _ in tested.planes()]
    kinds = [("vesicle added", r, _vesicle) for r in VESICLES]
    kinds += [("band added", w, _band) for w in BANDS]
    kinds += [("structure erased", r, _erased) for r in VESICLES]
    for name, size, change in kinds:
        as_is, changed = [], []
        for _ in range(FAKES):
            lr, sr = images[rng.integers(len(images))]
            side = WINDOW * promise.scale
            y, x = (int(rng.integers(1, n // WINDOW - 1)) * side for n in lr.shape)
            made = sr.copy()
            change(made[y : y + side, x : x + side], size, rng)
            for found, image in ((as_is, sr), (changed, made)):
                found.append(_explained(promise, lr, image, y, x))
        # Small p-values are strange.
        yield [name, size, f"{_auroc(as_is, changed):.2f}"]


def _vesicle(window: np.ndarray, radius: int, rng: np.random.Generator) -> None:
    y, x = np.mgrid[: len(window), : len(window)]
    cy, cx = rng.integers(radius, len(window) - radius, 2)
    away = np.hypot(y - cy, x - cx)
    # A membrane around a lighter inside.
    window[np.abs(away - radius + 1) < 1.5] -= CONTRAST
    window[away < radius - 2] += CONTRAST / 2


def _band(window: np.ndarray, width: int, rng: np.random.Generator) -> None:
    top = rng.integers(0, len(window) - width)
    window[top : top + width] -= CONTRAST


def _erased(window: np.ndarray, radius: int, rng: np.random.Generator) -> None:
    """The place with most structure becomes as its surroundings are on the mean."""
    spread = ndimage.generic_filter(window[::4, ::4], np.std, 2 * (radius // 4) + 1)
    cy, cx = (int(4 * i) for i in np.unravel_index(spread.argmax(), spread.shape))
    y, x = np.mgrid[: len(window), : len(window)]
    inside = np.hypot(y - cy, x - cx) < radius
    window[inside] = window[inside].mean()


def _explained(promise: Promise, lr: np.ndarray, sr: np.ndarray, y: int, x: int) -> float:
    """p-value of the window of which SR pixel (y, x) is the first."""
    scale, reach = promise.scale, promise.reach
    rows, cols = (slice(n // scale, n // scale + WINDOW) for n in (y, x))
    wide = [slice(max(0, s.start - reach), s.stop + reach) for s in (rows, cols)]
    fine = tuple(slice(s.start * scale, s.stop * scale) for s in wide)
    near = sr[fine]
    inside = [
        range(s.start - w.start, s.start - w.start + WINDOW) for s, w in zip((rows, cols), wide)
    ]
    levels = Range(0.0, 1.0, 0.0)
    made = degraded(promise.crappifier, lambda r, c: near[r, c], near.shape, levels, *inside)
    left = promise.residuals.standardised(lr[rows, cols], made)
    return float(promise.consistent(statistics(left[None]))[0])


def _auroc(as_is: Sequence[float], strange: Sequence[float]) -> float:
    """Chance that what is strange has the smaller p-value."""
    one, other = np.array(as_is)[:, None], np.array(strange)[None]
    return float(((other < one) + 0.5 * (other == one)).mean())


# -- another domain -------------------------------------------------------------------------------

NUCLEI = "fluo_multiframe/cells3d_nuclei_z20-39.tif"


def domains(options: argparse.Namespace) -> None:
    """Is an LR image of another kind told from those that were learnt from?"""
    names = ["set", "what is other", "AUROC of novelty", "with pixel sizes"]
    names += ["alarms on the tested row %", "blocks with care %", "not to be used %"]
    rows = (
        [name, *row]
        for name in options.only
        for row in _others(Tested(options.out / name / "results", "default"), options)
    )
    print_table(names, rows)


def _others(tested: Tested, options: argparse.Namespace) -> Iterator[list[Any]]:
    promise = tested.promise
    images = [lr for lr, *_ in tested.planes()]
    known = np.concatenate([_novel(promise, lr) for lr in images])
    for name, pictures, size in _kinds(tested, images, options):
        found = np.concatenate([_novel(promise, lr) for lr in pictures])
        capped = np.minimum(found, _cap(promise, size))
        told = [f"{_auroc(known, values):.3f}" for values in (found, capped)]
        alarms, care, bad = (known < DOUBTFUL), (capped < DOUBTFUL), (capped < STRANGE)
        yield [
            name,
            *told,
            *(f"{100 * shares.mean():.0f}" for shares in (alarms, care & ~bad, bad)),
        ]


def _kinds(tested: Tested, images: list[np.ndarray], options: argparse.Namespace) -> Iterator[Any]:
    """Names, LR images and their pixel sizes, where these are known."""
    rng, here = np.random.default_rng(0), _pixel(tested)
    # Half the dwell time: the variance of the noise once more.
    noisier = [lr + noise_of(finest(lr)) * rng.standard_normal(lr.shape) for lr in images]
    yield "half the dwell time", [lr.astype(np.float32) for lr in noisier], here
    blurred = _rescanned(tested, lambda hr: ndimage.gaussian_filter(hr, 4.0))
    yield "defocus of 1 LR pixel", [lr for lr, _ in blurred], here
    for factor in (1.5, 3):
        larger = [lr for lr, _ in _rescanned(tested, functools.partial(_coarser, factor=factor))]
        yield f"pixels {factor:g} times as large", larger, factor * here
    for name in SETS:
        other = Tested(options.out / name / "results", "default")
        if name != tested.results.parent.name and other.results.is_dir():
            yield f"the rows of {name}", [lr for lr, *_ in other.planes()], None
    if options.data:
        stack = tifffile.imread(options.data / NUCLEI)[::4].astype(np.float32)
        planes = (p[: p.shape[0] // 4 * 4, : p.shape[1] // 4 * 4] for p in stack)
        yield "confocal nuclei", [_scaled(plane) for plane in planes], None


def _pixel(tested: Tested) -> float:
    side = tested.field("tested").lr.volume.pixel_side
    assert side is not None
    return side


def _cap(promise: Promise, size: float | None) -> float:
    """What the map makes of a pixel size, as a p-value."""
    return 0.0 if promise.far(size) else 1.0 if promise.near(size) else np.nextafter(DOUBTFUL, 0)


def _coarser(hr: np.ndarray, factor: float) -> np.ndarray:
    """An HR image of larger (or smaller) pixels."""
    blurred = ndimage.gaussian_filter(hr, 0.5 * max(factor**2 - 1, 0) ** 0.5)
    made = ndimage.zoom(blurred, 1 / factor, order=1)
    return made[: made.shape[0] // 4 * 4, : made.shape[1] // 4 * 4]


def _rescanned(
    tested: Tested, change: Callable[[np.ndarray], np.ndarray]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """LR and HR images of the tested row as another setting of the microscope would record them.

    What is changed is the specimen as the HR scan shows it, so that the noise stays as it is.
    """
    field = tested.field("tested")
    assert field.lr is not None
    given = Input.of(field.lr.volume.intensity, tested.promise.intensity)
    crappifier = Crappifier.from_config(scale=4, downsample="bilinear", noise=NOISE["noise"])
    whole = [slice(0, n) for n in field.hr.volume.shape[3:]]
    for number, plane in enumerate(field.hr.volume.region.planes()):
        hr = change(field.hr.reader()(plane, *whole).astype(np.float32))
        lr = crappify_plane(hr, crappifier, NoiseKey(0, "t", number, 0, 0, 0), 0, 255)
        yield given.scaled(lr, 0).astype(np.float32), given.scaled(hr, 0)


def _scaled(plane: np.ndarray) -> np.ndarray:
    coarse = plane.reshape(plane.shape[0] // 4, 4, plane.shape[1] // 4, 4).mean((1, 3))
    low, high = np.percentile(coarse, (0.1, 99.9))
    return ((coarse - low) / (high - low)).astype(np.float32)


def _novel(promise: Promise, lr: np.ndarray) -> np.ndarray:
    """p-values of the blocks of an LR image."""
    size = promise.block
    rows, cols = (range(max(1, n // size)) for n in lr.shape)
    seen = Seen((slice(0, None), slice(0, None)), lr.shape)
    return promise.familiar(features(gathered(lr, (rows, cols), size, seen))).ravel()


# -- larger and smaller pixels --------------------------------------------------------------------

FACTORS = (0.5, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0)


def sizes(options: argparse.Namespace) -> None:
    """Do intervals hold, and networks gain, on pixels that they did not learn from?"""
    names = ["set", "pixels as large", "coverage %", "gain over bicubic (dB)", "the map says"]
    rows = (
        [
            name,
            f"{factor:g} times",
            *_sized(Tested(options.out / name / "results", "default"), factor),
        ]
        for name, factor in itertools.product(options.only, FACTORS)
    )
    print_table(names, rows)


def _sized(tested: Tested, factor: float) -> Iterator[Any]:
    promise, size = tested.promise, factor * _pixel(tested)
    network, _ = load_weights(tested.results / f"models/{tested.model}/best.safetensors")
    inference = Inference(network, torch.device("cpu"), "32")
    inside, errors = [], []
    for lr, hr in _rescanned(tested, functools.partial(_coarser, factor=factor)):
        sr = inference([lr[None]])[0]["sr"]
        error, strata, scale, *_ = _ratios(promise, lr, sr, hr)
        inside.append((error <= scale * np.array(promise.multipliers)[strata]).mean())
        errors.append([float(((f - hr) ** 2).mean()) for f in (sr, interpolated(lr, 4))])
    made, plain = np.mean(errors, 0)
    yield from (f"{100 * np.mean(inside):.1f}", f"{10 * np.log10(plain / made):+.2f}")
    yield "do not use" if promise.far(size) else "fit" if promise.near(size) else "with care"


# -- the simulator's truth ------------------------------------------------------------------------

SIDE = 768
COUNTS = "two halves of the counts of one scan; the LR image is made of the first"


def truth(options: argparse.Namespace) -> None:
    """PSNR freed of noise beside PSNR to the clean image, and how often its interval holds that."""
    network, _ = load_weights(options.out / "simulated/results/models/default/best.safetensors")
    inference = Inference(network, torch.device("cpu"), "32")
    crappifier = Crappifier.from_config(scale=4, downsample="bilinear", noise=NOISE["noise"])
    found: dict[str, list[Any]] = {}
    for number in range(options.runs):
        for name, told in _freed(number, inference, crappifier):
            found.setdefault(name, []).append(told)
    names = ["remedy", "runs", "PSNR to the scan", "PSNR to the clean image", "uPSNR"]
    names += ["mean difference (dB)", "largest", "interval holds that %", "that of all fields %"]
    print_table(names, (_summed(name, np.array(told)) for name, told in found.items()))


def _freed(number: int, inference: Inference, crappifier: Crappifier) -> Iterator[Any]:
    whole = slice(0, SIDE)
    slow, fast = Microscope(**EM), Microscope(**FAST)
    place = Place(500 + number)
    clean = expected(slow, place, 0, whole, whole)
    scans = [scan(slow, replace(place, draw=d), 0, whole, whole) for d in (0, 1)]
    first, second = (s.astype(np.float32) for s in scans)
    made = crappify_plane(first, crappifier, NoiseKey(0, "t", number, 0, 0, 0), 0, 255)
    rescanned = scan(fast, place, 0, slice(0, SIDE // 4), slice(0, SIDE // 4))
    variance = slow.gain * np.maximum(clean - slow.offset, 0) + slow.read_noise**2 + 1 / 12
    noise = Noise(slow.gain, slow.read_noise**2 + 1 / 12, slow.offset)
    assert abs(np.mean((first - clean) ** 2) / variance.mean() - 1) < 0.05
    for lr, crappified in ((made, True), (rescanned, False)):
        sr = _restored(lr, inference)
        for twice in (True, False):
            remedy = Remedy.of(crappified, 1.0 if twice else None, noise, 4)
            error = remedy.unbiased(first, sr, second if twice else None)
            yield remedy.name, _beside(sr, clean, first, error)
    yield COUNTS, _halved(number, inference, crappifier)


def _halved(number: int, inference: Inference, crappifier: Crappifier) -> Any:
    """The same of a scan by a counting detector, which is shared out into two."""
    whole, place = slice(0, SIDE), Place(500 + number)
    counting = Microscope(**COUNTING)
    counts = scan(counting, place, 0, whole, whole)
    halves = [Half(1.0, 0.0, second, str(number)) for second in (False, True)]
    first, second = (half.taken(counts, (0,) * 5).astype(np.float32) for half in halves)
    lr = crappify_plane(first, crappifier, NoiseKey(0, "c", number, 0, 0, 0), 0, 255)
    sr = _restored(lr, inference)
    error = Remedy.of(True, 1.0, None, 4).unbiased(first, sr, second)
    return _beside(sr, expected(counting, place, 0, whole, whole), first, error)


def _restored(lr: np.ndarray, inference: Inference) -> np.ndarray:
    low, high = np.percentile(lr, (0.1, 99.9))
    image = inference([((lr - low) / (high - low)).astype(np.float32)[None]])[0]["sr"]
    return image * (high - low) + low


def _beside(sr: np.ndarray, clean: np.ndarray, first: np.ndarray, error: np.ndarray) -> Any:
    """PSNR to the scan and to the clean image, and freed of noise with its interval."""
    sums = block_sums((sr - first) ** 2, error)
    planes = {(0, 0, 0): [sums[..., [0, 2]]]}
    figure = decibels(planes, 255, Bootstrap.of(planes)).found
    naive, true = (psnr(float(np.mean((sr - other) ** 2)), 255) for other in (first, clean))
    return naive, true, figure.value, figure.low, figure.high


def _summed(name: str, told: np.ndarray) -> list[Any]:
    naive, true, freed, low, high = told.T
    away = freed - true
    means = [f"{v.mean():.2f}" for v in (naive, true, freed)]
    # Of this field, and of all fields together, of which it is one.
    together = -10 * np.log10(np.mean(10 ** (-true / 10)))
    held = [100 * np.mean((low <= of) & (of <= high)) for of in (true, together)]
    largest = f"{np.abs(away).max():.3f}"
    return [name, len(told), *means, f"{away.mean():+.3f}", largest, *(f"{h:.0f}" for h in held)]


# -- what it costs --------------------------------------------------------------------------------


def cost(options: argparse.Namespace) -> None:
    """Time of the map beside that of the prediction, in turns, with the threads of this machine."""
    names = ["set", "row", "SR megapixels", "prediction (s)", "in 32 bit (s)", "map (s)"]
    names += ["share of the time %", "of that in 32 bit %"]
    rows = [(name, "tested") for name in options.only]
    rows += [("simulated", "large")] * ("simulated" in options.only)
    print_table(names, (_timed(*row, options.out) for row in rows))


def _timed(name: str, sample: str, out: Path) -> list[Any]:
    results, threads = out / name / "results", torch.get_num_threads()
    layout = Layout(str(results), str(results))
    with tempfile.TemporaryDirectory() as scratch:
        made = Layout(scratch, scratch)
        shutil.copytree(layout.model("default"), made.model("default"))
        for kind in (layout.store("lr", sample), layout.done("lr", sample)):
            there = Path(scratch, Path(kind).relative_to(results))
            there.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if Path(kind).is_dir() else shutil.copyfile)(kind, there)
        prediction = Prediction.of(made, sample, "default")
        chunks = Ingest()
        request = Request(Predict(), 1, chunks.chunk, chunks.shard)

        def predict(precision: str = "auto") -> None:
            shutil.rmtree(prediction.markers, ignore_errors=True)
            initialise(prediction, request)
            run_part(prediction, 0, threads, precision)
            finalise(prediction, [prediction.marker(0)], [], threads)

        def trust() -> None:
            promise = Promise.read(made.promise("default"))
            looked = Looked(promise, prediction.lr, prediction.stores["sr"], 0.25)
            store = Store(made.map_store("trust", sample, "default"))
            done = made.map_done("trust", sample, "default")
            make(Work(looked, store, chunks), done, Budget(threads, 4000))
            torch.set_num_threads(threads)

        predict(), trust()
        plain = functools.partial(predict, "32")
        found = in_turns({"auto": predict, "32": plain, "trust": trust}, 5)
    made, exact, told = (float(np.median(times)) for times in found.values())
    pixels = np.prod(prediction.stores["sr"].volume.shape) / 1e6
    return [
        name,
        sample,
        f"{pixels:.0f}",
        *(f"{seconds:.2f}" for seconds in (made, exact, told)),
        *(f"{100 * told / seconds:.0f}" for seconds in (made, exact)),
    ]


WAYS = {"run": run, "coverage": coverage, "fakes": fakes, "domains": domains, "sizes": sizes}
WAYS |= {"specimen": specimen, "scans": scans, "truth": truth, "cost": cost}


def main() -> None:
    """Measure, and print."""
    arguments = parser(__doc__ or "")
    arguments.add_argument("what", choices=list(WAYS))
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--data", type=Path)
    arguments.add_argument("--runs", type=int, default=100, help="of `truth`")
    arguments.add_argument("--max-time", default="120s")
    arguments.add_argument("--only", choices=SETS, nargs="*", default=list(SETS))
    options = arguments.parse_args()
    print(heading())
    WAYS[options.what](options)


if __name__ == "__main__":
    main()

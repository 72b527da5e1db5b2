"""LR images of another kind than those that were learnt from."""

import argparse
import functools
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import tifffile
import torch
from scipy import ndimage

from benchmarks.tables import print_table
from benchmarks.trust.sets import SETS
from benchmarks.trust.tested import Tested, auroc, coarser, pixel, ratios, rescanned
from pssrflow.models.weights import load_weights
from pssrflow.predict.inference import Inference
from pssrflow.trust.maps import DOUBTFUL, STRANGE
from pssrflow.trust.novelty import features
from pssrflow.trust.promise import Promise
from pssrflow.trust.windows import Seen, gathered
from pssrflow.volumes.intensity import finest, noise_of
from pssrflow.volumes.interpolation import interpolated

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
        told = [f"{auroc(known, values):.3f}" for values in (found, capped)]
        alarms, care, bad = (known < DOUBTFUL), (capped < DOUBTFUL), (capped < STRANGE)
        yield [
            name,
            *told,
            *(f"{100 * shares.mean():.0f}" for shares in (alarms, care & ~bad, bad)),
        ]


def _kinds(tested: Tested, images: list[np.ndarray], options: argparse.Namespace) -> Iterator[Any]:
    """Names, LR images and their pixel sizes, where these are known."""
    rng, here = np.random.default_rng(0), pixel(tested)
    # Half the dwell time: the variance of the noise once more.
    noisier = [lr + noise_of(finest(lr)) * rng.standard_normal(lr.shape) for lr in images]
    yield "half the dwell time", [lr.astype(np.float32) for lr in noisier], here
    blurred = rescanned(tested, lambda hr: ndimage.gaussian_filter(hr, 4.0))
    yield "defocus of 1 LR pixel", [lr for lr, _ in blurred], here
    for factor in (1.5, 3):
        larger = [lr for lr, _ in rescanned(tested, functools.partial(coarser, factor=factor))]
        yield f"pixels {factor:g} times as large", larger, factor * here
    own = tested.results.parent.name.removesuffix("s")
    for name in SETS:
        other = Tested(options.out / name / "results", "default")
        # The images of `rats` are those of `rat`.
        if name not in (own, "rats") and other.results.is_dir():
            yield f"the rows of {name}", [lr for lr, *_ in other.planes()], None
    if options.data:
        stack = tifffile.imread(options.data / NUCLEI)[::4].astype(np.float32)
        planes = (p[: p.shape[0] // 4 * 4, : p.shape[1] // 4 * 4] for p in stack)
        yield "confocal nuclei", [_scaled(plane) for plane in planes], None


def _cap(promise: Promise, size: float | None) -> float:
    """What the map makes of a pixel size, as a p-value."""
    return 0.0 if promise.far(size) else 1.0 if promise.near(size) else np.nextafter(DOUBTFUL, 0)


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
    promise, size = tested.promise, factor * pixel(tested)
    network, _ = load_weights(tested.results / f"models/{tested.model}/best.safetensors")
    inference = Inference(network, torch.device("cpu"), "32")
    inside, errors = [], []
    for lr, hr in rescanned(tested, functools.partial(coarser, factor=factor)):
        sr = inference([lr[None]])[0]["sr"]
        error, strata, scale, *_ = ratios(promise, lr, sr, hr)
        inside.append((error <= scale * np.array(promise.multipliers)[strata]).mean())
        errors.append([float(((f - hr) ** 2).mean()) for f in (sr, interpolated(lr, 4))])
    made, plain = np.mean(errors, 0)
    yield from (f"{100 * np.mean(inside):.1f}", f"{10 * np.log10(plain / made):+.2f}")
    yield "do not use" if promise.far(size) else "fit" if promise.near(size) else "with care"

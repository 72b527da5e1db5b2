"""Every parameter from sums over blocks, and its interval from drawing blocks again."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from scipy import signal

from pssrflow.calibrate.scanner.mean import (
    MeanModel,
    Sums,
    fixed_places,
    normal_equations,
    solve,
    sums_of,
)
from pssrflow.calibrate.scanner.noise import Line, line, tally, without_luck
from pssrflow.calibrate.scanner.optics import FieldOfView, Fraction, Optics

# Replicates of the bootstrap, and the half width of a 95 % interval in its standard deviations
# (Student's for about 50 blocks).
REPLICATES = 200
HALF_WIDTH = 2.01
# Full width (LR pixels) of the Gaussian that says how bright a place is, with little noise.
BRIGHTNESS = 1.0


@dataclass(frozen=True)
class Evidence:
    """Of one field, by block, at a fit of the mean.

    Attributes
    ----------
    sums : Sums
    hr_tally, lr_tally : ndarray (blocks, bins, 3)
        Pixels, mean (HR grey above dark) and variance (squared residual) by grey level.
    covariance : ndarray (blocks, 3)
        Pixels, and products of residuals with the next one along x and along y.
    overlap : tuple of float
        Share of the HR noise's variance in those two products.
    survives : float
        Share of the HR noise's variance in the prediction.
    rest, shown : ndarray (y, x)
        Residual, and prediction before gain and offset.
    """

    sums: Sums
    hr_tally: np.ndarray
    lr_tally: np.ndarray
    covariance: np.ndarray
    overlap: tuple[float, float]
    survives: float
    rest: np.ndarray
    shown: np.ndarray


@dataclass(frozen=True)
class Fit:
    """Fields, where they can be trusted, what predicts their mean, and what that leaves.

    Attributes
    ----------
    fields : list of FieldOfView
    keeps : list of ndarray of bool (y, x)
        LR pixels that are not saturated.
    model : MeanModel
    hr_line : Line
        Of the HR frames.
    hr_tallies : list of ndarray (blocks, bins, 3)
    evidence : list of Evidence
    edges : ndarray
        Between grey-level bins.
    """

    fields: list[FieldOfView]
    keeps: list[np.ndarray]
    model: MeanModel
    hr_line: Line
    hr_tallies: list[np.ndarray]
    evidence: list[Evidence]
    edges: np.ndarray

    @property
    def shares(self) -> list[np.ndarray]:
        """Every block once."""
        return [np.ones(len(tally)) for tally in self.hr_tallies]


@dataclass(frozen=True)
class Solution:
    """Every parameter; of replicates, arrays whose first axis is theirs.

    Attributes
    ----------
    vector : ndarray
        Of `MeanModel`.
    lag : float
    hr_slope, hr_base : float
        Line of the HR frame's variance on its mean.
    count_gain, read_variance : float
        Noise of the LR frame, that of the HR frame taken off.
    survives_slope, survives_base : float
        Noise of the HR frame that the kernel leaves, in the same terms.
    """

    vector: np.ndarray
    lag: Any
    hr_slope: Any
    hr_base: Any
    count_gain: Any
    read_variance: Any
    survives_slope: Any
    survives_base: Any


def brightness(
    field: FieldOfView, optics: Optics, fraction: Fraction, width: float = BRIGHTNESS
) -> tuple[np.ndarray, np.ndarray]:
    """HR frame seen broadly at every LR pixel, and the kernel that does it."""
    broad = replace(optics, kernel="probe", square=width**2)
    kernel = broad.along(fraction[0]), broad.along(fraction[1], field.memory)
    return field.through(kernel)[0], np.outer(*kernel).ravel()


def beneath(field: FieldOfView) -> tuple[np.ndarray, np.ndarray]:
    """HR pixels under the LR pixels of a field, and the blocks that they belong to."""
    starts = [c - (field.scale - 1) // 2 for c in field.corner]
    square = np.ones((field.scale, field.scale), int)
    frame = field.hr[tuple(slice(a, a + field.scale * n) for a, n in zip(starts, field.lr.shape))]
    return frame, np.kron(field.block, square)


def gather(
    field: FieldOfView,
    model: MeanModel,
    fraction: Fraction,
    keep: np.ndarray,
    edges: np.ndarray,
    hr_tally: np.ndarray,
    hr_line: Line,
) -> Evidence:
    """Evidence of one field."""
    sums, rest, shown = sums_of(field, model, fraction, keep)
    bright, broad = brightness(field, model.optics, fraction)
    narrow = kernel_of(field, model.optics, fraction)
    # Of the counts that a detector still shows after k pixels, a^2k of the variance is left.
    late = replace(model.optics, lag=model.optics.lag**2)
    kernel = late.along(fraction[0]), late.along(fraction[1], field.memory)
    mean = model.seen(field.through(kernel)[0]) if late.lag > 0 else shown
    lr_tally = tally(field.block, bright, edges, keep, mean, rest.astype(float) ** 2)
    shared = float(np.outer(*kernel).ravel() @ broad)
    return Evidence(
        sums,
        hr_tally,
        without_luck(lr_tally, bright[keep], edges, shared, hr_line),
        neighbours(rest, keep, field.block),
        overlaps(narrow, field.scale),
        float((narrow**2).sum()),
        rest,
        shown,
    )


def kernel_of(field: FieldOfView, optics: Optics, fraction: Fraction) -> np.ndarray:
    """What makes an LR pixel of HR pixels (y, x)."""
    return np.outer(optics.along(fraction[0]), optics.along(fraction[1], field.memory))


def neighbours(rest: np.ndarray, keep: np.ndarray, block: np.ndarray) -> np.ndarray:
    """Pixels of each block, and products of each with the next along x and along y."""
    rest, count = np.where(keep, rest, 0).astype(float), int(block.max()) + 1
    sums: list[np.ndarray] = [np.bincount(block.ravel(), keep.ravel(), count)]
    for here, there in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        both = keep[here] & keep[there]
        product = np.bincount(block[here].ravel(), (rest[here] * rest[there]).ravel(), count)
        pairs = np.bincount(block[here].ravel(), both.ravel(), count)
        sums.append(product * sums[0] / np.maximum(pairs, 1))
    return np.stack(sums, axis=-1)


def overlaps(kernel: np.ndarray, scale: int) -> tuple[float, float]:
    """Products of a kernel with itself one LR pixel further, along x and along y."""
    return (
        float((kernel[:, :-scale] * kernel[:, scale:]).sum()),
        float((kernel[:-scale] * kernel[scale:]).sum()),
    )


def overlaps_around(kernel: np.ndarray, scale: int, far: int) -> np.ndarray:
    """Products of a kernel with itself up to `far` LR pixels further, by y and x."""
    around = signal.correlate(kernel, kernel, mode="full", method="fft")
    places = [n - 1 + scale * np.arange(-far, far + 1) for n in kernel.shape]
    inside = [(p >= 0) & (p < n) for p, n in zip(places, around.shape)]
    clipped = [np.clip(p, 0, n - 1) for p, n in zip(places, around.shape)]
    return around[np.ix_(*clipped)] * np.outer(*inside)


def estimate(
    evidence: Sequence[Evidence], model: MeanModel, shares: Sequence[np.ndarray], lr_step: float
) -> Solution:
    """All parameters, for blocks that count `shares` times.

    Parameters
    ----------
    evidence : list of Evidence
    model : MeanModel
        At which the evidence was gathered.
    shares : list of ndarray (blocks,)
    lr_step : float
        One grey level of the LR detector.
    """
    hr_line = _line([e.hr_tally for e in evidence], shares)
    lr_line = _line([e.lr_tally for e in evidence], shares)
    survives = model.gain**2 * np.mean([e.survives for e in evidence])
    slope, base = (both - survives * hr for both, hr in zip(lr_line, hr_line))
    lag = _lag(evidence, model, shares, hr_line, slope)
    vector = _moved(evidence, model, shares, hr_line, lag)
    used = lag if model.optics.lag > 0 else 0.0
    kept = (1 - used) / (1 + used)
    return Solution(
        vector=vector,
        lag=lag,
        hr_slope=hr_line.slope,
        hr_base=hr_line.base,
        count_gain=slope / (vector[0] * kept),
        read_variance=base - lr_step**2 / 12,
        survives_slope=survives * hr_line.slope / (vector[0] * kept),
        survives_base=survives * hr_line.base,
    )


def _line(tallies, shares):
    """Line of the blocks of all fields, each of which counts `shares` times."""
    return line(sum(np.tensordot(share, tally, 1) for tally, share in zip(tallies, shares)))


def _moved(evidence, model, shares, hr_line, lag):
    """The vector of the mean, one step further, at that lag."""
    optics = model.optics
    gradient, curvature = normal_equations([e.sums for e in evidence], model.gain, hr_line, shares)
    late = (lag - optics.lag) if optics.lag > 0 else 0.0
    step = solve(gradient - late * curvature[:, -1], curvature, fixed_places(optics))
    return model.vector() + step


def _lag(evidence, model, shares, hr_line, slope):
    """Lag from the covariance of residuals along x, that along y taken off.

    Counts c after the lag have variance v = c (1 - a) / (1 + a) and covariance a v; the misfit of
    a kernel is as large along y.
    """
    pixels, along_x, along_y = sum(s @ e.covariance for e, s in zip(evidence, shares))
    signal = sum(s @ e.sums.signal for e, s in zip(evidence, shares))
    variance = (hr_line.summed(signal, pixels)) * model.gain**2
    through = np.mean([e.overlap[0] - e.overlap[1] for e in evidence])
    excess = along_x - along_y - through * variance
    return float(excess / max(slope * signal, 1e-9))


def resample(
    evidence: Sequence[Evidence],
    model: MeanModel,
    lr_step: float,
    rng: np.random.Generator,
    replicates: int = REPLICATES,
) -> Solution:
    """Bootstrap over blocks: a `Solution` of arrays, their first axis that of the replicates."""
    drawn = []
    for _ in range(replicates):
        counts = [len(e.sums.pixels) for e in evidence]
        shares = [rng.multinomial(n, np.full(n, 1 / n)).astype(float) for n in counts]
        drawn.append(estimate(evidence, model, shares, lr_step))
    names = [field.name for field in fields(Solution)]
    return Solution(*(np.array([getattr(one, name) for one in drawn]) for name in names))


def interval(value: float, replicates: np.ndarray) -> tuple[float, float]:
    """95 % interval around a value."""
    half = HALF_WIDTH * float(np.std(replicates, ddof=1))
    return float(value) - half, float(value) + half

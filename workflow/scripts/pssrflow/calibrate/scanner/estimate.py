"""Every parameter from sums over blocks, and its interval from drawing blocks again."""

from dataclasses import dataclass, replace

import numpy as np

from pssrflow.calibrate.scanner.mean import Sums, normal_equations, solve, sums_of
from pssrflow.calibrate.scanner.noise import line, tally, without_luck

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
    rest, shown, bright : ndarray (y, x)
        Residual, prediction before gain and offset, and the same smoothed.
    """

    sums: Sums
    hr_tally: np.ndarray
    lr_tally: np.ndarray
    covariance: np.ndarray
    overlap: tuple[float, float]
    survives: float
    rest: np.ndarray
    shown: np.ndarray
    bright: np.ndarray


def brightness(field, optics, fraction, width=BRIGHTNESS):
    """HR frame seen broadly at every LR pixel, and the kernel that does it."""
    broad = replace(optics, kernel="probe", square=width**2)
    kernel = broad.along(fraction[0]), broad.along(fraction[1], field.memory)
    return field.through(kernel)[0], np.outer(*kernel).ravel()


def beneath(field):
    """HR pixels under the LR pixels of a field, and the blocks that they belong to."""
    starts = [c - (field.scale - 1) // 2 for c in field.corner]
    square = np.ones((field.scale, field.scale), int)
    frame = field.hr[tuple(slice(a, a + field.scale * n) for a, n in zip(starts, field.lr.shape))]
    return frame, np.kron(field.block, square)


def gather(field, theta, fraction, keep, edges, hr_tally, hr_line):
    """Evidence of one field."""
    sums, rest, shown = sums_of(field, theta, fraction, keep)
    bright, broad = brightness(field, theta.optics, fraction)
    narrow = _kernel(field, theta.optics, fraction)
    # Of the counts that a detector still shows after k pixels, a^2k of the variance is left.
    late = replace(theta.optics, lag=theta.optics.lag**2)
    kernel = late.along(fraction[0]), late.along(fraction[1], field.memory)
    mean = field.through(kernel)[0] if late.lag > 0 else shown
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
        bright,
    )


def _kernel(field, optics, fraction):
    return np.outer(optics.along(fraction[0]), optics.along(fraction[1], field.memory))


def neighbours(rest, keep, block):
    """Pixels of each block, and products of each with the next along x and along y."""
    rest, count = np.where(keep, rest, 0).astype(float), int(block.max()) + 1
    sums = [np.bincount(block.ravel(), keep.ravel(), count)]
    for here, there in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        both = keep[here] & keep[there]
        product = np.bincount(block[here].ravel(), (rest[here] * rest[there]).ravel(), count)
        pairs = np.bincount(block[here].ravel(), both.ravel(), count)
        sums.append(product * sums[0] / np.maximum(pairs, 1))
    return np.stack(sums, axis=-1)


def overlaps(kernel, scale):
    """Products of a kernel with itself one LR pixel further, along x and along y."""
    return (
        float((kernel[:, :-scale] * kernel[:, scale:]).sum()),
        float((kernel[:-scale] * kernel[scale:]).sum()),
    )


def estimate(evidence, theta, shares, lr_step):
    """All parameters, for blocks that count `shares` times.

    Parameters
    ----------
    evidence : list of Evidence
    theta : Theta
        At which the evidence was gathered.
    shares : list of ndarray (blocks,)
    lr_step : float

    Returns
    -------
    dict of float
        "vector" holds that of `Theta`; variances are not yet square roots.
    """
    hr_line = line(sum(np.tensordot(s, e.hr_tally, 1) for e, s in zip(evidence, shares)))
    slope, base = line(sum(np.tensordot(s, e.lr_tally, 1) for e, s in zip(evidence, shares)))
    survives = theta.gain**2 * np.mean([e.survives for e in evidence])
    slope, base = slope - survives * hr_line[0], base - survives * hr_line[1]
    lag = _lag(evidence, theta, shares, hr_line, slope)
    optics = theta.optics
    sums = [e.sums for e in evidence]
    gradient, curvature = normal_equations(sums, theta.gain, hr_line, shares)
    late = (lag - optics.lag) if optics.lag > 0 else 0.0
    fixed = [2] if optics.kernel == "linear" else []
    step = solve(gradient - late * curvature[:, -1], curvature, fixed)
    vector = theta.vector() + step
    used = lag if optics.lag > 0 else 0.0
    kept = (1 - used) / (1 + used)
    return {
        "vector": vector,
        "lag": lag,
        "slope": slope,
        "hr_slope": hr_line[0],
        "hr_base": hr_line[1],
        "count_gain": slope / (vector[0] * kept),
        "read_variance": base - lr_step**2 / 12,
        "survives_slope": survives * hr_line[0] / (vector[0] * kept),
        "survives_base": survives * hr_line[1],
    }


def _lag(evidence, theta, shares, hr_line, slope):
    """Lag from the covariance of residuals along x, that along y taken off.

    Counts c after the lag have variance v = c (1 - a) / (1 + a) and covariance a v; the misfit of
    a kernel is as large along y.
    """
    pixels, along_x, along_y = sum(s @ e.covariance for e, s in zip(evidence, shares))
    signal = sum(s @ e.sums.signal for e, s in zip(evidence, shares))
    variance = (hr_line[0] * signal + hr_line[1] * pixels) * theta.gain**2
    through = np.mean([e.overlap[0] - e.overlap[1] for e in evidence])
    excess = along_x - along_y - through * variance
    return float(excess / max(slope * signal, 1e-9))


def resample(evidence, theta, lr_step, rng, replicates=REPLICATES):
    """Bootstrap over blocks: the same dictionary, each value an array of replicates first."""
    found = []
    for _ in range(replicates):
        counts = [len(e.sums.pixels) for e in evidence]
        shares = [rng.multinomial(n, np.full(n, 1 / n)).astype(float) for n in counts]
        found.append(estimate(evidence, theta, shares, lr_step))
    return {name: np.array([f[name] for f in found]) for name in found[0]}


def interval(value, replicates):
    """95 % interval around a value."""
    half = HALF_WIDTH * float(np.std(replicates, ddof=1))
    return float(value) - half, float(value) + half

"""Pixels that were left out of a fit, and what the fit expects of them."""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from pssrflow.calibrate.result import Check
from pssrflow.calibrate.scanner.estimate import estimate
from pssrflow.calibrate.scanner.mean import sums_of
from pssrflow.seeded import generator


def held_out(state, step, seed):
    """Pixels of a quarter of the blocks, with the parameters that the others give.

    Returns
    -------
    list of HeldOut
    """
    held = [_quarter(field.block) for field in state.fields]
    trained = estimate(state.evidence, state.theta, [~h * 1.0 for h in held], step)
    theta = state.theta.moved(trained["vector"] - state.theta.vector())
    rng = generator(seed, "residuals")
    return [
        _held_out(field, evidence, theta, place, keep & quarter[field.block], trained, step, rng)
        for place, (field, evidence, keep, quarter) in enumerate(
            zip(state.fields, state.evidence, state.keeps, held)
        )
    ]


def _quarter(block):
    """Blocks in every other row and every other column of blocks."""
    wide = int(block[0, -1]) + 1
    place = np.arange(int(block.max()) + 1)
    return (place // wide % 2 == 1) & (place % wide % 2 == 1)


def _held_out(field, evidence, theta, place, keep, trained, step, rng):
    _, rest, shown = sums_of(field, theta, theta.fractions[place], keep)
    lag, gain = theta.optics.lag, theta.gain
    signal = np.maximum(shown, 0)
    hr = gain**2 * np.maximum(trained["hr_slope"] * signal + trained["hr_base"], 0)
    counts = trained["count_gain"] * gain * signal * (1 - lag) / (1 + lag)
    read = max(trained["read_variance"], 0.0)
    variance = counts + read + step**2 / 12 + hr * evidence.survives
    count_gain = max(trained["count_gain"], 0.0)
    hr_sd = np.sqrt(hr * evidence.survives)
    drawn = draw(signal, count_gain, gain, math.sqrt(read), lag, hr_sd, step, rng)
    variance = np.maximum(variance, 1e-3 * variance.mean() + 1e-9)
    x, y = evidence.overlap
    mean = float(hr[keep].mean()) if keep.any() else 0.0
    expected = {
        "along x": float(np.mean((lag * counts + x * hr) / variance)),
        "along y": float(np.mean(y * hr / variance)),
        "brightness": -mean * evidence.survives,
        "laplacian": -mean * (2 * x + 2 * y - 4 * evidence.survives),
    }
    shown = gain * shown + theta.offset
    return HeldOut(rest, signal, variance, shown, keep, expected, drawn)


# What is accepted of the model: departures that would change a crappified image visibly. Each is
# widened where few pixels make a figure uncertain.
VARIANCE, VARIANCE_BY_GREY, LEFT_OVER, DISTANCE = 0.1, 0.25, 0.05, 0.05
# Standard errors by which chance may depart.
CHANCE = 4.0
# Grey-level bins of the check of variance, and held-out pixels without which nothing is checked.
BINS = 8
ENOUGH = 500


@dataclass(frozen=True)
class HeldOut:
    """Pixels of one field and what the model expects of them.

    Attributes
    ----------
    rest, signal, variance : ndarray (y, x)
        Residual; HR grey above dark after the kernel, with little noise; variance of the residual.
    shown : ndarray (y, x)
        Prediction, LR grey.
    keep : ndarray of bool (y, x)
        Held out of the fit, not saturated.
    expected : dict of float
        Covariance that HR noise and lag make: of standardised residuals "along x" and "along y",
        and of residuals with the shapes of the prediction, in LR grey.
    drawn : ndarray (y, x)
        Residuals drawn from the model.
    """

    rest: np.ndarray
    signal: np.ndarray
    variance: np.ndarray
    shown: np.ndarray
    keep: np.ndarray
    expected: dict
    drawn: np.ndarray

    @property
    def standard(self):
        """Residuals in standard deviations."""
        return self.rest / np.sqrt(self.variance)


def draw(signal, count_gain, gain, read_noise, lag, hr_sd, step, rng):
    """Residuals drawn from the model: counts, lag, read noise, rounding and HR noise.

    Parameters
    ----------
    signal : ndarray (y, x)
        HR grey above dark.
    hr_sd : ndarray (y, x)
        Standard deviation of the HR noise that survives the kernel, in LR grey.
    """
    mean = np.maximum(gain * signal, 0)
    counts = rng.poisson(mean / count_gain) if count_gain > 0 else mean
    noise = count_gain * counts - mean
    for x in range(1, noise.shape[1] if lag > 0 else 0):
        noise[:, x] = (1 - lag) * noise[:, x] + lag * noise[:, x - 1]
    noise = noise + read_noise * rng.standard_normal(mean.shape)
    return noise + step * (rng.random(mean.shape) - 0.5) + hr_sd * rng.standard_normal(mean.shape)


def checks(held, significance):
    """All checks of held-out pixels; only the match's where those are too few.

    Parameters
    ----------
    held : list of HeldOut
    significance : Check

    Returns
    -------
    tuple of Check
    """
    standard = np.concatenate([h.standard[h.keep] for h in held])
    if len(standard) < ENOUGH:
        return (significance,)
    return (
        significance,
        _variance("variance of residuals over the model's", standard, VARIANCE),
        _by_grey(held),
        *_structure(held),
        *_neighbours(held),
        _distribution(standard, np.concatenate([_drawn(h) for h in held])),
    )


def verdict(found):
    """In words, from checks."""
    if not all(check.passed for check in found):
        return "does not fit"
    return "fits" if len(found) > 1 else "cannot be checked"


def _drawn(held):
    return (held.drawn / np.sqrt(held.variance))[held.keep]


def _variance(name, standard, tolerance):
    error = np.std(standard**2) / math.sqrt(max(len(standard), 1))
    tolerance = float(max(tolerance, CHANCE * error))
    return Check(name, float(np.mean(standard**2)), (1 - tolerance, 1 + tolerance))


def _by_grey(held):
    """The grey level where variance departs most."""
    signal = np.concatenate([h.signal[h.keep] for h in held])
    standard = np.concatenate([h.standard[h.keep] for h in held])
    place = np.searchsorted(np.quantile(signal, np.linspace(0, 1, BINS + 1)[1:-1]), signal)
    found = [
        _variance("variance at the worst grey level", standard[place == k], VARIANCE_BY_GREY)
        for k in range(BINS)
        if np.count_nonzero(place == k) >= ENOUGH // BINS // 2
    ]
    return max(found, key=lambda check: abs(check.value - 1) / (check.accepted[1] - 1))


def _structure(held):
    """Correlation of residuals with the prediction, its slopes and its curvature."""
    for name, function in SHAPES.items():
        keep = [_inside(h.keep) for h in held]
        shape = np.concatenate([function(h.shown)[k] for h, k in zip(held, keep)])
        rest = np.concatenate([h.rest[k] for h, k in zip(held, keep)])
        expected = np.mean([h.expected.get(name, 0.0) for h in held])
        value = (np.cov(rest, shape)[0, 1] - expected) / (rest.std() * shape.std())
        yield _small(f"residual against {name}", value, len(rest))


def _neighbours(held):
    """Correlation of residuals with those beside them, that of lag and HR noise taken off."""
    for name, (here, there) in BESIDE.items():
        products, pixels = 0.0, 0
        for h in held:
            both = h.keep[here] & h.keep[there]
            product = h.standard[here] * h.standard[there]
            products += float(product[both].sum()) - h.expected[name] * int(both.sum())
            pixels += int(both.sum())
        yield _small(f"residual against the next {name}", products / max(pixels, 1), pixels)


def _inside(keep):
    inner = np.zeros_like(keep)
    inner[1:-1, 1:-1] = keep[1:-1, 1:-1]
    return inner


def laplacian(image):
    """Sum of the four neighbours less four times the pixel; zero at the borders."""
    found = np.zeros_like(image)
    around = image[:-2, 1:-1] + image[2:, 1:-1] + image[1:-1, :-2] + image[1:-1, 2:]
    found[1:-1, 1:-1] = around - 4 * image[1:-1, 1:-1]
    return found


BESIDE = {
    "along x": (np.s_[:, :-1], np.s_[:, 1:]),
    "along y": (np.s_[:-1], np.s_[1:]),
}
SHAPES = {
    "brightness": lambda image: image,
    "slope along y": lambda image: np.gradient(image, axis=0),
    "slope along x": lambda image: np.gradient(image, axis=1),
    "laplacian": laplacian,
}


def _small(name, value, pixels):
    limit = max(LEFT_OVER, CHANCE / math.sqrt(max(pixels, 1)))
    return Check(name, float(value), (-limit, limit))


def _distribution(standard, drawn):
    """Kolmogorov and Smirnov's distance from residuals that were drawn from the model."""
    distance = float(stats.ks_2samp(standard, drawn).statistic)
    limit = max(DISTANCE, 1.95 * math.sqrt(2 / max(len(standard), 1)))
    return Check("distribution of residuals", distance, (None, limit))

"""Pixels that were left out of a fit, and whether they are what the fit expects."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from pssrflow.calibrate.result import Check
from pssrflow.calibrate.scanner.estimate import (
    Fit,
    Solution,
    estimate,
    kernel_of,
    overlaps_around,
)
from pssrflow.calibrate.scanner.grain import FAR, Noisy, correlation_of
from pssrflow.calibrate.scanner.mean import MeanModel, sums_of
from pssrflow.calibrate.scanner.noise import Line
from pssrflow.seeded import generator

# What is accepted of the model: departures that would change a crappified image visibly. Each is
# widened where few pixels make a figure uncertain.
VARIANCE, VARIANCE_BY_GREY, LEFT_OVER, DISTANCE = 0.1, 0.25, 0.05, 0.05
# What matters little for a network that learns to restore: with a million pixels the departures of
# every model are beyond doubt. Variance off by these factors (a fifth, and two fifths, of the
# standard deviation), a tenth of the residuals' variance in a pattern, and a distribution as far
# off as that of noise twice as strong.
USABLE_VARIANCE, USABLE_BY_GREY, USABLE_LEFT_OVER, USABLE_DISTANCE = 1.5, 2.0, 0.3, 0.2
# Standard errors by which chance may depart.
CHANCE = 4.0
# Grey-level bins of the check of variance, and held-out pixels without which nothing is checked.
BINS = 8
ENOUGH = 500


def laplacian(image: np.ndarray) -> np.ndarray:
    """Sum of the four neighbours less four times the pixel; zero at the borders."""
    found = np.zeros_like(image)
    around = image[:-2, 1:-1] + image[2:, 1:-1] + image[1:-1, :-2] + image[1:-1, 2:]
    found[1:-1, 1:-1] = around - 4 * image[1:-1, 1:-1]
    return found


# Pixels, and those beside them.
BESIDE = {
    "along x": (np.s_[:, :-1], np.s_[:, 1:]),
    "along y": (np.s_[:-1], np.s_[1:]),
}
# What of a prediction must not be left in the residuals.
SHAPES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "brightness": lambda image: image,
    "slope along y": lambda image: np.gradient(image, axis=0),
    "slope along x": lambda image: np.gradient(image, axis=1),
    "laplacian": laplacian,
}


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
    unseen : float
        Variance of half a grey level: no less can be told.
    noise : Noisy
        The same field, with the pixels of all blocks, for the correlation of noise.
    """

    rest: np.ndarray
    signal: np.ndarray
    variance: np.ndarray
    shown: np.ndarray
    keep: np.ndarray
    expected: dict[str, float]
    drawn: np.ndarray
    unseen: float
    noise: Noisy

    @property
    def standard(self) -> np.ndarray:
        """Residuals in standard deviations."""
        return self.rest / np.sqrt(self.variance)

    @property
    def squares(self) -> np.ndarray:
        """Squared residuals over their variance, both seen through a detector that rounds."""
        return (self.rest.astype(float) ** 2 + self.unseen) / (self.variance + self.unseen)


@dataclass(frozen=True)
class Expectation:
    """What the blocks that were not held out say of any pixel.

    Attributes
    ----------
    model : MeanModel
    trained : Solution
    step : float
        One grey level of the LR detector.
    """

    model: MeanModel
    trained: Solution
    step: float

    @property
    def read_variance(self) -> float:
        """Of the amplifier, LR grey squared."""
        return max(self.trained.read_variance, 0.0)

    def hr_variance(self, signal: np.ndarray) -> np.ndarray:
        """Of the HR frame before the kernel, in LR grey."""
        line = Line(self.trained.hr_slope, self.trained.hr_base)
        return self.model.gain**2 * line.at(signal)

    def count_variance(self, signal: np.ndarray) -> np.ndarray:
        """Of the counts, as far as the lag leaves it."""
        lag = self.model.optics.lag
        return self.trained.count_gain * self.model.gain * signal * (1 - lag) / (1 + lag)

    def draw(self, signal: np.ndarray, hr_sd: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Residuals drawn from the model: counts, lag, read noise, rounding and HR noise.

        Parameters
        ----------
        signal : ndarray (y, x)
            HR grey above dark.
        hr_sd : ndarray (y, x)
            Standard deviation of the HR noise that survives the kernel, in LR grey.
        rng : numpy.random.Generator
        """
        lag, count_gain = self.model.optics.lag, max(self.trained.count_gain, 0.0)
        mean = np.maximum(self.model.gain * signal, 0)
        counts = rng.poisson(mean / count_gain) if count_gain > 0 else mean
        noise = count_gain * counts - mean
        for x in range(1, noise.shape[1] if lag > 0 else 0):
            noise[:, x] = (1 - lag) * noise[:, x] + lag * noise[:, x - 1]
        noise = noise + math.sqrt(self.read_variance) * rng.standard_normal(mean.shape)
        noise = noise + self.step * (rng.random(mean.shape) - 0.5)
        return noise + hr_sd * rng.standard_normal(mean.shape)


def held_out(fit: Fit, step: float, seed: int) -> tuple[list[HeldOut], np.ndarray | None]:
    """Pixels of a quarter of the blocks, with what the others give; and how noise is shared.

    Parameters
    ----------
    fit : Fit
    step : float
        One grey level of the LR detector.
    seed : int

    Returns
    -------
    list of HeldOut
    ndarray or None
        Correlation of the LR frame's noise, of all blocks; None where it is white or lag alone.
    """
    quarters = [_quarter(field.block) for field in fit.fields]
    held = _pixels(fit, step, seed, quarters)
    noise = [one.noise for one in held]
    inside = [quarter[field.block] for quarter, field in zip(quarters, fit.fields)]
    others = [replace(n, keep=n.keep & ~i) for n, i in zip(noise, inside)]
    if (learnt := correlation_of(others)) is not None:
        held = [_shared(one, learnt) for one in held]
    return held, correlation_of(noise)


def _shared(held, correlation):
    """Held-out pixels whose noise is expected to be shared by neighbours."""
    middle = len(correlation) // 2
    expected = dict(held.expected)
    for name, (y, x) in {"along x": (0, 1), "along y": (1, 0)}.items():
        noise = held.noise.share * float(correlation[middle + y, middle + x])
        expected[name] = float(held.noise.through[FAR + y, FAR + x]) + noise
    return replace(held, expected=expected)


def _pixels(fit, step, seed, quarters):
    """Pixels of the quarter, with the parameters that the other blocks give."""
    trained = estimate(fit.evidence, fit.model, [~q * 1.0 for q in quarters], step)
    expects = Expectation(fit.model.moved(trained.vector - fit.model.vector()), trained, step)
    rng = generator(seed, "residuals")
    rows = zip(fit.fields, fit.evidence, expects.model.fractions, fit.keeps, quarters)
    return [
        _held_out(expects, field, evidence, fraction, (keep, quarter[field.block]), rng)
        for field, evidence, fraction, keep, quarter in rows
    ]


def _quarter(block):
    """Blocks in every other row and every other column of blocks."""
    wide = int(block[0, -1]) + 1
    place = np.arange(int(block.max()) + 1)
    return (place // wide % 2 == 1) & (place % wide % 2 == 1)


def _held_out(expects, field, evidence, fraction, kept, rng):
    everywhere, inside = kept
    keep = everywhere & inside
    _, rest, shown = sums_of(field, expects.model, fraction, keep)
    signal = np.maximum(shown, 0)
    hr, counts = expects.hr_variance(signal), expects.count_variance(signal)
    variance = counts + expects.read_variance + expects.step**2 / 12 + hr * evidence.survives
    drawn = expects.draw(signal, np.sqrt(hr * evidence.survives), rng)
    variance = np.maximum(variance, 1e-3 * variance.mean() + 1e-9)
    x, y = evidence.overlap
    mean = float(hr[keep].mean()) if keep.any() else 0.0
    expected = {
        "along x": float(np.mean((expects.model.optics.lag * counts + x * hr) / variance)),
        "along y": float(np.mean(y * hr / variance)),
        "brightness": -mean * evidence.survives,
        "laplacian": -mean * (2 * x + 2 * y - 4 * evidence.survives),
    }
    shown = expects.model.gain * shown + expects.model.offset
    unseen = (expects.step / 2) ** 2
    share = 1 - float(np.mean(hr * evidence.survives / variance))
    lag = expects.model.optics.lag
    noise = Noisy(
        rest,
        variance,
        shown,
        everywhere,
        share,
        float(np.mean(hr / variance))
        * overlaps_around(kernel_of(field, expects.model.optics, fraction), field.scale, FAR),
        float(np.mean(lag * counts / variance)) / max(share, 1e-9),
        lag,
    )
    return HeldOut(rest, signal, variance, shown, keep, expected, drawn, unseen, noise)


def checks_of(held: Sequence[HeldOut], significance: Check) -> tuple[Check, ...]:
    """All checks of held-out pixels; only the match's where those are too few.

    Parameters
    ----------
    held : list of HeldOut
    significance : Check
        Of the match.

    Returns
    -------
    tuple of Check
    """
    standard = np.concatenate([h.standard[h.keep] for h in held])
    if len(standard) < ENOUGH:
        return (significance,)
    return (
        significance,
        _variance(
            "variance of residuals over the model's",
            np.concatenate([h.squares[h.keep] for h in held]),
            VARIANCE,
            USABLE_VARIANCE,
        ),
        _by_grey(held),
        *_structure(held),
        *_neighbours(held),
        _distribution(standard, np.concatenate([_drawn(h) for h in held])),
    )


def _drawn(held):
    return (held.drawn / np.sqrt(held.variance))[held.keep]


def _variance(name, squares, tolerance, factor):
    error = np.std(squares) / math.sqrt(max(len(squares), 1))
    tolerance = float(max(tolerance, CHANCE * error))
    accepted = 1 - tolerance, 1 + tolerance
    return Check(name, float(np.mean(squares)), accepted, (1 / factor, factor))


def _by_grey(held):
    """The grey level where variance departs most."""
    signal = np.concatenate([h.signal[h.keep] for h in held])
    squares = np.concatenate([h.squares[h.keep] for h in held])
    place = np.searchsorted(np.quantile(signal, np.linspace(0, 1, BINS + 1)[1:-1]), signal)
    found = [
        _variance(
            "variance at the worst grey level",
            squares[place == k],
            VARIANCE_BY_GREY,
            USABLE_BY_GREY,
        )
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


def _small(name, value, pixels):
    limit = max(LEFT_OVER, CHANCE / math.sqrt(max(pixels, 1)))
    return Check(name, float(value), (-limit, limit), (-USABLE_LEFT_OVER, USABLE_LEFT_OVER))


def _distribution(standard, drawn):
    """Kolmogorov and Smirnov's distance from residuals that were drawn from the model."""
    distance = float(stats.ks_2samp(standard, drawn).statistic)
    limit = max(DISTANCE, 1.95 * math.sqrt(2 / max(len(standard), 1)))
    return Check("distribution of residuals", distance, (None, limit), (None, USABLE_DISTANCE))

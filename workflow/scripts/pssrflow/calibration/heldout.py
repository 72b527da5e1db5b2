"""Pixels that were left out of a fit, and what the fit expects of them."""

import math

import numpy as np

from pssrflow.calibration.estimate import estimate
from pssrflow.calibration.fit import sums_of
from pssrflow.calibration.verdict import HeldOut, draw
from pssrflow.keyed import generator


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

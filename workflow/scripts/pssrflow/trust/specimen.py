"""How far a prediction may be from the specimen itself, of which every scan is noisy.

No scan shows the specimen, so no share of its pixels can be counted, as conformal intervals want.
The mean square of ``y - f`` less the variance of the noise of y is what a prediction is wrong by
on the mean; that errors are as often large as those of a normal distribution is assumed.
"""

import math
from statistics import NormalDist

import numpy as np

from pssrflow.trust.conformal import BLOCKS


def multipliers(squares: np.ndarray, level: float) -> list[float]:
    """Half-width of the interval of each stratum, in units of the deviation that is expected.

    Parameters
    ----------
    squares : ndarray (blocks, strata, 2)
        Sums of squared errors without the noise of the truth, and of squared deviations.
    level : float
        Share of the pixels whose specimen shall lie within.

    Returns
    -------
    list of float
        Infinity where nothing is known; strata that too few blocks hold are taken together.
    """
    quantile = NormalDist().inv_cdf((1 + level) / 2)
    pooled = _ratio(squares.sum(1))
    enough = (squares[..., 1] > 0).sum(0) >= BLOCKS
    found = [_ratio(squares[:, k]) if enough[k] else pooled for k in range(squares.shape[1])]
    return [quantile * math.sqrt(ratio) for ratio in found]


def _ratio(sums: np.ndarray) -> float:
    """Squared error to what is expected of it, and one standard error more: blocks are few."""
    found, wanted = sums[sums[:, 1] > 0].T
    if len(found) < 2:
        return math.inf
    ratio = found.sum() / wanted.sum()
    left = found - ratio * wanted
    error = math.sqrt(len(found) / (len(found) - 1) * float((left**2).sum())) / wanted.sum()
    # Noise that is more than all of the error is not the noise of these scans.
    return float(ratio + error) if ratio > 0 else math.inf

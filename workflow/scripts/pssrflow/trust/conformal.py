"""Promises that hold on new data: conformal risk control, and conformal p-values.

Angelopoulos et al. 2024, Conformal risk control, arXiv 2208.02814; Bates et al. 2023, Testing for
outliers with conformal p-values, doi:10.1214/22-AOS2244. The unit is a block, never a pixel:
neighbouring pixels are not exchangeable, blocks nearly are.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]

# Ratios of an error to its scale are counted in bins of equal width in their logarithm.
LOWEST, HIGHEST, BINS = 1e-3, 1e3, 600
# Scores that have a tail, and the fastest that it may fall.
FEWEST, STEEPEST = 10, 8.0
# 1 - 0.9 is a little less than 0.1.
ROUNDING = 1e-9
EDGES: Values = np.geomspace(LOWEST, HIGHEST, BINS + 1)
# Pixels of a stratum that a block must hold to say something of it, and blocks that must.
PIXELS, BLOCKS = 256, 20
# Blocks that an image must have to be asked how others speak for it, and how often images are left
# out, at most: of very many one is always odd.
OWN, FOLDS = 4, 10


def counted(ratios: npt.NDArray[np.floating]) -> Counts:
    """Histogram of ratios (any shape, at least 0); what lies beyond the bins counts at their ends.

    Returns
    -------
    ndarray (BINS,)
    """
    step = BINS / math.log(HIGHEST / LOWEST)
    logs = np.log(np.maximum(ratios, LOWEST) / LOWEST) * step
    # A ratio on an edge lies below it: the interval includes its end.
    bins = np.clip(np.ceil(logs).astype(np.int64) - 1, 0, BINS - 1)
    return np.bincount(bins.ravel(), minlength=BINS)


def multiplier(blocks: Counts, level: float) -> float:
    """Factor of the scale that a share of a new block's pixels stays within, on average.

    Parameters
    ----------
    blocks : ndarray (n, BINS)
        Of each calibration block; see `counted`.
    level : float
        That share, such as 0.9.

    Returns
    -------
    float
        Infinity where the blocks are too few to promise it: at least ``1 / (1 - level) - 1``.
    """
    totals = blocks.sum(1)
    blocks, totals = blocks[totals > 0], totals[totals > 0]
    missed = 1 - np.cumsum(blocks, 1) / totals[:, None]
    risk = (missed.sum(0) + 1) / (len(blocks) + 1)
    # The last bin holds whatever is larger than it.
    within = np.flatnonzero(risk[:-1] <= 1 - level + ROUNDING)
    return float(EDGES[within[0] + 1]) if len(within) else math.inf


def multipliers(blocks: Counts, level: float) -> list[float]:
    """The same of each stratum; strata that too few blocks hold are taken together.

    Parameters
    ----------
    blocks : ndarray (n, strata, BINS)
    level : float
    """
    sizes = blocks.sum(2)
    found = [multiplier(blocks[sizes[:, k] >= PIXELS, k], level) for k in range(blocks.shape[1])]
    enough = (sizes >= PIXELS).sum(0) >= BLOCKS
    pooled = multiplier(blocks.sum(1), level)
    return [own if many else pooled for own, many in zip(found, enough)]


def covered(blocks: Counts, factors: Sequence[float]) -> float:
    """Share of the pixels of blocks that lie within some factors of the scale.

    Parameters
    ----------
    blocks : ndarray (n, strata, BINS)
    factors : sequence of float
        Of each stratum, as `multipliers` gives them.
    """
    bins = [int(np.searchsorted(EDGES, factor)) for factor in factors]
    within = sum(int(blocks[:, k, :last].sum()) for k, last in enumerate(bins))
    return within / max(1, int(blocks.sum()))


def left_out(blocks: Counts, images: Counts, level: float) -> dict[int, float]:
    """Of each image, the share of its pixels within what blocks of the other images promise.

    Blocks of one image are more alike than blocks of two, so a new image may miss more than a new
    block does; this says how much more. Of many images several are left out at once.

    Parameters
    ----------
    blocks : ndarray (n, strata, BINS)
    images : ndarray (n,)
        Number of the image of each block.
    level : float

    Returns
    -------
    dict of int to float
        By the first image of those that are left out. Of `OWN` blocks and more that hold
        something, where the others have `BLOCKS` and more: intervals of fewer are so wide that
        they hold anything.
    """
    held = blocks.sum((1, 2)) >= PIXELS
    blocks, images = blocks[held], images[held]
    found = {}
    for some in np.array_split(np.unique(images), min(len(np.unique(images)), FOLDS) or 1):
        own = np.isin(images, some)
        factors = multipliers(blocks[~own], level)
        if own.sum() >= OWN and (~own).sum() >= BLOCKS and all(map(math.isfinite, factors)):
            found[int(some[0])] = covered(blocks[own], factors)
    return found


def p_values(scores: npt.NDArray[np.floating], known: npt.NDArray[np.floating]) -> Values:
    """Share of what is known that is at least as strange, itself included: small is strange.

    Parameters
    ----------
    scores : ndarray
        Higher is stranger.
    known : ndarray (n,)
        Scores of the calibration, ascending.
    """
    beyond = len(known) - np.searchsorted(known, scores, side="left")
    return np.asarray((1 + beyond) / (len(known) + 1), np.float64)


def beyond(scores: npt.NDArray[np.floating], known: npt.NDArray[np.floating]) -> Values:
    """As `p_values`, and smaller the further beyond all that is known.

    Few blocks are calibrated on, of which the strangest has no small p-value. Beyond it the tail
    of a Pareto distribution goes on (Hill 1975, doi:10.1214/aos/1176343247), which promises
    nothing but tells far from near.

    Parameters
    ----------
    scores : ndarray
        At least 0; higher is stranger.
    known : ndarray (n,)
        Ascending.
    """
    found = p_values(scores, known)
    if len(known) < FEWEST or known[-1] <= 0:
        return found
    tail = known[-max(FEWEST // 2, len(known) // 5) :]
    steepness = 1 / max(float(np.mean(np.log(tail[1:] / max(tail[0], 1e-12)))), 1e-3)
    further = np.maximum(scores / known[-1], 1.0)
    return np.asarray(found * further ** -min(steepness, STEEPEST))


def discoveries(levels: Counts, rate: float) -> tuple[int, float]:
    """Tests that are rejected at a false discovery rate (Benjamini and Hochberg 1995).

    Parameters
    ----------
    levels : ndarray (256,)
        How many tests have each p-value, in parts of 255.
    rate : float

    Returns
    -------
    int
        How many are rejected.
    float
        The largest p-value of these; 0 of none.
    """
    total, up_to = int(levels.sum()), np.cumsum(levels)
    p = np.arange(len(levels)) / (len(levels) - 1)
    # What was rounded to 0 is no more certain than what rounds to it.
    p[0] = 0.5 / (len(levels) - 1)
    kept = np.flatnonzero((p * total <= rate * up_to) & (up_to > 0))
    return (int(up_to[kept[-1]]), float(p[kept[-1]])) if len(kept) else (0, 0.0)

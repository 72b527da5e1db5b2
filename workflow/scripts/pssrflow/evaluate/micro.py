"""MicroSSIM: SSIM whose grey levels are scaled once for a whole data set.

Ashesh et al. 2024, microSSIM: improved structural similarity for comparing microscopy data (BIC at
ECCV, arXiv 2408.08747). Images of faint specimens are nearly as dark as their background, where
SSIM says more of the background than of what is seen.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize

from pssrflow.evaluate.judged import Piece
from pssrflow.evaluate.metrics import ssim
from pssrflow.evaluate.windows import Compared, Truth

# Percentile of the grey levels that is the background.
BACKGROUND = 3
# Factors among which the one is looked for that makes images most alike.
FACTORS = (1e-2, 1e2)


@dataclass(frozen=True)
class MicroScale:
    """How an image is scaled before it is compared.

    Attributes
    ----------
    factor : float
    background, black : float
        Of the image, and of the truth.
    extent : float
        Maximum less minimum of the truth.
    """

    factor: float
    background: float
    black: float
    extent: float

    def of(self, compared: Compared) -> Compared:
        """An image beside the truth, scaled."""
        offset = self.black - self.factor * self.background
        return compared.after(self.factor, offset, self.extent, self.black)


def micro_scales(pieces: Iterable[Piece]) -> dict[str, MicroScale]:
    """Scales of every method, by pieces of a data set.

    Parameters
    ----------
    pieces : iterable of Piece
        Some of them say enough; empty where none has structure.
    """
    found = list(pieces)
    known = [p.truth[~np.isnan(p.truth)] for p in found]
    truth = np.concatenate(known) if known else np.zeros(0)
    if not truth.size or truth.min() == truth.max():
        return {}
    black, extent = float(np.percentile(truth, BACKGROUND)), float(truth.max() - truth.min())
    truths = [Truth(p.truth) for p in found]
    made = {}
    for method in found[0].images:
        images = [p.images[method] for p in found]
        background = float(np.percentile(np.concatenate([i.ravel() for i in images]), BACKGROUND))
        compared = [Compared(t, i, extent) for t, i in zip(truths, images)]
        one = MicroScale(1.0, background, black, extent)
        made[method] = _fitted(one, compared)
    return made


def _fitted(one: MicroScale, compared: Sequence[Compared]) -> MicroScale:
    def unlike(logarithm: float) -> float:
        scale = MicroScale(float(np.exp(logarithm)), one.background, one.black, one.extent)
        found = [ssim(scale.of(c)) for c in compared]
        return -float(np.nanmean(found)) if np.isfinite(found).any() else 0.0

    best = optimize.minimize_scalar(unlike, bounds=np.log(FACTORS), method="bounded")
    return MicroScale(float(np.exp(best.x)), one.background, one.black, one.extent)

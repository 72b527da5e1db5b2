"""A real LR image and its crappified twin side by side: do they have the same noise?"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage, stats

from pssrflow.calibrate.result import Check

# Groups of equal size, by brightness, whose noise is compared.
GROUPS = 8
# Largest distance between the two distributions, and between their correlations along the axes; and
# what matters little for a network that learns from it.
SAME_NOISE, USABLE_NOISE = 0.05, 0.2
SAME_CORRELATION, USABLE_CORRELATION = 0.1, 0.3


@dataclass(frozen=True)
class Twins:
    """Noise of both around one prediction of their mean.

    Attributes
    ----------
    levels : ndarray (GROUPS,)
        Mean grey level of each group.
    real_sd, twin_sd : ndarray (GROUPS,)
        Standard deviation of the residuals, grey levels.
    distance : float
        Largest difference of the cumulative distributions (Kolmogorov-Smirnov), mean of groups.
    real_correlation, twin_correlation : tuple of float
        Of neighbours along y and along x.
    real_noise, twin_noise : ndarray
        Residuals, for histograms.
    """

    levels: np.ndarray
    real_sd: np.ndarray
    twin_sd: np.ndarray
    distance: float
    real_correlation: tuple[float, float]
    twin_correlation: tuple[float, float]
    real_noise: np.ndarray
    twin_noise: np.ndarray

    def checks(self) -> list[Check]:
        """Each check with what was found and what is accepted."""
        apart = max(
            abs(a - b) for a, b in zip(self.real_correlation, self.twin_correlation, strict=True)
        )
        return [
            Check("noise distribution", self.distance, (None, SAME_NOISE), (None, USABLE_NOISE)),
            Check("noise correlation", apart, (None, SAME_CORRELATION), (None, USABLE_CORRELATION)),
        ]


def compare(real: np.ndarray, twin: np.ndarray, mean: np.ndarray) -> Twins:
    """Compare the noise of two LR images.

    Parameters
    ----------
    real, twin, mean : ndarray (y, x) of float
        Grey levels: as acquired, as crappified, and what both should be without noise.
    """
    residuals = real - mean, twin - mean
    groups = _groups(mean)
    inside = [groups == group for group in range(GROUPS)]
    apart = [_distance(*(r[where] for r in residuals)) for where in inside]
    real_sd, twin_sd = (np.array([r[where].std() for where in inside]) for r in residuals)
    return Twins(
        levels=np.array([mean[where].mean() for where in inside]),
        real_sd=real_sd,
        twin_sd=twin_sd,
        distance=float(np.mean(apart)),
        real_correlation=_correlation(residuals[0]),
        twin_correlation=_correlation(residuals[1]),
        real_noise=residuals[0].ravel(),
        twin_noise=residuals[1].ravel(),
    )


def _groups(mean):
    """Group of each pixel by its smoothed brightness: the noise of the HR frame must not sort."""
    smooth = ndimage.gaussian_filter(mean, 1)
    order = np.argsort(smooth, axis=None, kind="stable")
    groups = np.empty(smooth.size, int)
    groups[order] = np.arange(smooth.size) * GROUPS // smooth.size
    return groups.reshape(smooth.shape)


def _distance(a, b):
    return float(stats.ks_2samp(a, b, method="asymp").statistic)


def _correlation(residual):
    r = residual - residual.mean()
    power = max(float((r * r).mean()), 1e-12)
    return (
        float((r[1:] * r[:-1]).mean() / power),
        float((r[:, 1:] * r[:, :-1]).mean() / power),
    )

"""Is a region like those that the network learnt from? By features that need no network."""

import functools

import numpy as np
import numpy.typing as npt

from pssrflow.volumes.intensity import finest, noise_of

Array = npt.NDArray[np.floating]

# Edges of the bands of the spectrum, cycles per LR pixel.
BANDS = (0.02, 0.05, 0.09, 0.15, 0.22, 0.3, 0.4, 0.5, 0.71)
# Percentiles of the grey levels.
LEVELS = (2, 25, 50, 75, 98)
# What is taken for the least noise and the least power: of no image.
LEAST = 1e-5


def features(blocks: Array) -> Array:
    """Noise, spectrum and grey levels of blocks of an LR image.

    Parameters
    ----------
    blocks : ndarray (..., y, x)
        Grey levels as the network sees them, 0 to 1.

    Returns
    -------
    ndarray (..., features)
        Float64.
    """
    flat = blocks.reshape(-1, *blocks.shape[-2:]).astype(np.float32)
    fine = finest(flat)
    made = [np.log(noise_of(fine) + LEAST), *_shared(fine), *_spectrum(flat)]
    made += list(_levels(flat))
    return np.stack(made, -1).reshape(*blocks.shape[:-2], -1).astype(np.float64)


def _levels(flat):
    """Percentiles; to sort is quicker than to look for a few, on most processors."""
    ordered = np.sort(flat.reshape(len(flat), -1), 1)
    places = np.array(LEVELS) / 100 * (ordered.shape[1] - 1)
    low = places.astype(int)
    high = np.minimum(low + 1, ordered.shape[1] - 1)
    share = (places - low).astype(np.float32)
    return (ordered[:, low] * (1 - share) + ordered[:, high] * share).T


def _shared(fine):
    """How much neighbours along y and along x share of what is fine."""
    power = (fine**2).mean((1, 2)) + LEAST**2
    along_y = (fine[:, 1:] * fine[:, :-1]).mean((1, 2)) / power
    along_x = (fine[..., 1:] * fine[..., :-1]).mean((1, 2)) / power
    return along_y, along_x


def _spectrum(flat):
    """Logarithm of the power in bands of frequency, of a block without its mean."""
    hann, order, starts, counts = _window(*flat.shape[1:])
    centred = (flat - flat.mean((1, 2), keepdims=True)) * hann
    power = np.abs(np.fft.rfft2(centred)) ** 2
    # No matrix: the threads of a BLAS would disturb those that look at other tiles.
    sums = np.add.reduceat(power.reshape(len(flat), -1).take(order, 1), starts, 1)
    return np.log(np.where(counts, sums, 0) / np.maximum(counts, 1) / (hann**2).sum() + LEAST**2).T


@functools.lru_cache(maxsize=8)
def _window(height, width):
    """A window that fades out at the sides, and the frequencies by their bands.

    Places in the order of the bands, where each band begins there, and how many it has.
    """
    hann = np.hanning(height + 2)[1:-1, None] * np.hanning(width + 2)[1:-1]
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    band = np.digitize(radius, BANDS).ravel()
    inside = np.flatnonzero((band > 0) & (band < len(BANDS)))
    order = inside[np.argsort(band[inside], kind="stable")]
    counts = np.bincount(band[order], minlength=len(BANDS))[1:]
    # Of tiny images no frequency may lie in any band; `counts` say so.
    order = order if len(order) else np.zeros(1, int)
    starts = np.minimum(np.cumsum(counts) - counts, len(order) - 1)
    return hann.astype(np.float32), order, starts, counts


class Known:
    """Where the features of what was learnt lie.

    Parameters
    ----------
    mean : ndarray (features,)
    precision : ndarray (features, features)
        Inverse of their covariance.
    """

    def __init__(self, mean: Array, precision: Array) -> None:
        self.mean, self.precision = mean, precision

    @classmethod
    def of(cls, found: Array) -> "Known":
        """Of the features (n, features) of blocks that were learnt from.

        The covariance is shrunk towards a multiple of the unit matrix of the features in their own
        units (oracle approximating shrinkage, Chen et al. 2010, doi:10.1109/TSP.2010.2053029).
        """
        mean, size = found.mean(0), found.std(0) + 1e-3
        covariance = np.cov((found - mean) / size, rowvar=False, bias=True)
        n, p = found.shape
        square, trace = (covariance**2).mean(), np.trace(covariance) / p
        wanted = (n + 1) * (square - trace**2 / p)
        shrunk = 1.0 if wanted <= 0 else min((square + trace**2) / wanted, 1.0)
        covariance = (1 - shrunk) * covariance + shrunk * trace * np.eye(p)
        covariance += 1e-3 * np.eye(p)
        return cls(mean, np.linalg.inv(covariance) / np.outer(size, size))

    @classmethod
    def nothing(cls) -> "Known":
        """Of no block; every distance is 0."""
        size = features(np.zeros((1, 4, 4))).shape[-1]
        return cls(np.zeros(size), np.zeros((size, size)))

    def distance(self, found: Array) -> Array:
        """Squared Mahalanobis distance of features (..., features)."""
        away = found - self.mean
        return np.asarray(np.einsum("...i,ij,...j->...", away, self.precision, away))

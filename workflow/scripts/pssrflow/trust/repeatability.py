"""How finely two predictions of one place agree whose LR images were drawn independently.

That is no resolution: what a network invents in both of them agrees too.
"""

import functools
import math
from collections.abc import Sequence

import numpy as np

from pssrflow.crappify.chain import Crappifier, Plane, crappify_region
from pssrflow.crappify.squares import NoiseKey
from pssrflow.evaluate.resolution import SEVENTH, Spectra, crossing
from pssrflow.pairs.field import Field

# Blocks that are predicted once more, and SR pixels below which one tells nothing of frequencies.
REPEATED, LEAST = 16, 16
ONE, OTHER = "one", "other"


def scanned_again(
    field: Field, crappifier: Crappifier, seed: int, plane: tuple[int, ...], box: Sequence[slice]
) -> np.ndarray:
    """What a rectangle of an LR plane looks like with other noise, in grey levels.

    Parameters
    ----------
    field : Field
        Its LR image was crappified.
    crappifier : Crappifier
    seed : int
    plane : tuple of int
        t, c, z.
    box : sequence of slice
        LR pixels along y and x.
    """
    volume = field.hr.volume
    read = functools.partial(field.hr.reader(), plane)
    seen = Plane(read, volume.shape[3:], field.detector.ranges[plane[1]])
    key = NoiseKey(seed, field.sample, "again", *plane)
    places = (range(side.start, side.stop) for side in box)
    return crappify_region(seen, crappifier.of(volume.detector(plane[1])), key, *places)


def agreement(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> float | None:
    """Length at which the Fourier ring correlation of pairs of predictions falls to 1/7.

    Parameters
    ----------
    pairs : sequence of (ndarray, ndarray)
        Predictions of one place, of any shapes.

    Returns
    -------
    float or None
        SR pixels, 2 where they agree in all that pixels can hold; None where they agree in nothing,
        or nothing is there.
    """
    some = [p for p in pairs if min(p[0].shape) >= LEAST and all(np.ptp(i) > 0 for i in p)]
    if not some:
        return None
    rings = min(min(one.shape) for one, _ in some) // 2
    spectra = [Spectra.of({ONE: a, OTHER: b}, ONE, OTHER, rings) for a, b in some]
    whole = Spectra.pooled(spectra)
    length = 2 * whole.rings / crossing(whole.correlation(ONE), SEVENTH)
    return None if math.isnan(length) else length

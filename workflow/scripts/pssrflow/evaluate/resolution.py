"""Resolution and artefacts, all from sums over rings of the Fourier transforms of a few pieces.

Fourier ring correlation with an independent scan (van Heel 1987, doi:10.1016/0304-3991(87)90010-6;
curves: Nieuwenhuizen et al. 2013, doi:10.1038/nmeth.2448, and van Heel and Schatz 2005,
doi:10.1016/j.jsb.2005.05.009), decorrelation analysis of one image (Descloux et al. 2019,
doi:10.1038/s41592-019-0515-7), and how well an image explains the LR image once it is blurred to
its resolution: RSE and RSP (Culley et al. 2018, NanoJ-SQUIRREL, doi:10.1038/nmeth.4605).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from scipy import fft, optimize, signal

Values = npt.NDArray[np.float64]
Floats = npt.NDArray[np.floating]

# Rings from frequency 0 to half a cycle per pixel.
RINGS = 128
# Share of a side over which a piece fades out.
TAPER = 0.25
# What the truth is called among images.
TRUTH = "hr"
# What rings hold of an image: of it alone, and of it and two others.
POWER, MAGNITUDE, WITH_SCAN, WITH_LR = range(4)
# Where a Fourier ring correlation ends.
SEVENTH = 1 / 7
# Decorrelation: high-pass filters and the width of the narrowest in pixels, the fall after a
# maximum, and the lowest one that counts.
FILTERS, NARROWEST, FALL, LOWEST = 10, 0.14, 5e-4, 0.05
# FWHM in LR pixels of the widest blur between an image and the LR image.
BLUR = 4.0
FWHM = 2 * math.sqrt(2 * math.log(2))


class Likeness(NamedTuple):
    """An image beside the LR image, once it is blurred and its grey levels went along a line.

    Attributes
    ----------
    sigma : float
        Of the Gaussian, in pixels.
    gain : float
    rse : float
        Root mean square of the difference, in grey levels (resolution-scaled error).
    rsp : float
        Pearson's correlation (resolution-scaled Pearson).
    """

    sigma: float
    gain: float
    rse: float
    rsp: float


@dataclass(frozen=True)
class Spectra:
    """Sums over rings of the Fourier transforms of images of one place, or of several.

    Attributes
    ----------
    names : tuple of str
    sums : ndarray (names, 4, rings)
        Power and magnitude, and products with the independent scan and with the LR image; of one
        pixel. NaN of products where there is no such scan.
    counts : ndarray (rings,)
        Frequencies in each ring.
    lr : str
        The LR image among the names, interpolated.
    scan : str or None
        The independent scan.
    """

    names: tuple[str, ...]
    sums: Values
    counts: Values
    lr: str
    scan: str | None = None

    @classmethod
    def of(
        cls, images: Mapping[str, Floats], lr: str, scan: str | None = None, rings: int = RINGS
    ) -> Self:
        """Of images of one shape, of any size.

        Parameters
        ----------
        images : mapping of str to ndarray (y, x)
        lr, scan : str
            Their names.
        rings : int
            From frequency 0 to half a cycle per pixel.
        """
        shape = images[lr].shape
        where = ring_numbers(shape, rings).ravel()
        length = math.ceil(math.sqrt(2) * rings) + 1
        made = {name: transformed(image) for name, image in images.items()}
        partners = [made[name].conj() if name else np.nan for name in (scan, lr)]

        def summed(layer: Floats) -> Values:
            return np.bincount(where, layer.ravel(), length).astype(float)

        def of_one(image: npt.NDArray[np.complex64]) -> Values:
            size = np.abs(image)
            products = ((image * p).real for p in partners)
            return np.stack([summed(v) for v in (size**2, size, *products)])

        sums = np.stack([of_one(image) for image in made.values()])
        return cls(tuple(images), sums, summed(np.ones(shape)), lr, scan)

    @classmethod
    def pooled(cls, found: Sequence[Self], weights: Sequence[float] | None = None) -> Self:
        """Those of several places as one.

        Parameters
        ----------
        found : sequence of Spectra
        weights : sequence of float, optional
            How often each counts.
        """
        one = found[0]
        sums = np.average([f.sums for f in found], axis=0, weights=weights)
        counts = np.sum([f.counts for f in found], 0)
        return cls(one.names, sums, counts, one.lr, one.scan)

    @property
    def rings(self) -> int:
        """From frequency 0 to half a cycle per pixel."""
        return int((len(self.counts) - 1) / math.sqrt(2))

    @property
    def frequencies(self) -> Values:
        """Of the rings, in cycles per pixel."""
        return np.arange(len(self.counts)) / (2 * self.rings)

    def _of(self, name: str, kind: int) -> Values:
        return self.sums[self.names.index(name), kind]

    def to_json(self) -> dict[str, Any]:
        """As JSON, to six digits."""
        sums = [[[float(f"{v:.6g}") for v in row] for row in one] for one in self.sums.tolist()]
        return asdict(self) | {"sums": sums, "counts": self.counts.tolist()}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """See `to_json`."""
        sums, counts = np.array(told["sums"], float), np.array(told["counts"], float)
        return cls(tuple(told["names"]), sums, counts, told["lr"], told["scan"])

    # -- Fourier ring correlation -----------------------------------------------------------------

    def correlation(self, name: str) -> Values:
        """With the independent scan, of rings up to half a cycle per pixel."""
        assert self.scan is not None
        own, other = self._of(name, POWER), self._of(self.scan, POWER)
        with np.errstate(invalid="ignore", divide="ignore"):
            found = self._of(name, WITH_SCAN) / np.sqrt(own * other)
        return found[: self.rings + 1]

    def three_sigma(self) -> Values:
        """Three times the deviation of the correlation of two images that have nothing in common.

        Half of the frequencies of real images repeat the other half.
        """
        return 3 / np.sqrt(np.maximum(self.counts[: self.rings + 1], 1) / 2)

    # -- decorrelation ----------------------------------------------------------------------------

    def cut_off(self, name: str) -> float:
        """The highest frequency that holds signal, by decorrelation; NaN where none does."""
        magnitude, power = self._of(name, MAGNITUDE), self._of(name, POWER)
        return decorrelated(magnitude, power, self.counts, self.rings)

    # -- RSE and RSP ------------------------------------------------------------------------------

    def likeness(self, name: str, scale: int) -> Likeness:
        """How well an image explains the LR image."""
        own, shared = self._of(name, POWER)[1:], self._of(name, WITH_LR)[1:]
        whole = self._of(self.lr, POWER)[1:].sum()

        def correlation(sigma: float) -> tuple[float, float]:
            blur = _blur(self.frequencies[1:], sigma)
            variance, common = float((own * blur**2).sum()), float((shared * blur).sum())
            return common / math.sqrt(variance * whole), common / variance

        widest = max(scale, 1) * BLUR / FWHM
        best = optimize.minimize_scalar(
            lambda sigma: -correlation(sigma)[0], bounds=(0, widest), method="bounded"
        )
        rsp, gain = correlation(float(best.x))
        rse = math.sqrt(max(0.0, whole * (1 - rsp**2)))
        return Likeness(float(best.x), gain, rse, rsp)


def transformed(image: Floats) -> npt.NDArray[np.complex64]:
    """Fourier transform of an image that fades out to its mean at its sides.

    The sum of its squares is the variance of the image.
    """
    sides = [signal.windows.tukey(n, TAPER).astype(np.float32) for n in image.shape]
    taper = np.outer(*sides)
    mean = np.average(image, weights=taper)
    faded = (image - np.float32(mean)) * taper
    scale = image.size * math.sqrt(float((taper.astype(float) ** 2).mean()))
    return np.asarray(fft.fft2(faded.astype(np.float32)) / np.float32(scale))


def ring_numbers(shape: tuple[int, ...], rings: int) -> npt.NDArray[np.intp]:
    """The ring that every frequency of an image of some shape lies in; see `Spectra.of`."""
    rows, cols = (fft.fftfreq(n) for n in shape)
    return np.rint(np.hypot(rows[:, None], cols) * 2 * rings).astype(np.intp)


def crossing(curve: Values, threshold: Values | float) -> float:
    """Where a curve falls below another for the first time after it was above, in rings.

    Noise of single rings is smoothed away. NaN where it never was above, the last ring where it
    never falls.
    """
    above = smoothed(curve) - np.broadcast_to(threshold, curve.shape)
    above[0] = np.nan
    (begun,) = np.nonzero(above > 0)
    if not begun.size:
        return math.nan
    (ended,) = np.nonzero(above[begun[0] :] <= 0)
    if not ended.size:
        return float(len(curve) - 1)
    last = int(begun[0] + ended[0])
    here, before = above[last], above[last - 1]
    return float(last - here / (here - before)) if np.isfinite(before) else float(last)


def smoothed(curve: Values) -> Values:
    """A curve whose points were averaged with their neighbours; ring 0 counts in none."""
    weights = np.array([0.25, 0.5, 0.25])
    known = np.isfinite(curve)
    known[0] = False
    sums = np.convolve(np.where(known, curve, 0), weights, "same")
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums / np.convolve(known, weights, "same")


def decorrelated(magnitude: Values, power: Values, counts: Values, rings: int) -> float:
    """Cut-off of an image by decorrelation analysis, in cycles per pixel.

    The image and its phases are correlated within circles that grow. Of the high-pass filters that
    bring weak frequencies forward, a Gaussian depends on the frequency alone, so rings tell all.

    Parameters
    ----------
    magnitude, power, counts : ndarray
        Sums over rings.
    rings : int
        To half a cycle per pixel.
    """
    frequencies = np.arange(rings + 1) / (2 * rings)
    inside = slice(0, rings + 1)
    sums = magnitude[inside], power[inside], counts[inside]

    def peak(sigma: float | None) -> tuple[float, float]:
        weight = 1 - _blur(frequencies, sigma) if sigma else np.ones(rings + 1)
        return _peak(sums[0] * weight, sums[1] * weight**2, sums[2])

    first, _ = found = peak(None)
    widest = rings if first == 0 else 2 * rings / first
    sigmas = np.geomspace(widest, NARROWEST, FILTERS)
    peaks = [found, *map(peak, sigmas)]
    # Once more, between the neighbours of the filter that went farthest.
    best = max(range(FILTERS), key=lambda i: peaks[i + 1][0] if peaks[i + 1][1] > LOWEST else 0)
    near = sigmas[max(best - 1, 0)], sigmas[min(best + 1, FILTERS - 1)]
    peaks += map(peak, np.geomspace(*near, FILTERS))
    counted = [ring for ring, height in peaks if height > LOWEST and ring > 0]
    return max(counted) / (2 * rings) if counted else math.nan


def _peak(magnitude: Values, power: Values, counts: Values) -> tuple[float, float]:
    """Ring and height of the maximum of the correlation with the phases."""
    with np.errstate(invalid="ignore", divide="ignore"):
        curve = np.cumsum(magnitude) / np.sqrt(power.sum() * np.cumsum(counts))
    curve = np.nan_to_num(curve)
    while len(curve) > 1:
        ring = int(np.argmax(curve))
        if ring < len(curve) - 1 and (ring == 0 or curve[ring] - curve[ring:].min() >= FALL):
            return float(ring), float(curve[ring])
        curve = curve[:ring] if ring < len(curve) - 1 else curve[:-1]
    return 0.0, 0.0


def _blur(frequencies: Values, sigma: float) -> Values:
    return np.exp(-2 * (math.pi * sigma * frequencies) ** 2)

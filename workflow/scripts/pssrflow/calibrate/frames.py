"""The noise of HR frames: of counts, a calibration that fits, or two scans of one field."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pssrflow.calibrate.result import FITS
from pssrflow.crappify.steps import GREY
from pssrflow.pairs.aligned import Scan, noise_kept
from pssrflow.pairs.field import Field
from pssrflow.run.files import read_json
from pssrflow.volumes.regions import parse_counts
from pssrflow.volumes.store import Store
from pssrflow.volumes.volume import Volume

Values = npt.NDArray[np.floating]
# Of each channel of an HR image.
Known = tuple["Noise | None", ...]
# Plane (t, c, z), rows and columns.
Place = tuple[tuple[int, ...], tuple[slice, slice]]

# Pixels along y and x of the pieces in which two scans are compared, at most so many of each
# channel, and of the windows in them.
PIECE, PIECES, WINDOW = 256, 64, 16


@dataclass(frozen=True)
class Noise:
    """Variance of an HR frame: a line of its grey levels.

    Attributes
    ----------
    slope, base : float
        In units of the pixels, and squared.
    black : float
        Where the line begins.
    """

    slope: float
    base: float
    black: float = 0.0

    @classmethod
    def of_counts(cls, counts: str) -> "Noise":
        """Of a detector that counts, see `parse_counts`."""
        gain, dark = parse_counts(counts)
        return cls(gain, 0.0, dark)

    def variance(self, values: Values) -> Values:
        """Of pixels that were recorded as some values."""
        return np.asarray(self.slope * np.maximum(values - self.black, 0) + self.base)

    def scaled(self, gain: float, offset: float) -> "Noise":
        """The noise of values that are multiplied, and moved after that."""
        return Noise(self.slope * gain, self.base * gain**2, self.black * gain + offset)

    def times(self, share: float) -> "Noise":
        """A share of its variance."""
        return Noise(self.slope * share, self.base * share, self.black)


# -- of a calibration -----------------------------------------------------------------------------


def noise_of_frames(fit: Path | str | None, volume: Volume) -> Known:
    """Noise of the channels of an HR image, of the detectors that a calibration fits.

    Parameters
    ----------
    fit : path-like or None
        The fitted crappifier, beside which its figures lie.
    volume : Volume
        The HR image.

    Returns
    -------
    Known
        None of a channel whose noise is not known: where the calibration does not fit, or saw no
        pair.
    """
    unknown = (None,) * len(volume.channels)
    figures = Path(fit).with_name("calibration.json") if fit else None
    if figures is None or not figures.is_file():
        return unknown
    told = read_json(figures)
    others = told.get("detectors") or {}
    found = (others.get(volume.detector(c), told) for c in range(len(unknown)))
    return tuple(_told(one, volume.intensity.ranges[c]) for c, one in enumerate(found))


def _told(told, levels):
    known = told.get("hr_noise") or {}
    slope, base = known.get("count_gain"), known.get("read_variance")
    if told.get("verdict") != FITS or slope is None or base is None:
        return None
    dark = (told["parameters"].get("dark") or {}).get("value") or 0.0
    return Noise(slope, base, dark).scaled(levels.span / GREY, levels.black)


# -- of two scans ---------------------------------------------------------------------------------


def noise_between(first: Store, second: Scan, channel: int) -> Noise | None:
    """Noise of one channel of two scans that are equally noisy, in grey levels of the first.

    A line through the squares of what they differ by, in small windows, by their grey level.

    Returns
    -------
    Noise or None
        None where the scans show nothing in common.
    """
    read = first.reader()
    pieces = [
        (_cut(read(plane, *box)), _cut(second.read(plane, box)))
        for plane, box in _places(first.volume, channel)
    ]
    ours, others = (np.concatenate(p) for p in zip(*pieces))
    known = ~np.isnan(others).any(1)
    if not known.any():
        return None
    ours, others = ours[known], others[known]
    level = ours.mean(1)
    others = _as_recorded(others, level)
    return _line(level, ((ours - others) ** 2).mean(1) / (1 + noise_kept(second.warp)))


def _as_recorded(others, level):
    """A second scan with the gain and offset of the first, which windows tell free of noise."""
    seen = others.mean(1)
    gain = level.std() / seen.std() if seen.std() else 1.0
    return (others - seen.mean()) * gain + level.mean()


def _line(level, variance):
    spread = float(level.var())
    slope = float(((level - level.mean()) * variance).mean() / spread) if spread else 0.0
    slope = max(slope, 0.0)
    base = float(variance.mean() - slope * level.mean())
    return Noise(slope, max(base, 0.0), -base / slope if base < 0 else 0.0)


def _places(volume: Volume, channel: int) -> Iterator[Place]:
    """Pieces of a channel, spread evenly."""
    planes = [p for p in volume.region.planes() if p[1] == channel]
    starts = [range(0, max(1, n - PIECE + 1), PIECE) for n in volume.shape[3:]]
    found = [(p, y, x) for p in planes for y in starts[0] for x in starts[1]]
    for n in np.unique(np.linspace(0, len(found) - 1, PIECES).astype(int)):
        plane, *corner = found[n]
        rows, cols = (slice(a, min(a + PIECE, n)) for a, n in zip(corner, volume.shape[3:]))
        yield plane, (rows, cols)


def _cut(piece: Values) -> Values:
    """Windows (windows, pixels) of a piece."""
    height, width = (n // WINDOW for n in piece.shape)
    inside = piece[: height * WINDOW, : width * WINDOW].astype(np.float64)
    windows = inside.reshape(height, WINDOW, width, WINDOW).swapaxes(1, 2)
    return windows.reshape(height * width, WINDOW**2)


# -- of all images that are learnt from ----------------------------------------------------------


def unknowable(
    fields: Sequence[Field],
    twins: Mapping[str, Scan],
    counted: Mapping[str, Noise],
    fit: Path | str | None,
    crappified: Collection[str],
    scale: int,
) -> dict[str, Known]:
    """What of the noise of HR images no prediction can know, by sample.

    Parameters
    ----------
    fields : sequence of Field
    twins : mapping of str to Scan
        Second scans of some; what they tell holds for all images of the same detector.
    counted : mapping of str to Noise
        Of those whose counts are known.
    fit : path-like or None
        The fitted crappifier, beside which the figures of a calibration lie.
    crappified : collection of str
        Samples whose LR image is made of the HR image, and shares its noise.
    scale : int
    """
    told = _between([f for f in fields if f.sample in twins], twins)
    found = {}
    for field in fields:
        volume = field.hr.volume
        share = 1 - shared(scale) if field.sample in crappified else noise_kept(field.warp)
        known = (
            counted.get(field.sample) or noise or told.get(volume.detector(channel))
            for channel, noise in enumerate(noise_of_frames(fit, volume))
        )
        found[field.sample] = tuple(noise and noise.times(share) for noise in known)
    return found


def _between(fields, twins):
    """What second scans tell, by detector."""
    told: dict[str, Noise | None] = {}
    for field in fields:
        volume = field.hr.volume
        for channel in range(len(volume.channels)):
            detector = volume.detector(channel)
            if told.get(detector) is None:
                told[detector] = noise_between(field.hr, twins[field.sample], channel)
    return told


def shared(scale: int) -> float:
    """Of the variance of white noise, what an error lacks whose LR image was made of that scan.

    At most: LR pixels average noise, of which 1 / scale^2 comes back with a prediction.
    """
    return min(1.0, 2 / scale**2)

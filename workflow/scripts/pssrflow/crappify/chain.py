"""The crappifier: steps on HR pixels, downsampling, steps on LR pixels.

One implementation serves the Dask rule, the trainer and a single call on an array. Its result
depends on the pixels and on a `NoiseKey`, never on how the plane was cut.
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pssrflow.crappify.downsample import downsample_region
from pssrflow.crappify.kernels import Downsampling
from pssrflow.crappify.registry import make_step
from pssrflow.crappify.scanner import Scan
from pssrflow.crappify.squares import NoiseKey, Squares
from pssrflow.crappify.steps import GREY, Step
from pssrflow.errors import InputError
from pssrflow.volumes.intensity import Range, to_dtype
from pssrflow.volumes.volume import lr_shape

# Rows and columns to pixels (y, x).
Read = Callable[[slice, slice], np.ndarray]


@dataclass(frozen=True)
class Plane:
    """One HR plane, read in rectangles.

    Attributes
    ----------
    read : callable (slice, slice) -> ndarray (y, x)
        Reads rows and columns; uint8, uint16, int16 or float32.
    shape : tuple of int
        y and x of the whole plane.
    levels : Range
        Of the detector, in the units of the pixels.
    """

    read: Read
    shape: tuple[int, ...]
    levels: Range

    def to_grey(self, values: np.ndarray) -> np.ndarray:
        """Pixels as grey levels, 0 black to `GREY` white."""
        return (values - np.float32(self.levels.black)) * self._factor

    def from_grey(self, grey: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """Grey levels in the units of the pixels, rounded and clipped as their dtype asks."""
        values = grey / self._factor + np.float32(self.levels.black)
        return to_dtype(values, dtype, self.levels.lowest, self.levels.white)

    @property
    def darkest(self) -> float:
        """Lowest grey level that the detector records; below 0 where black is above that."""
        return float((self.levels.lowest - self.levels.black) * self._factor)

    @property
    def _factor(self):
        return np.float32(GREY) / np.float32(self.levels.span)


@dataclass(frozen=True)
class Crappifier:
    """How an HR image becomes an LR one.

    Attributes
    ----------
    downsampling : Downsampling
    noise : tuple of Step
        Steps on LR pixels.
    before : tuple of Step
        Steps on HR pixels, before the downsampling.
    scan : Scan
        Where the beam really was.
    clip : bool
        Clip to the detector's range between steps, not only at the end.
    detectors : dict of str to Crappifier
        Of those that have their own, by `Volume.detector`.
    """

    downsampling: Downsampling
    noise: tuple[Step, ...] = ()
    before: tuple[Step, ...] = ()
    scan: Scan = field(default_factory=Scan)
    clip: bool = True
    detectors: Mapping[str, "Crappifier"] = field(default_factory=dict)

    @classmethod
    def from_config(
        cls,
        scale: int,
        downsample: str,
        noise: Sequence[Mapping[str, Any]],
        width: float | None = None,
        before: Sequence[Mapping[str, Any]] = (),
        scan: Mapping[str, Any] | None = None,
        clip: bool = True,
        detectors: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> "Crappifier":
        """From the keys of the section `crappify` of the configuration, and of a calibration."""
        return cls(
            Downsampling(scale, downsample, width),
            tuple(map(make_step, noise)),
            tuple(map(make_step, before)),
            Scan.parse(scan or {}, "scan"),
            clip,
            {
                name: cls.from_config(scale=scale, clip=clip, **own)
                for name, own in (detectors or {}).items()
            },
        )

    def of(self, detector: str) -> "Crappifier":
        """The one of a detector, where it has its own; else this one."""
        return self.detectors.get(detector, self)

    @property
    def scale(self) -> int:
        """HR pixels per LR pixel, along y and x."""
        return self.downsampling.scale

    @property
    def reach(self) -> int:
        """LR pixels around a region whose HR pixels are needed to make it."""
        near = math.ceil(self.downsampling.reach / self.scale + self.scan.furthest)
        halo = sum(max(map(max, step.halo)) for step in self.noise)
        return near + halo + math.ceil(sum(max(map(max, s.halo)) for s in self.before) / self.scale)


def crappify_plane(
    hr: np.ndarray, crappifier: Crappifier, key: NoiseKey, black: float, white: float
) -> np.ndarray:
    """Crappify one HR plane held in memory.

    Parameters
    ----------
    hr : ndarray (y, x) of uint8, uint16, int16 or float32
    crappifier : Crappifier
    key : NoiseKey
    black, white : float
        Range of the detector, which records nothing below black, in the units of `hr`.

    Returns
    -------
    ndarray (ceil(y / scale), ceil(x / scale)) of the dtype of `hr`
    """
    rows, cols = (range(n) for n in lr_shape((1, 1, 1, *hr.shape), crappifier.scale)[3:])
    plane = Plane(lambda r, c: hr[r, c], hr.shape, Range(black, white, black))
    return crappify_region(plane, crappifier, key, rows, cols)


def crappify_region(
    plane: Plane, crappifier: Crappifier, key: NoiseKey, rows: range, cols: range
) -> np.ndarray:
    """Crappify a rectangle of one plane, reading only the HR pixels that it depends on.

    Parameters
    ----------
    plane : Plane
    crappifier : Crappifier
    key : NoiseKey
    rows, cols : range
        LR pixels wanted.

    Returns
    -------
    ndarray (len(rows), len(cols)) of the dtype of the plane

    Raises
    ------
    InputError
        Pixels that are not finite, or a user's own step that does not keep its contract.
    """
    return _crappify(plane, crappifier, key, (rows, cols), None)


def crappify_patch(
    plane: Plane, crappifier: Crappifier, key: NoiseKey, rows: range, cols: range
) -> np.ndarray:
    """Crappify a small rectangle with noise of its own, for one training patch.

    As `crappify_region`, but the noise squares are counted from the corner of the patch: noise
    for the pixels around it, which nobody will see, is not drawn.
    """
    return _crappify(plane, crappifier, key, (rows, cols), (rows.start, cols.start))


def _crappify(plane, crappifier, key, wanted, corner):
    """Plan backwards what each step needs, then run forwards."""
    scale, scan = crappifier.scale, crappifier.scan
    lr = Squares(tuple(math.ceil(n / scale) for n in plane.shape), corner)
    boxes = lr.boxes(crappifier.noise, wanted)
    moved = [d * scale for d in scan.displacement(key, *boxes[0])] if scan.moves else None
    grey, dtype = _downsampled(plane, crappifier, key, boxes[0], moved, corner)
    if not np.isfinite(grey).all():
        raise InputError(f"sample {key.sample!r}", "pixels that are not finite", "finite numbers")
    draw = functools.partial(key.generator, "noise")
    noisy = lr.run(crappifier.noise, grey, boxes, draw, crappifier.clip, plane.darkest)
    return plane.from_grey(noisy, dtype)


def _downsampled(plane, crappifier, key, box, moved, corner):
    """LR pixels before their own steps, in grey levels, and the dtype of the plane."""
    if not crappifier.before:
        # Grey levels are scaled when there are fewer of them.
        clean, dtype = downsample_region(
            plane.read, plane.shape, crappifier.downsampling, *box, moved
        )
        return plane.to_grey(clean), dtype
    degraded = _Degraded(plane, crappifier, key, corner)
    grey, _ = downsample_region(degraded, plane.shape, crappifier.downsampling, *box, moved)
    return grey, degraded.dtype


class _Degraded:
    """HR pixels after the steps that come before the downsampling, in grey levels."""

    def __init__(self, plane, crappifier, key, corner):
        self.plane, self.crappifier = plane, crappifier
        self.squares = Squares(plane.shape, corner and tuple(c * crappifier.scale for c in corner))
        self.draw = functools.partial(key.generator, "before")
        self.dtype = None

    def __call__(self, rows, cols):
        wanted = range(rows.start, rows.stop), range(cols.start, cols.stop)
        boxes = self.squares.boxes(self.crappifier.before, wanted)
        hr = self.plane.read(*(slice(r.start, r.stop) for r in boxes[0]))
        self.dtype = hr.dtype
        steps, clip = self.crappifier.before, self.crappifier.clip
        grey = self.plane.to_grey(hr)
        return self.squares.run(steps, grey, boxes, self.draw, clip, self.plane.darkest)

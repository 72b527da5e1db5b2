"""The crappifier: steps on HR pixels, downsampling, steps on LR pixels.

One implementation serves the Dask rule, the trainer and a single call on an array. Its result
depends on the pixels and on a `NoiseKey`, never on how the plane was cut.
"""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from pssrflow.crappify.downsample import downsample_region
from pssrflow.crappify.kernels import Downsampling
from pssrflow.crappify.registry import make_step
from pssrflow.crappify.scanner import Scan
from pssrflow.crappify.squares import NoiseKey, Squares
from pssrflow.crappify.steps import GREY, Step
from pssrflow.errors import InputError
from pssrflow.volumes.intensity import to_dtype

# Reads HR rows and columns.
Read = Callable[[slice, slice], np.ndarray]


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
    """

    downsampling: Downsampling
    noise: tuple[Step, ...] = ()
    before: tuple[Step, ...] = ()
    scan: Scan = field(default_factory=Scan)
    clip: bool = True

    @classmethod
    def from_config(
        cls,
        scale: int,
        downsample: str,
        noise: Sequence[dict],
        width: float | None = None,
        before: Sequence[dict] = (),
        scan: dict | None = None,
        clip: bool = True,
    ) -> "Crappifier":
        """From the keys of the section `crappify` of the configuration."""
        return cls(
            Downsampling(scale, downsample, width),
            tuple(map(make_step, noise)),
            tuple(map(make_step, before)),
            Scan.parse(scan or {}, "scan"),
            clip,
        )

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


def lr_shape(hr_shape: tuple[int, ...], scale: int) -> tuple[int, ...]:
    """TCZYX shape of the LR volume: the last LR row and column may be covered in part."""
    return (*hr_shape[:3], *(math.ceil(n / scale) for n in hr_shape[3:]))


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
        Range of the detector, in the units of `hr`.

    Returns
    -------
    ndarray (ceil(y / scale), ceil(x / scale)) of the dtype of `hr`
    """
    rows, cols = (range(n) for n in lr_shape((1, 1, 1, *hr.shape), crappifier.scale)[3:])
    return crappify_region(
        lambda r, c: hr[r, c], hr.shape, crappifier, key, black, white, rows, cols
    )


def crappify_region(
    read: Read,
    hr_shape: tuple[int, int],
    crappifier: Crappifier,
    key: NoiseKey,
    black: float,
    white: float,
    rows: range,
    cols: range,
) -> np.ndarray:
    """Crappify a rectangle of one plane, reading only the HR pixels that it depends on.

    Parameters
    ----------
    read : callable (slice, slice) -> ndarray (y, x)
        Reads HR rows and columns.
    hr_shape : tuple of int
        y and x of the whole HR plane.
    rows, cols : range
        LR pixels wanted.

    Returns
    -------
    ndarray (len(rows), len(cols)) of the dtype that `read` returns

    Raises
    ------
    InputError
        Pixels that are not finite, or a user's own step that does not keep its contract.
    """
    return _crappify(read, hr_shape, crappifier, key, (black, white), (rows, cols), None)


def crappify_patch(
    read: Read,
    hr_shape: tuple[int, int],
    crappifier: Crappifier,
    key: NoiseKey,
    black: float,
    white: float,
    rows: range,
    cols: range,
) -> np.ndarray:
    """Crappify a small rectangle with noise of its own, for one training patch.

    As `crappify_region`, but the noise squares are counted from the corner of the patch: noise
    for the pixels around it, which nobody will see, is not drawn.
    """
    corner = rows.start, cols.start
    return _crappify(read, hr_shape, crappifier, key, (black, white), (rows, cols), corner)


def _crappify(read, hr_shape, crappifier, key, levels, wanted, corner):
    """Plan backwards what each step needs, then run forwards."""
    to_grey, from_grey = _scaling(levels)
    scale, scan = crappifier.scale, crappifier.scan
    lr = Squares(tuple(math.ceil(n / scale) for n in hr_shape), corner)
    boxes = lr.boxes(crappifier.noise, wanted)
    moved = [d * scale for d in scan.displacement(key, *boxes[0])] if scan.moves else None
    if crappifier.before:
        degraded = _Degraded(read, hr_shape, crappifier, key, to_grey, corner)
        grey, _ = downsample_region(degraded, hr_shape, crappifier.downsampling, *boxes[0], moved)
        dtype = degraded.dtype
    else:
        # Grey levels are scaled when there are fewer of them.
        clean, dtype = downsample_region(read, hr_shape, crappifier.downsampling, *boxes[0], moved)
        grey = to_grey(clean)
    if not np.isfinite(grey).all():
        raise InputError(f"sample {key.sample!r}", "pixels that are not finite", "finite numbers")
    draw = functools.partial(key.generator, "noise")
    noisy = lr.run(crappifier.noise, grey, boxes, draw, crappifier.clip)
    return to_dtype(from_grey(noisy), dtype, *levels)


def _scaling(levels):
    """From units of the image to grey levels, and back."""
    black, white = (np.float32(level) for level in levels)
    factor = np.float32(GREY) / (white - black)
    return lambda values: (values - black) * factor, lambda grey: grey / factor + black


class _Degraded:
    """HR pixels after the steps that come before the downsampling, in grey levels."""

    def __init__(self, read, shape, crappifier, key, to_grey, corner):
        self.read, self.crappifier, self.to_grey = read, crappifier, to_grey
        self.squares = Squares(shape, corner and tuple(c * crappifier.scale for c in corner))
        self.draw = functools.partial(key.generator, "before")
        self.dtype = None

    def __call__(self, rows, cols):
        wanted = range(rows.start, rows.stop), range(cols.start, cols.stop)
        boxes = self.squares.boxes(self.crappifier.before, wanted)
        hr = self.read(*(slice(r.start, r.stop) for r in boxes[0]))
        self.dtype = hr.dtype
        steps, clip = self.crappifier.before, self.crappifier.clip
        return self.squares.run(steps, self.to_grey(hr), boxes, self.draw, clip)

"""A prediction that has a truth, read in pieces: what it is compared with, and by what."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pssrflow.calibrate.frames import Noise
from pssrflow.evaluate.baselines import CONSTANT, Baselines, baselines
from pssrflow.evaluate.errors import Remedy
from pssrflow.evaluate.tasks import Task
from pssrflow.pairs.aligned import STILL, Scan, Warp, aligned, noise_kept
from pssrflow.pairs.mask import Mask, known
from pssrflow.volumes.store import Store

Floats = npt.NDArray[np.float32]
# t, c, z.
Plane = tuple[int, ...]
# Rows and columns of a plane.
Box = tuple[slice, slice]

# Planes above this many pixels along an axis are measured in pieces, which bounds the memory.
LARGEST = 1024
# Baselines as they are without a choice.
PLAIN = Baselines()


class Piece(NamedTuple):
    """A piece of a plane.

    Attributes
    ----------
    truth : ndarray (y, x) of float32
        NaN where nothing is compared.
    images : dict of str to ndarray
        What is compared with it, by method; of its shape.
    second : ndarray or None
        Another scan of the truth; NaN where there is none.
    """

    truth: Floats
    images: dict[str, Floats]
    second: Floats | None = None


@dataclass(frozen=True)
class Judged:
    """A prediction that has a truth.

    Attributes
    ----------
    hr, lr, sr : Store
    scale : int
    shift : tuple of int
        HR pixels (y, x) by which the truth lies beside the LR image; (0, 0) if it was crappified.
    against : Baselines
        How what it is compared with was chosen.
    warp : Warp
        What the shift leaves; the truth is moved by it.
    mask : Mask, optional
        Where they are compared; everywhere, if not given.
    crappified : bool
        Whether the LR image was made of the truth.
    second : Scan, optional
        Another scan of the truth.
    noise : Noise, optional
        Of the truth, by channel, where it is known.
    tasks : tuple of Task
        What is looked for in the images.
    pssr2 : bool
        Whether they are also measured as PSSR2 does.
    """

    hr: Store
    lr: Store
    sr: Store
    scale: int
    shift: tuple[int, int] = (0, 0)
    against: Baselines = PLAIN
    warp: Warp = STILL
    mask: Mask | None = None
    crappified: bool = True
    second: Scan | None = None
    noise: tuple[Noise | None, ...] = ()
    tasks: tuple[Task, ...] = ()
    pssr2: bool = False

    def planes(self) -> list[Plane]:
        """All t, c, z of the volume."""
        return list(itertools.product(*map(range, self.hr.volume.shape[:3])))

    def remedy(self, channel: int) -> Remedy:
        """What frees errors of the noise of the truth."""
        noise = self.noise[channel] if channel < len(self.noise) else None
        noise = noise and noise.times(noise_kept(self.warp))
        second = None if self.second is None else noise_kept(self.second.warp)
        return Remedy.of(self.crappified, second, noise, self.scale)

    def boxes(self) -> list[tuple[Box, Box]]:
        """Rectangles of an SR plane, and those of the truth that show the same."""
        return matched_boxes(self.hr.volume.shape[3:], self.sr.volume.shape[3:], self.shift)

    def piece(self, plane: Plane, boxes: tuple[Box, Box], level: float) -> Piece | None:
        """One piece of a plane; None where a mask leaves all of it out.

        Parameters
        ----------
        plane : tuple of int
        boxes : tuple
            See `boxes`.
        level : float
            Grey level of the constant.
        """
        sr_box, hr_box = boxes
        valid = None if self.mask is None else self.mask.valid(plane, *sr_box)
        if valid is not None and not valid.any():
            return None
        images = {"sr": self.sr.reader()(plane, *sr_box).astype(np.float32)}
        images |= baselines(self.lr, plane, sr_box, self.scale, self.against)
        images[CONSTANT] = np.full_like(images["sr"], level)
        values = aligned(self.hr, self.warp)(plane, *hr_box).astype(np.float32)
        second = None if self.second is None else self._moved(self.second).read(plane, hr_box)
        return Piece(known(values, valid), images, second)

    def _moved(self, second: Scan) -> Scan:
        """The second scan where the first is, once that was moved on the LR image."""
        return replace(second, warp=second.warp.then(self.warp))

    def pieces(self, plane: Plane, level: float) -> Iterator[Piece]:
        """Every piece of a plane, read one at a time."""
        for boxes in self.boxes():
            if (piece := self.piece(plane, boxes, level)) is not None:
                yield piece


def matched(hr_shape: tuple[int, ...], sr_shape: tuple[int, ...], shift: tuple[int, int]) -> Box:
    """Rows and columns of the SR plane that the truth shows too.

    Parameters
    ----------
    hr_shape, sr_shape : tuple of int
        y and x.
    shift : tuple of int
        HR pixels (y, x).
    """
    rows, cols = (
        slice(max(0, -d), min(sr, hr - d)) for hr, sr, d in zip(hr_shape, sr_shape, shift)
    )
    return rows, cols


def matched_boxes(
    hr_shape: tuple[int, ...], sr_shape: tuple[int, ...], shift: tuple[int, int]
) -> list[tuple[Box, Box]]:
    """Rectangles of the SR plane, and those of the truth that show the same; see `matched`."""
    rows, cols = (_cut(side) for side in matched(hr_shape, sr_shape, shift))
    dy, dx = shift
    return [
        ((y, x), (slice(y.start + dy, y.stop + dy), slice(x.start + dx, x.stop + dx)))
        for y, x in itertools.product(rows, cols)
    ]


def _cut(side):
    """Pieces of about one size, none above `LARGEST`."""
    count = math.ceil((side.stop - side.start) / LARGEST)
    edges = np.linspace(side.start, side.stop, count + 1).astype(int).tolist()
    return list(itertools.starmap(slice, itertools.pairwise(edges)))

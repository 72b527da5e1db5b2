"""Structures that classical segmenters find, for the task check: mitochondria and axons.

No substitute for a segmenter of one's own: they are there to tell whether one finds the same in a
prediction as in the truth. How they agree with experts is in docs/figures.md.
"""

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage import filters, measure

from pssrflow.errors import InputError
from pssrflow.evaluate.tasks import Task
from pssrflow.keys import key

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.integer]


class Mitochondria(Task):
    """Mitochondria of electron micrographs: compact places that are dark nearly everywhere."""

    name: ClassVar[str] = "mitochondria"
    smallest: float = key(0.05, "Area of the smallest one, square micrometers.", gt=0)
    largest: float = key(3.0, "Area of the largest one, square micrometers.", gt=0)
    radius: float = key(0.1, "Micrometers from its midline to its border at least.", gt=0)
    dark: float = key(0.6, "Share of its pixels that are dark.", gt=0, lt=1)

    def __call__(self, image: Floats, pixel: float | None) -> Labels:
        side = _known(self, pixel)
        dark = _dark(image, 0.01 / side)
        mostly = _smoothed(dark.astype(np.float32), 0.03 / side) > self.dark
        return _compact(
            _opened(mostly, self.radius / side), side, self.smallest, self.largest, 0.85
        )


class Axons(Task):
    """Myelinated axons of electron micrographs whose myelin is bright."""

    name: ClassVar[str] = "axons"
    smallest: float = key(0.15, "Area of the smallest one, square micrometers.", gt=0)
    largest: float = key(200.0, "Area of the largest one, square micrometers.", gt=0)
    radius: float = key(0.2, "Micrometers from its midline to its border at least.", gt=0)

    def __call__(self, image: Floats, pixel: float | None) -> Labels:
        side = _known(self, pixel)
        opened = _opened(_dark(image, max(0.5, 0.05 / side)), max(1.0, self.radius / side))
        return _compact(opened, side, self.smallest, self.largest, 0.75)


def _known(task: Task, pixel: float | None) -> float:
    if pixel is None:
        accepted = "pixel_size in the sheet, or a task that needs none"
        raise InputError(f"evaluate.tasks: {task.title}", "an unknown pixel size", accepted)
    return pixel


def _smoothed(image: Floats, sigma: float) -> Floats:
    return np.asarray(ndimage.gaussian_filter(image, sigma))


def _dark(image: Floats, sigma: float) -> npt.NDArray[np.bool_]:
    """Pixels below Otsu's threshold; none of an image of one grey level."""
    smooth = _smoothed(image, sigma)
    if smooth.min() == smooth.max():
        return np.zeros(image.shape, bool)
    return np.asarray(smooth < filters.threshold_otsu(smooth))


def _opened(mask: npt.NDArray[np.bool_], radius: float) -> npt.NDArray[np.bool_]:
    """What a disk covers that fits inside."""
    core = ndimage.distance_transform_edt(mask) > radius
    if not core.any():
        return np.asarray(core)
    return np.asarray(ndimage.distance_transform_edt(~core) <= radius)


def _compact(
    mask: npt.NDArray[np.bool_], side: float, smallest: float, largest: float, solid: float
) -> Labels:
    """Objects of some areas (square micrometers) that fill so much of their convex hull."""
    labels = measure.label(mask)
    found: Any = measure.regionprops(labels)
    kept = np.zeros(labels.max() + 1, bool)
    for one in found:
        kept[one.label] = smallest <= one.area * side**2 <= largest and one.solidity >= solid
    return np.asarray(measure.label(ndimage.binary_fill_holes(kept[labels])))

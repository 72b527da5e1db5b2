"""Which pixels of a field count: a mask as large as its LR image, or as its HR image."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pssrflow.errors import InputError
from pssrflow.volumes.regions import apart_by
from pssrflow.volumes.store import Store


@dataclass(frozen=True)
class Mask:
    """What counts of a field, on the grid of its LR image: where the mask is not 0.

    Attributes
    ----------
    store : Store
        One channel, time or plane of it holds for all.
    scale : int
        HR pixels per LR pixel.
    step : int
        HR pixels per pixel of the mask.
    shift : tuple of int
        HR pixels (y, x) by which the mask lies beside the LR image.
    """

    store: Store
    scale: int
    step: int
    shift: tuple[int, int] = (0, 0)

    @property
    def fine(self) -> bool:
        """Whether it is as large as the HR image."""
        return self.step != self.scale

    def valid(self, plane: tuple[int, ...], rows: slice, cols: slice) -> np.ndarray:
        """Whether HR pixels count.

        Parameters
        ----------
        plane : tuple of int
            t, c, z.
        rows, cols : slice
            HR pixels on the grid of the LR image.

        Returns
        -------
        ndarray (y, x) of bool
            False where there is no mask.
        """
        sides = [slice(s.start + d, s.stop + d) for s, d in zip((rows, cols), self.shift)]
        found = self._pixels(plane, [_coarse(s, self.step) for s in sides])
        if self.step == 1:
            return found
        fine = found.repeat(self.step, 0).repeat(self.step, 1)
        inside = (slice(s.start % self.step, s.start % self.step + s.stop - s.start) for s in sides)
        return fine[tuple(inside)]

    def touched(self, plane: tuple[int, ...], rows: slice, cols: slice) -> np.ndarray:
        """Whether LR pixels show any HR pixel that counts; `rows` and `cols` in LR pixels."""
        if not self.fine:
            return self._pixels(plane, [rows, cols])
        return self._beneath(plane, rows, cols).any((1, 3))

    def whole(self, plane: tuple[int, ...], rows: slice, cols: slice) -> np.ndarray:
        """Whether LR pixels show nothing but what counts; `rows` and `cols` in LR pixels."""
        return self._beneath(plane, rows, cols).all((1, 3))

    def _beneath(self, plane, rows, cols):
        """HR pixels (y, row of an LR pixel, x, column of it)."""
        scale, sides = self.scale, (rows, cols)
        valid = self.valid(plane, *(slice(s.start * scale, s.stop * scale) for s in sides))
        height, width = (s.stop - s.start for s in sides)
        return valid.reshape(height, scale, width, scale)

    def _pixels(self, plane, sides):
        """Pixels of the mask, some of which may not exist."""
        shape = self.store.volume.shape
        t, c, z = (min(i, n - 1) for i, n in zip(plane, shape))
        there = [slice(max(0, s.start), min(s.stop, n)) for s, n in zip(sides, shape[3:])]
        found = np.zeros([s.stop - s.start for s in sides], bool)
        if all(s.stop > s.start for s in there):
            place = (slice(t.start - s.start, t.stop - s.start) for t, s in zip(there, sides))
            found[tuple(place)] = self.store.reader()((t, c, z), *there) != 0
        return found


def open_mask(
    path: Path | str,
    lr_shape: Sequence[int],
    scale: int,
    hr_shape: Sequence[int] | None = None,
    shift: tuple[int, int] = (0, 0),
) -> Mask:
    """Open the mask of a row.

    Parameters
    ----------
    path : path-like
        Store.
    lr_shape : sequence of int
        t, c, z, y, x of the LR image.
    scale : int
        HR pixels per LR pixel.
    hr_shape : sequence of int, optional
        Of the HR image; without it, HR pixels are those that LR pixels cover.
    shift : tuple of int
        HR pixels (y, x) by which the HR image lies beside the LR image.

    Raises
    ------
    InputError
        It is as large as neither, or has neither one plane nor all.
    """
    store = Store(path)
    found = store.volume.shape
    several = all(n in (1, m) for n, m in zip(found[:3], lr_shape))
    if several and found[3:] == tuple(lr_shape[3:]):
        return Mask(store, scale, scale)
    fine = hr_shape and found[3:] == tuple(hr_shape[3:])
    if several and (fine or (not hr_shape and apart_by(found, lr_shape, scale))):
        return Mask(store, scale, 1, shift)
    of_hr = f" and an HR image of {tuple(hr_shape)}" if hr_shape else f", scale {scale}"
    raise InputError(
        f"mask_path, {path}",
        f"a mask of t,c,z,y,x = {found} for an LR image of {tuple(lr_shape)}{of_hr}",
        "a mask as large as the LR or the HR image; one channel, time or plane may hold for all",
    )


def known(truth: np.ndarray, valid: np.ndarray | None) -> np.ndarray:
    """A truth (float32) that is NaN where it does not count."""
    return truth if valid is None else np.where(valid, truth, np.float32(np.nan))


def largest_rectangle(valid: np.ndarray, cell: int) -> tuple[slice, slice]:
    """The largest rectangle of whole cells in which every pixel counts; all, if every one does.

    Parameters
    ----------
    valid : ndarray (y, x) of bool
    cell : int
        Pixels along y and x of a cell.
    """
    if valid.all():
        return slice(0, valid.shape[0]), slice(0, valid.shape[1])
    height, width = (n // cell for n in valid.shape)
    whole = valid[: height * cell, : width * cell].reshape(height, cell, width, cell)
    cells = np.asarray(whole.all((1, 3)))
    above, best, found = np.zeros(width, int), 0, (slice(0, 0), slice(0, 0))
    for bottom in range(1, height + 1):
        # Cells that count, from here upwards; of every run of columns the lowest decides.
        above = (above + 1) * cells[bottom - 1]
        for left in range(width):
            heights = np.minimum.accumulate(above[left:])
            areas = heights * np.arange(1, width - left + 1)
            if (most := int(areas.max())) > best:
                wide = int(areas.argmax())
                best, top = most, bottom - int(heights[wide])
                found = (
                    slice(top * cell, bottom * cell),
                    slice(left * cell, (left + wide + 1) * cell),
                )
    return found


def _coarse(side, step):
    """Pixels, `step` times as large, that hold all of a side."""
    return slice(side.start // step, -(-side.stop // step))

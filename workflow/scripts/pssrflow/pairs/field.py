"""One acquisition to learn from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from pssrflow.errors import InputError
from pssrflow.pairs.aligned import STILL, Scan, Warp, read_shift
from pssrflow.pairs.mask import Mask, known, open_mask
from pssrflow.volumes.blocks import Region
from pssrflow.volumes.intensity import Intensity
from pssrflow.volumes.regions import apart_by
from pssrflow.volumes.store import Store


@dataclass(frozen=True)
class Field:
    """One training acquisition: where its pixels are and how its grey levels scale.

    Attributes
    ----------
    sample : str
    hr : Store
    lr : Store or None
        A really acquired LR image of the same field; None to crappify.
    hr_intensity, lr_intensity : Intensity
        Scaling of the truth and of the LR image; of a crappified field both are the LR image's.
    detector : Intensity
        Range of the HR image.
    region : Region
        LR pixels whose HR pixels all exist.
    shift : tuple of int
        HR pixels (y, x) by which the HR image lies beside the acquired LR one.
    warp : Warp
        What that leaves.
    weight : Store or None
        As large as the HR image or with one channel: how much each HR pixel counts.
    heaviest : float
        The largest weight, which counts in full.
    mask : Mask or None
        Which HR pixels count at all.
    share : float
        How much more often patches are drawn from it than its pixels alone say.
    """

    sample: str
    hr: Store
    lr: Store | None
    hr_intensity: Intensity
    lr_intensity: Intensity
    detector: Intensity
    region: Region
    shift: tuple[int, int] = (0, 0)
    warp: Warp = STILL
    weight: Store | None = None
    heaviest: float = 1.0
    mask: Mask | None = None
    share: float = 1.0

    def seen_by(self, intensity: str) -> Self:
        """The same with grey levels scaled as a network takes them; see `Intensity.seen_by`."""
        return replace(
            self,
            hr_intensity=self.hr_intensity.seen_by(intensity),
            lr_intensity=self.lr_intensity.seen_by(intensity),
        )

    def truth(self, plane: tuple[int, ...], rows: slice, cols: slice) -> np.ndarray:
        """HR pixels, counted from the corner of the LR image: ndarray (y, x) of float32.

        NaN where there are none, or a mask leaves them out.
        """
        values = Scan(self.hr, self.shift, self.warp).read(plane, (rows, cols))
        valid = None if self.mask is None else self.mask.valid(plane, rows, cols)
        return known(values, valid)

    @property
    def weighs(self) -> bool:
        """Whether some of its pixels count less than others."""
        return self.weight is not None or self.mask is not None


def open_row(row: Mapping[str, Any], scale: int) -> Field:
    """Open a row as a rule names it: its sample, stores and registration; see `open_field`."""
    field = open_field(
        row["sample"],
        row["hr"],
        row["lr"],
        row["acquired"],
        scale,
        read_shift(row["registration"] if row["acquired"] else None),
        row["weight"],
        row["mask"],
    )
    return replace(field, share=row.get("share", 1.0))


def open_field(
    sample: str,
    hr: Path | str,
    lr: Path | str,
    acquired: bool,
    scale: int,
    beside: tuple[tuple[int, int], Warp] = ((0, 0), STILL),
    weight: Path | str | None = None,
    mask: Path | str | None = None,
) -> Field:
    """Open the stores of one training row.

    Parameters
    ----------
    sample : str
    hr, lr : path-like
        OME-Zarr stores.
    acquired : bool
        Whether the LR image was really acquired; else its grey levels alone are taken.
    scale : int
        HR pixels per LR pixel.
    beside : tuple
        HR pixels (y, x) by which the HR image lies beside the acquired LR one: whole ones, and
        the rest.
    weight : path-like, optional
        Store of the weights of HR pixels.
    mask : path-like, optional
        Store that is 0 where nothing is learnt from.

    Raises
    ------
    InputError
        The acquired LR and HR images do not show the same planes or differ from the scale, or the
        mask or the map of weights is of another size, or weights are negative.
    """
    hr_store, lr_store, (shift, warp) = Store(hr), Store(lr), beside
    truth, seen = hr_store.volume, lr_store.volume
    if acquired:
        check_pair(sample, truth.shape, seen.shape, scale)
    field = Field(
        sample=sample,
        hr=hr_store,
        lr=lr_store if acquired else None,
        # What is predicted comes in grey levels of the LR image. An acquired one may have another
        # gain and offset than the truth, which the two windows then relate.
        hr_intensity=truth.intensity if acquired else seen.intensity,
        lr_intensity=seen.intensity,
        detector=truth.intensity,
        region=_matched(truth.shape, seen.shape, scale, shift),
        shift=shift,
        warp=warp,
        mask=open_mask(mask, seen.shape, scale, truth.shape, shift) if mask else None,
    )
    return _weighted(field, Store(weight)) if weight else field


def _weighted(field, store):
    """The field with its map of weights."""
    volume, shape = store.volume, field.hr.volume.shape
    if volume.shape not in (shape, (shape[0], 1, *shape[2:])):
        raise InputError(
            f"sample {field.sample!r}, weight_path",
            f"t,c,z,y,x = {volume.shape}",
            f"the size of the HR image, {tuple(shape)}, or one channel of it",
        )
    lowest, highest = zip(*volume.intensity.windows)
    if min(lowest) < 0:
        found = f"a weight of {min(lowest):g}"
        raise InputError(f"sample {field.sample!r}, weight_path", found, "0 or more")
    return replace(field, weight=store, heaviest=max(highest))


def common(
    hr_shape: Sequence[int], lr_shape: Sequence[int], shift: Sequence[int], scale: int
) -> tuple[list[int], list[int]]:
    """First and last (exclusive) LR pixel (y, x) whose HR pixels, `shift` away, all exist."""
    first = [-(-max(0, -d) // scale) for d in shift]
    last = [min(n, (h - max(0, d)) // scale) for n, h, d in zip(lr_shape, hr_shape, shift)]
    return first, last


def _matched(hr_shape, lr_shape, scale, shift):
    start, stop = common(hr_shape[3:], lr_shape[3:], shift, scale)
    return Region((0, 0, 0, *start), (*hr_shape[:3], *stop))


def check_pair(sample: str, hr_shape: Sequence[int], lr_shape: Sequence[int], scale: int) -> None:
    """Refuse an acquired pair whose planes differ or whose sizes are not `scale` apart.

    Raises
    ------
    InputError
    """
    same_planes = hr_shape[:3] == lr_shape[:3]
    if same_planes and apart_by(hr_shape, lr_shape, scale):
        return
    raise InputError(
        f"sample {sample!r}",
        f"HR has t,c,z,y,x = {tuple(hr_shape)} and the acquired LR {tuple(lr_shape)}",
        f"the same t, c and z, and y and x that differ by the scale, {scale}",
    )

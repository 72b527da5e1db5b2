"""How the intervals of a map hold on the truth of a test row, which nothing was calibrated on."""

import numpy as np

from pssrflow.models.input import Input
from pssrflow.pairs.aligned import Scan
from pssrflow.pairs.field import Field
from pssrflow.trust.maps import WHITE, Looked, tiles
from pssrflow.volumes.blocks import Region


def covered(field: Field, looked: Looked, region: Region, widths: np.ndarray) -> tuple[int, int]:
    """Pixels of the truth, and those of them within the intervals for a second scan.

    Parameters
    ----------
    field : Field
        The row with its truth.
    looked : Looked
        Its prediction.
    region : Region
        Of the LR grid of the prediction.
    widths : ndarray (t, c, z, y, x) of uint8
        That channel of the map of this region.
    """
    known = inside = 0
    for plane in region.planes():
        shown = widths[tuple(p - a for p, a in zip(plane, region.start))]
        for rows, cols in tiles(region):
            top, left = rows.start - region.start[3], cols.start - region.start[4]
            height, width = (side.stop - side.start for side in (rows, cols))
            there = shown[top : top + height, left : left + width]
            errors = _errors(field, looked, plane, (rows, cols))
            scale = looked.promise.scale
            wide = (there / np.float32(WHITE)).repeat(scale, 0).repeat(scale, 1)
            known += int(np.count_nonzero(~np.isnan(errors)))
            inside += int(np.count_nonzero(errors <= wide))
    return known, inside


def _errors(field, looked, plane, box):
    """What SR pixels are wrong by, in parts of the display window; NaN where that is not known."""
    scale, (_, *corner) = looked.promise.scale, looked.corner
    t, c, z = plane
    fine = [slice(s.start * scale, s.stop * scale) for s in box]
    on_lr = tuple(slice(s.start + a * scale, s.stop + a * scale) for s, a in zip(fine, corner))
    there = (t, c, z + looked.corner[0])
    truth = Scan(field.hr, field.shift, field.warp).read(there, on_lr)
    if field.mask is not None:
        truth[~field.mask.valid(there, *on_lr)] = np.nan
    given = Input.of(field.hr_intensity, looked.promise.intensity)
    made = looked.given.scaled(looked.sr.reader()(plane, *fine), c)
    return np.abs(given.scaled(truth, c) - made) * looked.window_share(c)

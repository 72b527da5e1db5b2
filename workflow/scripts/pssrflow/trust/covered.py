"""How the intervals of a map hold on the truth of a test row, which nothing was calibrated on."""

import numpy as np

from pssrflow.models.input import Input
from pssrflow.pairs.field import Field
from pssrflow.trust.maps import WHITE, Each, Looked, Tile, tiles
from pssrflow.volumes.blocks import Region


def covered(
    field: Field, looked: Looked, region: Region, widths: np.ndarray, each: Each = map
) -> tuple[int, int]:
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
    each : callable
        `map`, or that of an executor, for its tiles.
    """
    scale = looked.promise.scale

    def counted(tile: Tile) -> tuple[int, int]:
        plane, rows, cols, inside = tile
        errors = _errors(field, looked, plane, (rows, cols))
        wide = (widths[inside] / np.float32(WHITE)).repeat(scale, 0).repeat(scale, 1)
        return int(np.count_nonzero(~np.isnan(errors))), int(np.count_nonzero(errors <= wide))

    known, within = zip(*each(counted, tiles(region)))
    return sum(known), sum(within)


def _errors(field, looked, plane, box):
    """What SR pixels are wrong by, in parts of the display window; NaN where that is not known."""
    scale, (depth, *corner) = looked.promise.scale, looked.corner
    t, c, z = plane
    fine = [slice(s.start * scale, s.stop * scale) for s in box]
    on_lr = (slice(s.start + a * scale, s.stop + a * scale) for s, a in zip(fine, corner))
    truth = field.truth((t, c, z + depth), *on_lr)
    given = Input.of(field.hr_intensity, looked.promise.intensity)
    made = looked.given.scaled(looked.sr.reader()(plane, *fine), c)
    return np.abs(given.scaled(truth, c) - made) * looked.window_share(c)

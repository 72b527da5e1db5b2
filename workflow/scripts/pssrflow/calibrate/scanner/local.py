"""Where two scans differ from place to place: brightness (bleaching, shading) and position (drift).

Of a training they are no part: they are taken off, so that they do not pass for noise.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from pssrflow.calibrate.scanner.estimate import Fit
from pssrflow.calibrate.scanner.optics import FieldOfView

# Columns of the slopes: brightness, and displacement along y and x.
BRIGHTNESS, POSITION = (0,), (3, 4)
# Slopes of blocks must stand out by this, on average, in squared standard deviations; residuals
# that resemble their neighbours are fewer than they seem.
SIGNIFICANT = 4.0
# Share of the residuals' variance below which nothing is taken off.
MATTERS = 0.01
# Share of what a block usually tells, below which it tells nothing.
LEAST = 1e-3
# Rounds in which the spread of the fields is found: an expectation maximisation that converges.
ROUNDS = 30


@dataclass(frozen=True)
class Local:
    """How far scans are from one gain and one displacement, by blocks.

    Attributes
    ----------
    maps : tuple of ndarray (3, blocks along y, along x)
        Of each field: share by which the fast scan is brighter, and displacement along y and x in
        HR pixels.
    """

    maps: tuple[np.ndarray, ...]

    @property
    def spread(self) -> tuple[float, float, float]:
        """Standard deviations: of the brightness, and of the displacement along y and x."""
        gain, y, x = np.sqrt(np.mean([(m**2).mean((1, 2)) for m in self.maps], axis=0))
        return float(gain), float(y), float(x)

    def taken_off(self, field: FieldOfView, number: int) -> FieldOfView:
        """Field `number` with a slow scan that is as bright as the fast one, in the same place.

        Whole pixels are moved, so that their noise stays white; the rest moves the prediction.
        """
        gain, *shift = (_at(m, field, _places(field, field.hr.shape)) for m in self.maps[number])
        lines = np.ogrid[tuple(slice(0, n) for n in field.hr.shape)]
        places = [
            np.clip(at.astype(np.int32) + np.rint(by).astype(np.int32), 0, n - 1)
            for at, by, n in zip(lines, shift, field.hr.shape)
        ]
        whole = [np.arange(n) for n in field.lr.shape]
        beside = np.stack([_at(m, field, whole) for m in self.maps[number][1:]])
        moved = field.hr[tuple(places)] * (1 + gain)
        return replace(field, hr=moved, beside=beside - np.rint(beside))


def nowhere(fields: Sequence[FieldOfView]) -> Local:
    """Scans that differ nowhere."""
    return Local(tuple(np.zeros((3, *_grid(field))) for field in fields))


def differing(fit: Fit) -> list[int]:
    """Slopes that differ from place to place, beyond doubt and so much that it matters."""
    return [c for group in (BRIGHTNESS, POSITION) if _differs(fit, group) for c in group]


def further(fit: Fit, local: Local, columns: Sequence[int]) -> Local:
    """What a fit, whose fields were freed of `local`, still tells of places, added to it."""
    columns = list(columns)
    maps = [np.array(values) for values in local.maps]
    for field, blocks, values in zip(fit.fields, _blocks(fit, columns), maps):
        for column, found in zip(columns, blocks.T):
            share = found / fit.model.gain if column in BRIGHTNESS else found
            values[(*BRIGHTNESS, *POSITION).index(column)] += share.reshape(_grid(field))
    return Local(tuple(maps))


def _grid(field):
    """Blocks along y and along x."""
    wide = int(field.block[0, -1]) + 1
    return (int(field.block[-1, -1]) + 1) // wide, wide


def _told(evidence, fit, columns):
    """Of each block: how precisely it tells its slopes, and that times the slopes.

    HR noise adds to products of slopes, which is taken off, and to their errors, which is not.
    """
    sums, inside = evidence.sums, np.ix_(range(len(evidence.sums.pixels)), columns, columns)
    hr_noise = fit.hr_line.summed(sums.signal, sums.pixels)
    raw, right = sums.gram[inside], sums.residual[:, columns]
    gram = raw - hr_noise[:, None, None] * sums.noise[np.ix_(columns, columns)]
    right = right + fit.model.gain * hr_noise[:, None] * sums.noise[0, columns]
    variance = float(sums.squares.sum() / max(sums.pixels.sum(), 1))
    least = 1e-9 * np.trace(raw, axis1=1, axis2=2).mean() * np.eye(len(columns))
    weighed = gram.transpose(0, 2, 1) @ np.linalg.inv(variance * (raw + least))
    return weighed @ gram, (weighed @ right[..., None])[..., 0]


def _differs(fit, columns):
    """Whether blocks ask for slopes of their own, beyond doubt and so much that it matters."""
    columns = list(columns)
    precision, told = _all_told(fit, columns)
    own = np.diagonal(precision, axis1=1, axis2=2)
    tells = own > LEAST * own.mean(0)
    if np.mean((told**2)[tells] / own[tells]) < SIGNIFICANT:
        return False
    # In variances of a residual.
    less = sum(float((b * t).sum()) for b, t in zip(_blocks(fit, columns), _split(fit, told)))
    return less > MATTERS * sum(float(e.sums.pixels.sum()) for e in fit.evidence)


def _all_told(fit, columns):
    parts = zip(*(_told(evidence, fit, columns) for evidence in fit.evidence))
    precision, told = map(np.concatenate, parts)
    return precision, told


def _split(fit, values):
    return np.split(values, np.cumsum([len(e.sums.pixels) for e in fit.evidence])[:-1])


def _blocks(fit, columns):
    """Slopes of every block of each field, drawn to none as far as chance explains them."""
    precision, told = _all_told(fit, columns)
    # At first as wide as the mean block can tell.
    spread = 1 / np.maximum(np.diagonal(precision, axis1=1, axis2=2).mean(0), 1e-12)
    for _ in range(ROUNDS):
        covariance = np.linalg.inv(precision + np.diag(1 / spread))
        mean = (covariance @ told[..., None])[..., 0]
        spread = (mean**2 + np.diagonal(covariance, axis1=1, axis2=2)).mean(0)
    return _split(fit, mean)


def _places(field, shape):
    """Rows and columns of the slow scan, in LR pixels."""
    return [(np.arange(n) - corner) / field.scale for n, corner in zip(shape, field.corner)]


def _at(grid, field, places):
    """From the middles of blocks to rows and columns, in LR pixels."""
    sides = zip(places, field.lr.shape, grid.shape)
    y, x = ((p + 0.5) * blocks / length - 0.5 for p, length, blocks in sides)
    places = np.meshgrid(y.astype(np.float32), x.astype(np.float32), indexing="ij")
    return ndimage.map_coordinates(grid.astype(np.float32), places, order=1, mode="nearest")

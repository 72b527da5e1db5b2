"""The map of trust, tile by tile: width, consistency, novelty and belief."""

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pssrflow.models.input import Input
from pssrflow.trust.consistency import degraded, statistics
from pssrflow.trust.head import REACH
from pssrflow.trust.layers import layers
from pssrflow.trust.novelty import features
from pssrflow.trust.promise import Promise
from pssrflow.trust.windows import BLOCK, WINDOW, Seen, around, gathered, spread, touching
from pssrflow.volumes.blocks import Region
from pssrflow.volumes.store import Store

# Channels of the map, in its order; the last where the noise of the truth was known.
CHANNELS = WIDTHS, CONSISTENCY, NOVELTY, BELIEF, SPECIMEN = (
    "width",
    "consistency",
    "novelty",
    "belief",
    "specimen",
)
# Classes of belief.
DO_NOT_USE, WITH_CARE, FIT = range(3)
# p-values below which a place is not to be used, and below which it is to be used with care.
STRANGE, DOUBTFUL = 0.01, 0.05
# LR pixels along y and x that are looked at at once: whole blocks.
TILE = 8 * BLOCK
# Of the highest grey level of a map.
WHITE = 255
# Plane, rows, columns, and where they lie in an array (t, c, z, y, x) of a region.
Tile = tuple[tuple[int, ...], slice, slice, tuple[Any, ...]]
# `map`, or that of an executor.
Each = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]


@dataclass(frozen=True)
class Looked:
    """A prediction that is looked at.

    Attributes
    ----------
    promise : Promise
    lr, sr : Store
    limit : float
        Half-width, in parts of the display window, from which on a place needs care.
    """

    promise: Promise
    lr: Store
    sr: Store
    limit: float

    @functools.cached_property
    def corner(self) -> tuple[int, ...]:
        """LR pixel (z, y, x) where the prediction begins."""
        return self.lr.volume.corner(self.sr.volume, self.promise.scale)

    @functools.cached_property
    def given(self) -> Input:
        """How the network sees grey levels."""
        return Input.of(self.lr.volume.intensity, self.promise.intensity)

    @functools.cached_property
    def most(self) -> np.uint8:
        """The highest belief that any place may have."""
        size = self.lr.volume.pixel_side
        if self.promise.far(size):
            return np.uint8(DO_NOT_USE)
        return np.uint8(FIT if self.promise.firm and self.promise.near(size) else WITH_CARE)

    @property
    def channels(self) -> tuple[str, ...]:
        """What the map holds."""
        return CHANNELS if self.promise.knows_specimen else CHANNELS[:-1]

    @property
    def shape(self) -> tuple[int, int]:
        """y and x of a plane of the map, LR pixels."""
        y, x = (n // self.promise.scale for n in self.sr.volume.shape[3:])
        return y, x

    def region(self, region: Region, each: Each = map) -> np.ndarray:
        """The map of some planes.

        Parameters
        ----------
        region : Region
            Of the LR grid of the prediction.
        each : callable
            `map`, or that of an executor, for its tiles.

        Returns
        -------
        ndarray (channels of the map, t, c, z, y, x) of uint8
        """
        made = np.empty((len(self.channels), *region.shape), np.uint8)

        def fill(tile: Tile) -> None:
            plane, rows, cols, inside = tile
            made[:, *inside] = self.tile(plane, rows, cols)

        for _ in each(fill, tiles(region)):
            pass
        return made

    def tile(self, plane: tuple[int, ...], rows: slice, cols: slice) -> np.ndarray:
        """The map of a rectangle of one plane, ndarray (channels, y, x) of uint8."""
        box, shape = (rows, cols), self.shape
        wide = tuple(self._around(side, n) for side, n in zip(box, shape))
        lr, sr, grey = self._read(plane, wide)
        seen = Seen(wide, shape)
        widths = self._widths(lr, sr, _within(box, wide)) * self.window_share(plane[1])
        # What makes HR scans noisy is no fault of a prediction.
        belief = np.where(widths[-1] > self.limit, np.uint8(WITH_CARE), np.uint8(FIT))
        belief = np.minimum(belief, self.most)
        told = []
        for values, size in (
            (self._consistency(plane, lr, grey, box, seen), WINDOW),
            (self._novelty(lr, box, seen), self.promise.block),
        ):
            levels, classes = np.rint(values * WHITE).astype(np.uint8), _classes(values)
            numbers = _numbers(box, size)
            told.append(spread(levels, numbers, size, box))
            belief = np.minimum(belief, spread(classes, numbers, size, box))
        scan, *specimen = np.rint(np.minimum(widths, 1) * WHITE).astype(np.uint8)
        return np.stack([scan, *told, belief, *specimen])

    def _around(self, side: slice, length: int) -> slice:
        """What must be read of an axis: whole blocks, and windows with what reaches into them."""
        ends, reach = (side.start, side.stop), self.promise.reach
        blocks, windows = (around(*ends, n, length) for n in (self.promise.block, WINDOW))
        start = min(side.start - REACH - 1, blocks.start, windows.start - reach)
        stop = max(side.stop + REACH + 1, blocks.stop, windows.stop + reach)
        return slice(max(0, start), min(stop, length))

    def _read(self, plane, box):
        scale, (oz, oy, ox) = self.promise.scale, self.corner
        t, c, z = plane
        there = [slice(s.start + o, s.stop + o) for s, o in zip(box, (oy, ox))]
        lr = self.lr.reader()((t, c, z + oz), *there)
        fine = [slice(s.start * scale, s.stop * scale) for s in box]
        grey = self.sr.reader()(plane, *fine).astype(np.float32)
        return self.given.scaled(lr, c), self.given.scaled(grey, c), grey

    def window_share(self, channel: int) -> np.float32:
        """Parts of the display window in one unit of what the network sees."""
        low, high = self.lr.volume.intensity.windows[channel]
        return np.float32(self.given.span(channel) / (high - low))

    def _widths(self, lr, sr, inner):
        """Half-widths (1 or 2, y, x) for a second scan, and for the specimen where it is known.

        As the network sees grey levels.
        """
        promise = self.promise
        factors = [promise.multipliers, *([promise.deviations] * promise.knows_specimen)]
        shown = layers(sr, promise.scale)
        strata = promise.strata(*(values[inner] for values in shown))
        scales = promise.scales(lr, *shown)
        return np.stack([s[inner] * np.float32(f).take(strata) for s, f in zip(scales, factors)])

    def _consistency(self, plane, lr, grey, box, seen):
        numbers = _numbers(box, WINDOW)
        wanted = [around(s.start, s.stop, WINDOW, n) for s, n in zip(box, self.shape)]
        made = self._expected(plane[1], grey, wanted, seen)
        inner = tuple(slice(w.start - c, w.stop - c) for w, c in zip(wanted, seen.corner))
        left = self.promise.residuals.standardised(lr[inner], made)
        windows = gathered(left, numbers, WINDOW, Seen(tuple(wanted), self.shape))
        return self.promise.consistent(statistics(windows))

    def _expected(self, channel, grey, wanted, seen):
        """What the LR image would be expected to be, as the network sees grey levels."""
        promise, volume = self.promise, self.sr.volume
        corner = tuple(c * promise.scale for c in seen.corner)
        read = functools.partial(_part, grey, corner)
        crappifier = promise.crappifier.of(volume.detector(channel))
        shape = tuple(n * promise.scale for n in self.shape)
        ranges = (range(s.start, s.stop) for s in wanted)
        levels = volume.intensity.ranges[channel]
        made = degraded(crappifier, read, shape, levels, *ranges)
        return self.given.scaled(made, channel)

    def _novelty(self, lr, box, seen):
        size = self.promise.block
        numbers = _numbers(box, size)
        return self.promise.familiar(features(gathered(lr, numbers, size, seen)))


def tiles(region: Region) -> Iterator[Tile]:
    """Rectangles of the planes of a region, cut where whole tiles of the plane are."""
    corner = region.start[3:]
    sides = [
        [slice(max(a, start), min(a + TILE, stop)) for a in range(start // TILE * TILE, stop, TILE)]
        for start, stop in zip(corner, region.stop[3:])
    ]
    for plane, rows, cols in itertools.product(region.planes(), *sides):
        above = (p - a for p, a in zip(plane, region.start))
        box = (slice(s.start - a, s.stop - a) for s, a in zip((rows, cols), corner))
        yield plane, rows, cols, (*above, *box)


def _classes(p):
    """Belief, as far as p-values tell."""
    some = np.where(p < DOUBTFUL, np.uint8(WITH_CARE), np.uint8(FIT))
    return np.where(p < STRANGE, np.uint8(DO_NOT_USE), some)


def _part(grey, corner, rows, cols):
    """Pixels of a rectangle of a plane, of which `grey` was read from `corner` on."""
    y, x = (slice(s.start - c, s.stop - c) for s, c in zip((rows, cols), corner))
    return grey[y, x]


def _numbers(box, size):
    rows, cols = (touching(side.start, side.stop, size) for side in box)
    return rows, cols


def _within(box, wide):
    return tuple(slice(s.start - w.start, s.stop - w.start) for s, w in zip(box, wide))

"""How a volume is cut: regions, shards and parts, computed once and never overlapping."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Region:
    """A box of a TCZYX array: `start` included, `stop` excluded, in pixels of that array."""

    start: tuple[int, ...]
    stop: tuple[int, ...]

    @property
    def slices(self) -> tuple[slice, ...]:
        return tuple(slice(a, b) for a, b in zip(self.start, self.stop))

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(b - a for a, b in zip(self.start, self.stop))

    @property
    def size(self) -> int:
        """Number of pixels."""
        return math.prod(self.shape)

    def within(self, outer) -> tuple[slice, ...]:
        """Where this region lies in an array that holds the region `outer` of the same volume."""
        return tuple(slice(a - o, b - o) for a, b, o in zip(self.start, self.stop, outer.start))

    def planes(self) -> Iterator[tuple[int, int, int]]:
        """Every (t, c, z) that the region holds, in order."""
        return itertools.product(*(range(a, b) for a, b in zip(self.start[:3], self.stop[:3])))


def cut(shape, size, start=None) -> list[Region]:
    """Cut an array of `shape` into boxes of `size`; the last along an axis may be smaller.

    Used for shards: `size` is then the shard shape, so each region is one file with one writer.
    With a `start`, only what lies between it and `shape` is cut.
    """
    starts = itertools.product(*map(range, start or (0,) * len(shape), shape, size))
    return [Region(a, tuple(min(i + s, n) for i, s, n in zip(a, size, shape))) for a in starts]


def share(items, parts) -> list[list]:
    """Deal `items` to `parts` in order, as evenly as can be; with too few items some get none."""
    items = list(items)
    bounds = [len(items) * i // parts for i in range(parts + 1)]
    return [items[a:b] for a, b in itertools.pairwise(bounds)]


def spans(start, stop, step) -> list[tuple[int, int]]:
    """Cut the interval [start, stop) at multiples of `step`, whatever `start` is."""
    edges = [start, *range((start // step + 1) * step, stop, step), stop]
    return list(itertools.pairwise(edges))


def with_halo(start, stop, length, halo, stride):
    """What is read of an axis of `length` to make the pixels from `start` to `stop`."""
    first = max(start - halo, 0) // stride * stride
    last = -(-(stop + halo) // stride) * stride
    return slice(first, min(last, length))

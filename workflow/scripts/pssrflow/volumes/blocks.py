"""How a volume is cut: regions, shards and parts, computed once and never overlapping."""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

Item = TypeVar("Item")


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

    def within(self, outer: "Region") -> tuple[slice, ...]:
        """Where this region lies in an array that holds the region `outer` of the same volume."""
        return tuple(slice(a - o, b - o) for a, b, o in zip(self.start, self.stop, outer.start))

    def planes(self) -> Iterator[tuple[int, int, int]]:
        """Every (t, c, z) that the region holds, in order."""
        t, c, z = (range(a, b) for a, b in zip(self.start[:3], self.stop[:3]))
        return itertools.product(t, c, z)


def cut(
    shape: Sequence[int], size: Sequence[int], start: Sequence[int] | None = None
) -> list[Region]:
    """Cut an array of `shape` into boxes of `size`; the last along an axis may be smaller.

    Used for shards: `size` is then the shard shape, so each region is one file with one writer.
    With a `start`, only what lies between it and `shape` is cut.
    """
    starts = itertools.product(*map(range, start or (0,) * len(shape), shape, size))
    return [Region(a, tuple(min(i + s, n) for i, s, n in zip(a, size, shape))) for a in starts]


def share(items: Iterable[Item], parts: int) -> list[list[Item]]:
    """Deal `items` to `parts` in order, as evenly as can be; with too few items some get none."""
    dealt = list(items)
    bounds = [len(dealt) * i // parts for i in range(parts + 1)]
    return [dealt[a:b] for a, b in itertools.pairwise(bounds)]


def place_of(shard: Region) -> str:
    """Name of a shard among those of its volume."""
    return ",".join(map(str, shard.start))


def spans(start: int, stop: int, step: int) -> list[tuple[int, int]]:
    """Cut the interval [start, stop) at multiples of `step`, whatever `start` is."""
    edges = [start, *range((start // step + 1) * step, stop, step), stop]
    return list(itertools.pairwise(edges))


def with_halo(start: int, stop: int, length: int, halo: int, stride: int) -> slice:
    """What is read of an axis of `length` to make the pixels from `start` to `stop`."""
    first = max(start - halo, 0) // stride * stride
    last = -(-(stop + halo) // stride) * stride
    return slice(first, min(last, length))

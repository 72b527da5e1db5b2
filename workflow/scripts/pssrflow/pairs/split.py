"""A split of what is learnt from that cannot leak: training, validation, calibration of trust."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pssrflow.errors import InputError
from pssrflow.networks.frames import Frames
from pssrflow.pairs.field import Field
from pssrflow.volumes.blocks import Region

# The smallest strip or patch (LR pixels) that still shows structure.
SMALLEST = 16
# LR pixels along y and x of the blocks that trust is calibrated on, which must fit a strip; see
# `trust.windows`.
BLOCK = 64
# Of the rows or planes of a field, the most that are kept out for them, guard included.
MOST_KEPT = 1 / 3
# Blocks, of half that size, below which trust promises nothing, and from which on it is firm; see
# `trust.conformal`.
ENOUGH = 9, 20


@dataclass(frozen=True)
class Split:
    """Regions of one field, in LR pixels; a guard band lies between them.

    Of a field that is kept for trust as a whole nothing is learnt.
    """

    train: Region | None
    validation: Region | None
    calibration: Region | None = None


@dataclass(frozen=True)
class Splitting:
    """How fields are split; the same for the network and for its trust.

    Attributes
    ----------
    patch : int
        LR pixels of a patch that is wanted.
    validation : float
        Share of the rows or planes that is held out; 0 for none.
    kept : float
        Share that trust is calibrated on.
    guard : int
        LR pixels between what is learnt from and what is not.
    stride : int
        Of the network, LR pixels.
    frames : Frames
        LR planes that it sees at once.
    """

    patch: int
    validation: float
    kept: float
    guard: int
    stride: int
    frames: Frames

    def of(self, fields: Sequence[Field]) -> tuple[int, list[Split]]:
        """LR pixels of a patch that every field holds, and the split of each.

        Raises
        ------
        InputError
            A field is too small to split.
        """
        size = patch_size([field.region for field in fields], self.patch, self.stride)
        size = min(size, *(self._narrowed(field.region, size) for field in fields))
        splits = [self._split(field, size) for field in fields]
        if self.kept and not any(split.calibration for split in splits):
            # Of many small images some are kept as a whole.
            for number in _kept_whole(fields, self.kept):
                splits[number] = Split(None, None, fields[number].region)
        return size, splits

    def _narrowed(self, region, size):
        """The patch, or one that leaves rows to hold out.

        Where planes would be held out of a short stack, those that are left would know no
        neighbours, and the network would not learn what to make of them.
        """
        left, _ = self._reserved(region)
        rows = left.shape[3] - _held(left.shape[3], self.validation, SMALLEST) - self.guard
        axis = _longest(left)
        planes = left.shape[axis]
        after = planes - _held(planes - 2, self.validation, 1) - 1
        seen = 2 * self._reach + 1 if "tcz"[axis] in self.frames.axis else 1
        if not self.validation or rows >= size or after >= min(planes, seen):
            return size
        narrower = rows // self.stride * self.stride
        return narrower if narrower >= SMALLEST else size

    @property
    def _reach(self):
        return self.frames.along // 2 * self.frames.stride

    def _reserved(self, region):
        return reserve(region, self.kept, self.guard, self._reach)

    def _split(self, field, size):
        rest = self.validation, size, self.guard, field.sample
        left, kept = self._reserved(field.region)
        if kept is not None and min(left.shape[3:]) >= size:
            try:
                return replace(split_field(left, *rest), calibration=kept)
            except InputError:
                # Better no promise than no training.
                pass
        return split_field(field.region, *rest)


def patch_size(regions: Sequence[Region], wanted: int, stride: int) -> int:
    """Largest LR patch, at most `wanted`, that every field holds and the network can halve."""
    largest = min(wanted, *(min(region.shape[3:]) for region in regions))
    return max(largest // stride * stride, stride)


def in_all(splits: Sequence[Split]) -> Region | None:
    """What several networks, each with a split of its own, have all kept of a field."""
    kept = [split.calibration for split in splits]
    starts = zip(*(region.start for region in kept if region))
    stops = zip(*(region.stop for region in kept if region))
    shared = Region(tuple(map(max, starts)), tuple(map(min, stops)))
    return shared if all(kept) and min(shared.shape) > 0 else None


def _kept_whole(fields: Sequence[Field], share: float) -> list[int]:
    """Numbers of the fields that are kept, spread evenly; none where they would be too few."""
    large = [i for i, f in enumerate(fields) if min(f.region.shape[3:]) >= BLOCK // 2]
    blocks = [math.prod(n // (BLOCK // 2) for n in fields[i].region.shape[3:]) for i in large]
    most = min(len(large), int(MOST_KEPT * len(fields)))
    count = min(most, round(share * len(fields)))
    if not count or sum(blocks[i] for i in _even(len(large), most)) < ENOUGH[0]:
        return []
    # More than are asked for, where these would promise little.
    while count < most and sum(blocks[i] for i in _even(len(large), count)) < ENOUGH[1]:
        count += 1
    return [large[i] for i in _even(len(large), count)]


def _even(length: int, count: int) -> list[int]:
    return [(2 * i + 1) * length // (2 * count) for i in range(count)]


def reserve(region: Region, share: float, guard: int, reach: int) -> tuple[Region, Region | None]:
    """Keep part of a field out of training: its last planes, or rows at the bottom of all.

    Parameters
    ----------
    region : Region
        LR pixels.
    share : float
    guard : int
        LR pixels between both parts.
    reach : int
        Planes that a network sees before and behind one.

    Returns
    -------
    rest : Region
    kept : Region or None
        None where too little would be left.
    """
    if not share:
        return region, None
    axis = _longest(region)
    planes, height = region.shape[axis], region.shape[3]
    held, between = max(1, round(share * planes)), reach + 2
    if held + between <= planes * MOST_KEPT and min(region.shape[3:]) >= BLOCK // 2:
        return _cut(region, axis, held, between)
    rows = max(BLOCK, math.ceil(share * height))
    if rows + guard <= height * MOST_KEPT and region.shape[4] >= BLOCK // 2:
        return _cut(region, 3, rows, guard)
    return region, None


def split_field(region: Region, fraction: float, patch: int, guard: int, name: str) -> Split:
    """Hold out part of a field for validation; no pixel nor guard band is shared.

    A strip of rows at the bottom of every plane is held out where the rest still holds a patch,
    else the last planes of a stack.

    Parameters
    ----------
    region : Region
        The field, in LR pixels.
    fraction : float
        Share of the rows or planes to hold out; 0 for none.
    patch, guard : int
        LR pixels.
    name : str
        Of the sample, for the error.

    Raises
    ------
    InputError
        The field is too small to split.
    """
    if not fraction:
        return Split(region, None)
    height, axis = region.shape[3], _longest(region)
    rows = _held(height, fraction, SMALLEST)
    if height - rows - guard >= patch:
        return Split(*_cut(region, 3, rows, guard))
    planes = region.shape[axis]
    if planes < 3:
        raise InputError(
            f"sample {name!r}",
            f"{planes} plane(s) of {height} rows (LR) cannot be split into training and validation",
            f"at least {patch + rows + guard} LR rows, or 3 planes, or a smaller train.patch, or "
            "train.validation: 0",
        )
    return Split(*_cut(region, axis, _held(planes - 2, fraction, 1), 1))


def _held(length: int, fraction: float, least: int) -> int:
    """Rows or planes that are held out."""
    return max(least, math.ceil(fraction * length))


def _longest(region: Region) -> int:
    """The axis along which planes lie, t or z."""
    return 2 if region.shape[2] >= region.shape[0] else 0


def _cut(region: Region, axis: int, held: int, guard: int) -> tuple[Region, Region]:
    """What lies before the last pixels or planes of an axis, and those."""
    edge, first, start = region.stop[axis], list(region.stop), list(region.start)
    first[axis], start[axis] = edge - held - guard, edge - held
    return Region(region.start, tuple(first)), Region(tuple(start), region.stop)

"""Training patches: a split that cannot leak, and a draw that depends only on its number."""

import math
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from pssrflow.blocks import Region
from pssrflow.crappifier import Crappifier, NoiseKey, crappify_patch
from pssrflow.errors import InputError
from pssrflow.intensity import Intensity
from pssrflow.keyed import generator
from pssrflow.store import open_level, read_volume

# The smallest strip or patch (LR pixels) that still shows structure.
SMALLEST = 16


@dataclass(frozen=True)
class Field:
    """One training acquisition: where its pixels are and how its grey levels scale.

    Attributes
    ----------
    sample : str
    hr : zarr.Array
        TCZYX, level 0.
    lr : zarr.Array or None
        A really acquired LR image of the same field; None to crappify.
    hr_intensity, lr_intensity : Intensity
        Scaling of the truth and of the LR image; of a crappified field both are the LR image's.
    detector : Intensity
        Range of the HR image.
    region : Region
        LR pixels whose HR pixels all exist.
    shift : tuple of int
        HR pixels (y, x) by which the HR image lies beside the acquired LR one.
    weight : zarr.Array or None
        TCZYX, as large as the HR image or with one channel: how much each HR pixel counts.
    heaviest : float
        The largest weight, which counts in full.
    """

    sample: str
    hr: object
    lr: object | None
    hr_intensity: Intensity
    lr_intensity: Intensity
    detector: Intensity
    region: Region
    shift: tuple[int, int] = (0, 0)
    weight: object | None = None
    heaviest: float = 1.0


@dataclass(frozen=True)
class Split:
    """Regions of one field, in LR pixels; a guard band lies between them."""

    train: Region
    validation: Region | None


def open_field(sample, hr, lr, acquired, scale, shift=(0, 0), weight=None) -> Field:
    """Open the stores of one training row.

    Raises
    ------
    InputError
        The acquired LR and HR images do not show the same planes or differ from the scale, or the
        map of weights is of another size or has negative ones.
    """
    hr_volume, lr_volume = read_volume(hr), read_volume(lr)
    if acquired:
        check_pair(sample, hr_volume.shape, lr_volume.shape, scale)
    return Field(
        sample,
        open_level(hr),
        open_level(lr) if acquired else None,
        # What is predicted comes in grey levels of the LR image. An acquired one may have another
        # gain and offset than the truth, which the two windows then relate.
        hr_volume.intensity if acquired else lr_volume.intensity,
        lr_volume.intensity,
        hr_volume.intensity,
        _matched(hr_volume.shape, lr_volume.shape, scale, shift),
        tuple(shift),
        *(_weights(sample, weight, hr_volume.shape) if weight else ()),
    )


def _weights(sample, path, shape):
    """Map of weights and its largest value."""
    volume = read_volume(path)
    if volume.shape not in (shape, (shape[0], 1, *shape[2:])):
        raise InputError(
            f"sample {sample!r}, weight_path",
            f"t,c,z,y,x = {volume.shape}",
            f"the size of the HR image, {tuple(shape)}, or one channel of it",
        )
    lowest, highest = zip(*volume.intensity.windows)
    if min(lowest) < 0:
        found = f"a weight of {min(lowest):g}"
        raise InputError(f"sample {sample!r}, weight_path", found, "0 or more")
    return open_level(path), max(highest)


def _matched(hr_shape, lr_shape, scale, shift):
    """LR pixels all of whose HR pixels exist, `shift` HR pixels away."""
    start = [math.ceil(max(0, -d) / scale) for d in shift]
    stop = [min(n, (h - max(0, d)) // scale) for n, h, d in zip(lr_shape[3:], hr_shape[3:], shift)]
    return Region((0, 0, 0, *start), (*hr_shape[:3], *stop))


def check_pair(sample, hr_shape, lr_shape, scale):
    """Refuse an acquired pair whose planes differ or whose sizes are not `scale` apart."""
    same_planes = hr_shape[:3] == lr_shape[:3]
    # Two frames of one field may differ by a few pixels at the edge, not by a tenth.
    ratios = [h / n for h, n in zip(hr_shape[3:], lr_shape[3:])]
    if same_planes and all(abs(r / scale - 1) < 0.1 for r in ratios):
        return
    raise InputError(
        f"sample {sample!r}",
        f"HR has t,c,z,y,x = {tuple(hr_shape)} and the acquired LR {tuple(lr_shape)}",
        f"the same t, c and z, and y and x that differ by the scale, {scale}",
    )


def split_field(region, fraction, patch, guard, name) -> Split:
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
    """
    if not fraction:
        return Split(region, None)
    planes_t, _, planes_z, height, _ = region.shape
    rows = max(SMALLEST, math.ceil(fraction * height))
    if height - rows - guard >= patch:
        return _split_along(region, 3, rows, guard)
    axis, planes = (2, planes_z) if planes_z >= planes_t else (0, planes_t)
    if planes < 3:
        raise InputError(
            f"sample {name!r}",
            f"{planes} plane(s) of {height} rows (LR) cannot be split into training and validation",
            f"at least {patch + rows + guard} LR rows, or 3 planes, or a smaller train.patch, or "
            "train.validation: 0",
        )
    return _split_along(region, axis, max(1, math.ceil(fraction * (planes - 2))), 1)


def _split_along(region, axis, held, guard):
    edge, train_stop, held_start = region.stop[axis], list(region.stop), list(region.start)
    train_stop[axis], held_start[axis] = edge - held - guard, edge - held
    return Split(Region(region.start, tuple(train_stop)), Region(tuple(held_start), region.stop))


def patch_size(regions, wanted, stride):
    """Largest LR patch, at most `wanted`, that every field holds and the network can halve."""
    largest = min(wanted, *(min(region.shape[3:]) for region in regions))
    return max(largest // stride * stride, stride)


class Patches:
    """Draws patches by number: the same number gives the same pixels, noise and orientation.

    Parameters
    ----------
    fields : list of Field
    regions : list of Region
        The part of each field to draw from, in LR pixels.
    crappifier : Crappifier
    size : int
        LR pixels along y and x.
    seed : int
    purpose : str
        "train" or "validation"; part of the key.
    """

    def __init__(self, fields, regions, crappifier: Crappifier, size, seed, purpose):
        self.fields, self.regions = fields, regions
        self.crappifier, self.size = crappifier, size
        self.seed, self.purpose = seed, purpose
        pixels = [math.prod(region.shape) for region in regions]
        self.pixels = sum(pixels)
        self.share = np.cumsum(pixels) / self.pixels

    def batch(self, numbers):
        """LR and HR patches: float32 arrays (n, 1, y, x), scaled to 0..1; and weights if any."""
        pairs = [self.draw(number) for number in numbers]
        return tuple(np.stack(images)[:, None] for images in zip(*pairs))

    def draw(self, number):
        """One pair (LR, HR) of 2-D float32 arrays; a third are weights, if any field has them."""
        field, plane, rows, cols, turn = self._choose(number)
        if field.lr is not None:
            lr, hr = (orient(image, turn) for image in self._acquired(field, plane, rows, cols))
        else:
            lr, hr = self._crappified(field, plane, rows, cols, turn, f"{self.purpose} {number}")
        pair = _scaled(lr, field.lr_intensity, plane[1]), _scaled(hr, field.hr_intensity, plane[1])
        weighted = any(f.weight is not None for f in self.fields)
        return (*pair, orient(self._weight(field, plane, rows, cols), turn)) if weighted else pair

    def place_of(self, number):
        """Where a patch comes from, in words."""
        field, plane, rows, cols, _ = self._choose(number)
        corner = (*plane, rows.start, cols.start)
        return f"sample {field.sample!r} at t,c,z,y,x = {corner} (LR)"

    def _choose(self, number):
        rng = generator(self.seed, self.purpose, number)
        index = int(np.searchsorted(self.share[:-1], rng.random(), side="right"))
        place = self._place(rng, self.regions[index])
        return self.fields[index], *place, int(rng.integers(8))

    def _place(self, rng, region):
        plane = tuple(int(rng.integers(a, b)) for a, b in zip(region.start[:3], region.stop[:3]))
        # A strip may be thinner than a patch is long.
        sizes = [min(self.size, n) for n in region.shape[3:]]
        corner = [
            int(rng.integers(a, b - n + 1))
            for a, b, n in zip(region.start[3:], region.stop[3:], sizes)
        ]
        return plane, *(range(a, a + n) for a, n in zip(corner, sizes))

    def _acquired(self, field, plane, rows, cols):
        lr = field.lr[(*plane, slice(rows.start, rows.stop), slice(cols.start, cols.stop))]
        return lr, field.hr[(*plane, *self._target(field, rows, cols))]

    def _target(self, field, rows, cols):
        """HR pixels of a box of LR pixels."""
        scale = self.crappifier.scale
        return [
            slice(r.start * scale + d, r.stop * scale + d)
            for r, d in zip((rows, cols), field.shift)
        ]

    def _weight(self, field, plane, rows, cols):
        """Weights of the HR pixels of a box, 0..1; 1 where the field has none."""
        if field.weight is None:
            return np.ones([len(r) * self.crappifier.scale for r in (rows, cols)], np.float32)
        t, c, z = plane
        channel = c if field.weight.shape[1] > 1 else 0
        weights = field.weight[(t, channel, z, *self._target(field, rows, cols))]
        return weights.astype(np.float32) / np.float32(field.heaviest)

    def _crappified(self, field, plane, rows, cols, turn, realisation):
        """Turn the specimen, then scan it: lines of a scan always run along x."""
        scale = self.crappifier.scale
        # Whole LR pixels: only then do the turned pixels lie on the grid again.
        whole = tuple(n // scale * scale for n in field.hr.shape[3:])
        seen = Turned(lambda r, c: field.hr[(*plane, r, c)], whole, turn)
        (top, bottom), (left, right) = seen.box(
            *((r.start * scale, r.stop * scale) for r in (rows, cols))
        )
        rows, cols = range(top // scale, bottom // scale), range(left // scale, right // scale)
        around = seen.around((top, bottom), (left, right), self.crappifier.reach * scale)
        key = NoiseKey(self.seed, field.sample, realisation, *plane)
        levels = field.detector.black, field.detector.white
        lr = crappify_patch(around, seen.shape, self.crappifier, key, *levels, rows, cols)
        return lr, around(slice(top, bottom), slice(left, right))


class Turned:
    """A plane in one of the eight orientations, read in place.

    Parameters
    ----------
    read : callable (slice, slice) -> ndarray (y, x)
    shape : tuple of int
        y and x of the plane as stored.
    turn : int
        0 to 7, as for `orient`.
    """

    def __init__(self, read, shape, turn):
        self.read, self.stored, self.turn = read, shape, turn
        self.shape = shape[::-1] if turn % 2 else tuple(shape)

    def box(self, rows, cols):
        """Where a box (start and stop along y and x) of the stored plane lies."""
        height, width = self.stored
        if self.turn >= 4:
            cols = width - cols[1], width - cols[0]
        for _ in range(self.turn % 4):
            rows, cols = (width - cols[1], width - cols[0]), rows
            height, width = width, height
        return rows, cols

    def stored_box(self, rows, cols):
        """Where a box of this plane lies in the stored one."""
        height, width = self.shape
        for _ in range(-self.turn % 4):
            rows, cols = (width - cols[1], width - cols[0]), rows
            height, width = width, height
        if self.turn >= 4:
            cols = width - cols[1], width - cols[0]
        return rows, cols

    def around(self, rows, cols, margin):
        """Read a box and a margin once; gives a callable (slice, slice) that reads from it."""
        wide = [
            (max(a - margin, 0), min(b + margin, n)) for (a, b), n in zip((rows, cols), self.shape)
        ]
        stored = self.read(*(slice(*box) for box in self.stored_box(*wide)))
        held = orient(stored, self.turn)
        (top, _), (left, _) = wide
        return lambda r, c: held[r.start - top : r.stop - top, c.start - left : c.stop - left]


def orient(image, turn):
    """One of the eight symmetries of the square, 0 to 7."""
    return np.rot90(image[:, ::-1] if turn >= 4 else image, turn % 4)


def _scaled(values, intensity, channel):
    low, high = intensity.windows[channel]
    return (values.astype(np.float32) - np.float32(low)) / np.float32(high - low)


def prefetch(make, numbers, depth=4):
    """Yield make(n) for each of `numbers`, made ahead of time by a thread."""
    ahead = deque()
    with ThreadPoolExecutor(1) as pool:
        for number in numbers:
            ahead.append(pool.submit(make, number))
            if len(ahead) > depth:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()

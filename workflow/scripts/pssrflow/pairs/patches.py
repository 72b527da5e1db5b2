"""Training patches: a draw that depends only on its number."""

import functools
import math
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from pssrflow.crappify.chain import Crappifier, Plane, crappify_patch
from pssrflow.crappify.squares import NoiseKey
from pssrflow.models.input import Input
from pssrflow.networks.frames import ONE, Frames
from pssrflow.pairs.aligned import aligned
from pssrflow.pairs.field import Field
from pssrflow.pairs.magnified import Magnified
from pssrflow.pairs.orientation import Turned, orient
from pssrflow.seeded import generator
from pssrflow.volumes.blocks import Region

Made = TypeVar("Made")
# Places of which one is drawn, by what they show.
CANDIDATES = 4
# LR pixels at the ends of a region that no patch of another magnification takes.
EDGE = 1


@dataclass(frozen=True)
class Drawing:
    """How patches are drawn.

    Attributes
    ----------
    zoom : tuple of float
        Lowest and highest magnification at which crappified fields are drawn.
    frames : Frames
        LR planes that are seen at once.
    focus : float
        How much more often patches with structure are drawn; 0 draws all places alike.
    ends : float
        Share of the patches that are drawn as if their stack ended within the frames.
    """

    zoom: tuple[float, float] = (1.0, 1.0)
    frames: Frames = ONE
    focus: float = 0
    ends: float = 0


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
    drawing : Drawing
    """

    def __init__(
        self,
        fields: Sequence[Field],
        regions: Sequence[Region],
        crappifier: Crappifier,
        size: int,
        seed: int,
        purpose: str,
        drawing: Drawing = Drawing(),
    ):
        self.fields, self.regions = fields, regions
        self.crappifier, self.size = crappifier, size
        self.seed, self.purpose, self.drawing = seed, purpose, drawing
        pixels = [math.prod(region.shape) for region in regions]
        self.pixels = sum(pixels)
        chances = np.cumsum([n * field.share for n, field in zip(pixels, fields)])
        self.share = chances / chances[-1]

    def batch(self, numbers: Iterable[int]) -> tuple[np.ndarray, ...]:
        """LR patches, float32 arrays (n, frames, y, x) scaled to 0..1, HR ones, and weights if any.

        HR patches and weights have one plane.
        """
        pairs = [self.draw(number) for number in numbers]
        return tuple(np.stack(images) for images in zip(*pairs))

    def draw(self, number: int) -> tuple[np.ndarray, ...]:
        """One pair, LR (frames, y, x) and HR (1, y, x), float32; a third are weights, if any.

        Every LR frame has noise of its own, as if it were scanned after the one before.
        """
        field, region, zoom, plane, rows, cols, turn = self._choose(number)
        frames = self.drawing.frames.around(plane, self._stack(number, region, plane))
        if field.lr is not None:
            lr, hr = self._acquired(field, frames, rows, cols, turn)
        else:
            place = zoom, frames, rows, cols, turn
            lr, hr = self._crappified(field, *place, f"{self.purpose} {number}")
        images = (lr, field.lr_intensity), (hr[None], field.hr_intensity)
        drawn = [Input.of(known).scaled(image, plane[1]) for image, known in images]
        if any(f.weighs for f in self.fields):
            drawn.append(orient(self._weight(field, zoom, plane, rows, cols), turn)[None])
        return tuple(drawn)

    def source(self, number: int) -> tuple[Field, tuple[int, ...]]:
        """Field of a patch, and its plane."""
        field, _, _, plane, *_ = self._choose(number)
        return field, plane

    def place_of(self, number: int) -> str:
        """Where a patch comes from, in words."""
        field, _, zoom, plane, rows, cols, _ = self._choose(number)
        corner = (*plane, int(rows.start / zoom), int(cols.start / zoom))
        return f"sample {field.sample!r} at t,c,z,y,x = {corner} (LR)"

    def _choose(self, number):
        rng = generator(self.seed, self.purpose, number)
        if self.drawing.focus:
            places = [self._candidate(rng, number) for _ in range(CANDIDATES)]
            chances = np.array([self._structure(*place) for place in places]) ** self.drawing.focus
            # Where all is even, any of them.
            chances = np.cumsum(chances if chances.any() else np.ones(CANDIDATES))
            chosen = np.searchsorted(chances / chances[-1], rng.random(), side="right")
            place = places[min(int(chosen), CANDIDATES - 1)]
        else:
            place = self._candidate(rng, number)
        return *place, int(rng.integers(8))

    def _candidate(self, rng, number):
        index = int(np.searchsorted(self.share[:-1], rng.random(), side="right"))
        field, region = self.fields[index], self.regions[index]
        zoom = self._zoom(field, region, number)
        return (
            field,
            region,
            zoom,
            *self._place(rng, region if zoom == 1 else magnified(region, zoom)),
        )

    def _structure(self, field, _, zoom, plane, rows, cols):
        """Variance of what a patch shows, in parts of the range, as a coarse level tells it."""
        scale, levels = self.crappifier.scale, field.hr.levels
        level = min(round(math.log2(scale)), levels - 1)
        coarse = scale / zoom / 2**level
        sides = [
            slice(int(r.start * coarse + d / 2**level), max(1, int(r.stop * coarse + d / 2**level)))
            for r, d in zip((rows, cols), field.shift)
        ]
        span = field.hr_intensity.windows[plane[1]]
        values = field.hr.reader(level)(plane, *sides).astype(np.float32)
        return float(values.var()) / (span[1] - span[0]) ** 2

    def _stack(self, number, region, plane):
        """The planes that there are: some patches are drawn as if the stack ended near them.

        Else a network would see the ends of a stack too seldom to do well there.
        """
        frames = self.drawing.frames
        reach = frames.along // 2 * frames.stride
        if not (reach and self.drawing.ends):
            return region
        rng = generator(self.seed, self.purpose, "end", number)
        if rng.random() >= self.drawing.ends:
            return region
        start, stop = list(region.start), list(region.stop)
        axis = 0 if rng.choice(list(frames.axis)) == "t" else 2
        left = int(rng.integers(reach))
        if rng.random() < 0.5:
            start[axis] = max(start[axis], plane[axis] - left)
        else:
            stop[axis] = min(stop[axis], plane[axis] + left + 1)
        return Region(tuple(start), tuple(stop))

    def _zoom(self, field, region, number):
        """Magnification of a patch: every factor is as likely; that of acquired pairs is theirs."""
        low, high = self.drawing.zoom
        if field.lr is not None or low == high == 1:
            return 1.0
        # What a patch covers must fit into the region; a field that is too small stays as it is.
        low = max(low, (self.size + 2 * EDGE) / min(region.shape[3:]))
        if low > high:
            return 1.0
        rng = generator(self.seed, self.purpose, "zoom", number)
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    def _place(self, rng, region):
        plane = tuple(int(rng.integers(a, b)) for a, b in zip(region.start[:3], region.stop[:3]))
        # A strip may be thinner than a patch is long.
        sizes = [min(self.size, n) for n in region.shape[3:]]
        corner = [
            int(rng.integers(a, b - n + 1))
            for a, b, n in zip(region.start[3:], region.stop[3:], sizes)
        ]
        return plane, *(range(a, a + n) for a, n in zip(corner, sizes))

    def _acquired(self, field, frames, rows, cols, turn):
        read, seen = field.lr.reader(), [slice(side.start, side.stop) for side in (rows, cols)]
        lr = np.stack([orient(read(frame, *seen), turn) for frame in frames])
        truth = aligned(field.hr, field.warp)
        middle = frames[len(frames) // 2]
        return lr, orient(truth(middle, *self._target(field, rows, cols)), turn)

    def _target(self, field, rows, cols):
        """HR pixels of a box of LR pixels."""
        scale = self.crappifier.scale
        return [
            slice(r.start * scale + d, r.stop * scale + d)
            for r, d in zip((rows, cols), field.shift)
        ]

    def _weight(self, field, zoom, plane, rows, cols):
        """Weights of the HR pixels of a box, 0..1; 1 where the field has none."""
        if field.mask is None:
            return self._given_weight(field, zoom, plane, rows, cols)
        read = functools.partial(_as_bytes, field.mask, plane)
        if zoom != 1:
            read = Magnified(read, field.hr.volume.shape[3:], zoom, order=0)
        scale = self.crappifier.scale
        valid = read(*(slice(side.start * scale, side.stop * scale) for side in (rows, cols)))
        return valid * self._given_weight(field, zoom, plane, rows, cols)

    def _given_weight(self, field, zoom, plane, rows, cols):
        if field.weight is None:
            return np.ones([len(r) * self.crappifier.scale for r in (rows, cols)], np.float32)
        t, c, z = plane
        channel = c if field.weight.volume.shape[1] > 1 else 0
        read = functools.partial(field.weight.reader(), (t, channel, z))
        if zoom != 1:
            read = Magnified(read, field.weight.volume.shape[3:], zoom, order=0)
        weights = read(*self._target(field, rows, cols))
        return weights.astype(np.float32) / np.float32(field.heaviest)

    def _crappified(self, field, zoom, frames, rows, cols, turn, realisation):
        """Turn the specimen, then scan it plane by plane: lines of a scan always run along x."""
        middle = frames[len(frames) // 2]
        crappifier = self.crappifier.of(field.hr.volume.detector(middle[1]))
        scale, scanned = crappifier.scale, {}
        # A plane that stands for others beyond the end of a stack is scanned once.
        for frame in dict.fromkeys(frames):
            turned = self._specimen(field, zoom, frame, turn, crappifier.scale)
            box = turned.box(*((r.start * scale, r.stop * scale) for r in (rows, cols)))
            around = turned.around(*box, crappifier.reach * scale)
            key = NoiseKey(self.seed, field.sample, realisation, *frame)
            seen = Plane(around, turned.shape, field.detector.ranges[frame[1]])
            place = (range(a // scale, b // scale) for a, b in box)
            scanned[frame] = crappify_patch(seen, crappifier, key, *place)
            if frame == middle:
                hr = around(*(slice(*side) for side in box))
        return np.stack([scanned[frame] for frame in frames]), hr

    def _specimen(self, field, zoom, plane, turn, scale):
        """An HR plane, magnified and turned."""
        read, shape = functools.partial(field.hr.reader(), plane), field.hr.volume.shape[3:]
        if zoom != 1:
            read = Magnified(read, shape, zoom)
            shape = read.shape
        # Whole LR pixels: only then do the turned pixels lie on the grid again.
        return Turned(read, tuple(n // scale * scale for n in shape), turn)


def _as_bytes(mask, plane, rows, cols):
    return mask.valid(plane, rows, cols).astype(np.uint8)


def magnified(region: Region, zoom: float) -> Region:
    """LR pixels at another magnification that lie inside a region, an edge from its ends."""
    start = (math.ceil(a * zoom) + EDGE for a in region.start[3:])
    stop = (math.floor(b * zoom) - EDGE for b in region.stop[3:])
    return Region((*region.start[:3], *start), (*region.stop[:3], *stop))


def prefetch(
    make: Callable[[int], Made], numbers: Iterable[int], depth: int = 4
) -> Generator[Made, None, None]:
    """Yield make(n) for each of `numbers`, made ahead of time by a thread."""
    ahead: deque[Future[Made]] = deque()
    with ThreadPoolExecutor(1) as pool:
        for number in numbers:
            ahead.append(pool.submit(make, number))
            if len(ahead) > depth:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()

"""Learn and calibrate the trust of one network: on blocks that nothing was learnt from."""

import dataclasses
import itertools
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from pssrflow.calibrate.frames import Noise
from pssrflow.crappify.chain import Crappifier
from pssrflow.models.input import Input
from pssrflow.pairs.field import Field
from pssrflow.pairs.patches import Drawing, Patches
from pssrflow.predict.canvas import digitise
from pssrflow.predict.inference import Inference
from pssrflow.predict.maps import SR
from pssrflow.trust.conformal import counted
from pssrflow.trust.consistency import Residuals, degraded, statistics
from pssrflow.trust.head import BATCH, Example, Head, learn
from pssrflow.trust.layers import layers
from pssrflow.trust.novelty import Known, features
from pssrflow.trust.promise import STRATA, Promise, smallest
from pssrflow.trust.repeatability import REPEATED, agreement, scanned_again
from pssrflow.trust.windows import BLOCK, WINDOW, Seen, gathered, place, touching
from pssrflow.volumes.blocks import Region, with_halo
from pssrflow.volumes.store import Store

log = logging.getLogger(__name__)

# Patches that the head learns from, and blocks whose features say what is known.
PATCHES, SEEN_BLOCKS = 16 * BATCH, 400
# Blocks that are many enough to be large.
MANY = 50
# LR pixels around a block that the network sees too.
CONTEXT = 32
# Shares of the LR pixels that are dark, and that are edges.
DARKEST, STEEPEST = 0.2, 0.25


Item = TypeVar("Item")
# Field, plane, rows and columns.
Place = tuple[Field, tuple[int, ...], slice, slice]
# What an axis is cut into, from its first and last pixel and a size.
Parts = Callable[[int, int, int], list[slice]]


@dataclass(frozen=True)
class Grounds:
    """What a promise is learnt and calibrated on.

    Attributes
    ----------
    fields : sequence of Field
        Each with its LR image.
    learnt : sequence of Region or None
        What of each was learnt from.
    calibration : sequence of Region or None
        What of each was kept for the promise.
    patch : int
        LR pixels of a training patch.
    """

    fields: Sequence[Field]
    learnt: Sequence[Region | None]
    calibration: Sequence[Region | None]
    patch: int


@dataclass(frozen=True)
class Block:
    """A block of a calibration field and what a network made of it, from 0 to 1.

    Attributes
    ----------
    lr : ndarray (y, x) of float32
    sr, hr : ndarray (scale * y, scale * x) of float32
        HR is NaN where a mask leaves it out.
    level, slope : ndarray (y, x) of float32
        Of SR, see `layers`.
    scales : ndarray (1 or 2, y, x)
    made : ndarray (y, x)
        What the LR image would be expected to be.
    noise : Noise or None
        Of HR.
    """

    lr: np.ndarray
    sr: np.ndarray
    hr: np.ndarray
    level: np.ndarray
    slope: np.ndarray
    scales: np.ndarray
    made: np.ndarray
    noise: Noise | None = None


@dataclass(frozen=True)
class Learner:
    """A network whose promise is learnt.

    Attributes
    ----------
    inference : Inference
    promise : Promise
        What is known before: how the network sees images, and what is expected of LR images.
    drawing : Drawing
        Frames of the network.
    seed : int
    noise : mapping of str to sequence of Noise or None
        By sample, of the channels of its HR image: what of its noise no prediction can know.
    drawn : collection of str
        Samples whose LR image was crappified, and could be drawn again.
    """

    inference: Inference
    promise: Promise
    drawing: Drawing
    seed: int
    noise: Mapping[str, Sequence[Noise | None]] = dataclasses.field(default_factory=dict)
    drawn: Collection[str] = ()

    def of(self, grounds: Grounds, most: int) -> Promise:
        """The promise, of at most so many blocks."""
        fields = [field.seen_by(self.promise.intensity) for field in grounds.fields]
        grounds = replace(grounds, fields=fields)
        head = self._head(grounds)
        block, places = _blocks(grounds)
        learner = replace(self, promise=replace(self.promise, head=head, block=block))
        places = _thinned(places, most)
        blocks = [learner._block(*place) for place in places]
        about = _about(grounds, places) | {"repeatable_px": learner._repeatable(blocks, places)}
        images = [about["samples"].index(field.sample) for field, *_ in places]
        made = learner._familiar(learner._calibrated(blocks, about), grounds, most)
        return replace(made, images=np.array(images, np.int64))

    # -- the head ---------------------------------------------------------------------------------

    def _head(self, grounds: Grounds) -> Head | None:
        chosen = [(f, r) for f, r in zip(grounds.fields, grounds.learnt) if r is not None]
        if not chosen:
            return None
        fields, regions = zip(*chosen)
        rest = self.promise.crappifier, grounds.patch, self.seed
        drawn = Patches(fields, regions, *rest, "trust", self.drawing)
        examples = [self._example(drawn, n) for n in range(PATCHES)]
        return learn(self.promise.scale, examples, self.seed)

    def _example(self, drawn: Patches, number: int) -> Example:
        lr, hr, *weight = drawn.draw(number)
        seen = np.ascontiguousarray(lr, np.float32)
        made = self.inference([seen])[0][SR.name]
        counts = weight[0] if weight else np.ones_like(hr)
        truth = hr.astype(np.float32)
        known = self._noise(*drawn.source(number))
        noise = np.full(truth.shape, np.nan) if known is None else known.variance(truth)
        return Example(seen, made[None], truth, counts.astype(np.float32), noise.astype(np.float32))

    def _noise(self, field: Field, plane: tuple[int, ...]) -> Noise | None:
        """Noise of the truth as the network sees grey levels, where it is known."""
        channel, given = plane[1], Input.of(field.hr_intensity)
        known = dict(enumerate(self.noise.get(field.sample, ()))).get(channel)
        span, offset = given.span(channel), given.offset(channel)
        return None if known is None else known.scaled(1 / span, -offset / span)

    def _predicted(self, field: Field, lr: np.ndarray, channel: int) -> np.ndarray:
        """The prediction as a store would hold it, from 0 to 1 again."""
        image = self.inference([np.ascontiguousarray(lr, np.float32)])[0][SR.name]
        given, dtype = Input.of(field.lr_intensity), _lr(field).volume.dtype
        made = np.empty(image.shape, dtype)
        span, low = np.float32(given.span(channel)), np.float32(given.offset(channel))
        digitise(image, (0, 0), span, low, made)
        return given.scaled(made, channel)

    # -- blocks -----------------------------------------------------------------------------------

    def _block(self, field: Field, plane: tuple[int, ...], rows: slice, cols: slice) -> Block:
        scale = self.promise.scale
        wide, fine = self._around(field, rows, cols)
        inner = [slice(s.start - w.start, s.stop - w.start) for s, w in zip((rows, cols), wide)]
        frames = self._frames(field, plane, wide)
        sr = self._predicted(field, frames, plane[1])
        lr = frames[len(frames) // 2]
        shown = layers(sr, scale)
        scales = self.promise.scales(lr, *shown)[:, *inner]
        made = self._expected(field, plane[1], sr, inner)
        hr = self._truth(field, plane, rows, cols)
        seen, level, slope = (image[tuple(inner)] for image in (lr, *shown))
        noise = self._noise(field, plane)
        return Block(seen, sr[fine], hr, level, slope, scales, made, noise)

    def _around(self, field: Field, rows: slice, cols: slice) -> tuple[list[slice], Any]:
        """LR pixels that the network sees of a block, and the SR pixels of the block in those."""
        sides, shape, scale = (rows, cols), _lr(field).volume.shape[3:], self.promise.scale
        wide = [with_halo(s.start, s.stop, n, CONTEXT, 1) for s, n in zip(sides, shape)]
        within = ((s.start - w.start, s.stop - w.start) for s, w in zip(sides, wide))
        return wide, tuple(slice(a * scale, b * scale) for a, b in within)

    def _repeatable(self, blocks: Sequence[Block], places: Sequence[Place]) -> float | None:
        """SR pixels down to which other noise makes the same prediction."""
        drawn = [pair for pair in zip(blocks, places) if pair[1][0].sample in self.drawn]
        return agreement([(b.sr, self._again(*place)) for b, place in _thinned(drawn, REPEATED)])

    def _again(self, field: Field, plane: tuple[int, ...], rows: slice, cols: slice) -> np.ndarray:
        wide, fine = self._around(field, rows, cols)
        given = Input.of(field.lr_intensity)
        # With its noise, which is no part of what is expected.
        crappifier = Crappifier.from_config(**self.promise.crappify)
        planes = self.drawing.frames.around(plane, _lr(field).volume.region)
        scans = (scanned_again(field, crappifier, self.seed, p, wide) for p in planes)
        frames = np.stack([given.scaled(one, plane[1]) for one in scans])
        return self._predicted(field, frames, plane[1])[fine]

    def _frames(self, field: Field, plane: tuple[int, ...], box: Sequence[slice]) -> np.ndarray:
        read, given = _lr(field).reader(), Input.of(field.lr_intensity)
        planes = self.drawing.frames.around(plane, _lr(field).volume.region)
        return np.stack([given.scaled(read(p, *box), plane[1]) for p in planes])

    def _expected(self, field, channel, sr, inner):
        given, volume = Input.of(field.lr_intensity), _lr(field).volume
        offset, span = np.float32(given.offset(channel)), np.float32(given.span(channel))
        grey = sr * span + offset
        crappifier = self.promise.crappifier.of(volume.detector(channel))
        places = (range(s.start, s.stop) for s in inner)
        levels = volume.intensity.ranges[channel]
        made = degraded(crappifier, lambda r, c: grey[r, c], grey.shape, levels, *places)
        return (made - offset) / span

    def _truth(self, field, plane, rows, cols):
        scale = self.promise.scale
        fine = (slice(s.start * scale, s.stop * scale) for s in (rows, cols))
        return Input.of(field.hr_intensity).scaled(field.truth(plane, *fine), plane[1])

    # -- novelty ----------------------------------------------------------------------------------

    def _familiar(self, promise: Promise, grounds: Grounds, most: int) -> Promise:
        """What LR images are known, and how far from these what was kept lies."""
        here = self._features(grounds.fields, grounds.calibration, most)
        if not len(here):
            return promise
        known = self._features(grounds.fields, grounds.learnt, SEEN_BLOCKS)
        if len(known) <= here.shape[1]:
            # Too few to know anything by: half of what was kept says what is usual for the rest.
            known, here = here[::2], here[1::2]
        reference = Known.of(known)
        return replace(promise, known=reference, distances=np.sort(reference.distance(here)))

    def _features(self, fields: Sequence[Field], regions: Any, most: int) -> np.ndarray:
        """Features of LR images in windows like those in which the map looks at them."""
        found, places = [], _places(fields, regions, self.promise.block, _equal)
        for field, plane, *box in _thinned(places, most):
            values = _lr(field).reader()(plane, *box)
            found.append(features(Input.of(field.lr_intensity).scaled(values, plane[1])))
        return np.array(found)

    # -- calibration ------------------------------------------------------------------------------

    def _calibrated(self, blocks: Sequence[Block], about: Any) -> Promise:
        if not blocks:
            return replace(self.promise, about=about)
        level, slope = (np.concatenate([getattr(b, n).ravel() for b in blocks]) for n in _SHOWN)
        bounds = float(np.quantile(level, DARKEST)), float(np.quantile(slope, 1 - STEEPEST))
        promise = replace(self.promise, bounds=bounds)
        strata = [promise.strata(b.level, b.slope) for b in blocks]
        counts = [_counted(b, s, promise.scale) for b, s in zip(blocks, strata)]
        squares = [_squares(b, s, promise.scale) for b, s in zip(blocks, strata)]
        seen, made = (np.concatenate([getattr(b, n).ravel() for b in blocks]) for n in _BOTH)
        residuals = Residuals.of(seen, made)
        found = np.concatenate([_windows(block, residuals) for block in blocks])
        ordered = np.sort(found, 0)
        return replace(
            promise,
            blocks=np.stack(counts),
            squares=np.stack(squares),
            residuals=residuals,
            windows=ordered,
            strangest=np.sort(-smallest(found, ordered)),
            about=about,
        )


_BOTH, _SHOWN = ("lr", "made"), ("level", "slope")


def _lr(field: Field) -> Store:
    """The LR image of a field, acquired or not."""
    assert field.lr is not None, field.sample
    return field.lr


def _counted(block: Block, strata: np.ndarray, scale: int) -> np.ndarray:
    """Histograms (strata, BINS) of the errors of a block."""
    fine = np.ones((scale, scale))
    ratio = np.abs(block.sr - block.hr) / np.kron(block.scales[0], fine)
    where = np.kron(strata, fine).astype(np.uint8)
    known = ~np.isnan(ratio)
    return np.stack([counted(ratio[known & (where == k)]) for k in range(len(STRATA))])


def _squares(block: Block, strata: np.ndarray, scale: int) -> np.ndarray:
    """Sums (strata, 2) of squared errors without the noise of HR, and of what is expected of them.

    All 0 where the noise is not known.
    """
    if block.noise is None or len(block.scales) < 2:
        return np.zeros((len(STRATA), 2))
    fine = np.ones((scale, scale))
    found = (block.sr - block.hr).astype(np.float64) ** 2 - block.noise.variance(block.hr)
    wanted = np.kron(block.scales[1].astype(np.float64) ** 2, fine)
    where = np.kron(strata, fine).astype(np.uint8)
    known = ~np.isnan(found)
    inside = [known & (where == k) for k in range(len(STRATA))]
    return np.array([[found[i].sum(), wanted[i].sum()] for i in inside])


def _windows(block: Block, residuals: Residuals) -> np.ndarray:
    """What residuals of the windows of a block say (windows, statistics)."""
    left = residuals.standardised(block.lr, block.made)
    # All of the block: what is strange at one place of a stack is so in all of its planes.
    rows, cols = (range(max(1, round(n / WINDOW))) for n in left.shape)
    where = Seen((slice(0, None), slice(0, None)), left.shape)
    found = statistics(gathered(left, (rows, cols), WINDOW, where))
    return found.reshape(-1, found.shape[-1])


def _blocks(grounds: Grounds) -> tuple[int, list[Place]]:
    """Size and places of the calibration blocks: smaller ones where large ones would be few."""
    for size in (BLOCK, BLOCK // 2):
        places = list(_places(grounds.fields, grounds.calibration, size))
        if len(places) >= MANY:
            break
    return size, places


def _even(start: int, stop: int, size: int) -> list[slice]:
    """What lies between two pixels, in parts that are equal and about as long as `size`."""
    count = max(1, round((stop - start) / size))
    edges = np.linspace(start, stop, count + 1).astype(int).tolist()
    return list(itertools.starmap(slice, itertools.pairwise(edges)))


def _equal(start: int, stop: int, size: int) -> list[slice]:
    """Windows of `size` pixels between two pixels, the last of them further inside."""
    found = (place(i, size, stop - start) for i in touching(0, stop - start, size))
    return [slice(start + window.start, start + window.stop) for window in found]


def _places(
    fields: Sequence[Field], regions: Sequence[Region | None], size: int, parts: Parts = _even
) -> Iterator[Place]:
    """Blocks of some regions, of about `size` LR pixels along y and x."""
    for field, region in zip(fields, regions):
        if region is None or min(region.shape[3:]) < WINDOW:
            continue
        sides = [parts(*ends, size) for ends in zip(region.start[3:], region.stop[3:])]
        for plane in region.planes():
            for rows, cols in itertools.product(*sides):
                if field.mask is None or field.mask.touched(plane, rows, cols).any():
                    yield field, plane, rows, cols


def _thinned(places: Iterable[Item], most: int) -> list[Item]:
    """Some of them, spread evenly."""
    found = list(places)
    if len(found) <= most:
        return found
    return [found[i] for i in np.linspace(0, len(found) - 1, most).round().astype(int)]


def _about(grounds: Grounds, places: Sequence[Place]) -> dict[str, Any]:
    learnt = [f for f, region in zip(grounds.fields, grounds.learnt) if region is not None]
    return {
        "blocks": len(places),
        "samples": sorted({field.sample for field, *_ in places}),
        "lr_pixel_size_um": {
            field.sample: _lr(field).volume.pixel_side for field in learnt or grounds.fields
        },
    }

"""Runs steps on fixed squares of a plane, so that how it was cut changes no byte."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pssrflow.crappify.steps import GREY, Step
from pssrflow.seeded import generator
from pssrflow.volumes.blocks import spans

# Random numbers are drawn for fixed squares of this many pixels, each with a generator of its own.
# A Poisson draw takes an unknown number of random words, so a square is always drawn whole.
NOISE_BLOCK = 256


@dataclass(frozen=True)
class NoiseKey:
    """What a random number depends on: the same key gives the same bytes."""

    seed: int
    sample: str
    realisation: int | str
    t: int
    c: int
    z: int

    def generator(self, *place: object) -> np.random.Generator:
        """Counter-based generator for one step and one square of this plane."""
        return generator(self.seed, self.sample, self.realisation, self.t, self.c, self.z, *place)


@dataclass(frozen=True)
class Squares:
    """The squares of one plane.

    Attributes
    ----------
    extent : tuple of int
        y and x of the plane, pixels.
    corner : tuple of int or None
        Where the squares of a training patch are counted from; they end with what is needed of
        them. None: from the corner of the plane, and each is run whole.
    """

    extent: tuple[int, int]
    corner: tuple[int, int] | None = None

    def boxes(
        self, steps: Sequence[Step], wanted: tuple[range, range]
    ) -> list[tuple[range, range]]:
        """Rows and columns that go into every step, and those that come out last.

        Found backwards: a filter needs pixels around what it gives, and what draws needs whole
        squares, so that each square sees the same pixels however the plane is cut.

        Parameters
        ----------
        steps : sequence of Step
        wanted : tuple of range
        """
        boxes = [wanted]
        for step in reversed(steps):
            whole = [self._whole(step, r, axis) for axis, r in enumerate(boxes[0])]
            boxes.insert(0, self._window(step, whole))
        return boxes

    def run(
        self,
        steps: Sequence[Step],
        grey: np.ndarray,
        boxes: list[tuple[range, range]],
        draw: Callable[..., np.random.Generator],
        clip: bool,
        darkest: float = 0.0,
    ) -> np.ndarray:
        """Run steps in order on grey levels of ``boxes[0]``; gives those of ``boxes[-1]``.

        Parameters
        ----------
        grey : ndarray of float32
        draw : callable
            Gives the random generator of a step and square.
        clip : bool
            Clip to the detector's range after each step.
        darkest : float
            Its lowest grey level.
        """
        for index, nominal in enumerate(steps):
            step = nominal.draw(draw(index, "plane"))
            made = np.empty([len(r) for r in boxes[index + 1]], np.float32)
            for square, part in self._parts(step, boxes[index + 1]):
                whole = tuple(self._whole(step, r, axis) for axis, r in enumerate(part))
                window = self._window(step, whole)
                found = step.apply(
                    grey[_inside(window, boxes[index])],
                    _inside(whole, window),
                    draw(index, *square),
                )
                made[_inside(part, boxes[index + 1])] = found[_inside(part, whole)]
            clips = clip and step.clips
            grey = np.clip(made, np.float32(darkest), np.float32(GREY)) if clips else made
        return grey

    def _parts(self, step, wanted):
        """Index of each square and the part of it that is wanted; of what has none, all at once."""
        if not step.whole_squares:
            return [((), wanted)]
        rows, cols = (
            [
                (a // NOISE_BLOCK, range(a + origin, b + origin))
                for a, b in spans(r.start - origin, r.stop - origin, NOISE_BLOCK)
            ]
            for r, origin in zip(wanted, self.corner or (0, 0))
        )
        return [((y, x), (part_y, part_x)) for y, part_y in rows for x, part_x in cols]

    def _whole(self, step, part, axis):
        """The squares that hold a part, as far as the plane goes."""
        if self.corner is not None or not step.whole_squares:
            return part
        start = part.start // NOISE_BLOCK * NOISE_BLOCK
        stop = math.ceil(part.stop / NOISE_BLOCK) * NOISE_BLOCK
        return range(start, min(stop, self.extent[axis]))

    def _window(self, step, box):
        """A box and what reaches into it, as far as the plane goes."""
        return tuple(
            range(max(r.start - before, 0), min(r.stop + after, n))
            for r, (before, after), n in zip(box, step.halo, self.extent)
        )


def _inside(part, outer):
    return tuple(slice(p.start - o.start, p.stop - o.start) for p, o in zip(part, outer))

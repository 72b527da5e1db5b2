"""Planes of a stack or a time lapse that a network sees at once to make one of them."""

import itertools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import create_model

from pssrflow.keys import Fault, Keys, key
from pssrflow.volumes.blocks import Region

# t, c, z.
Plane = tuple[int, ...]
# The most planes that are seen at once along one axis.
MOST = 31


class _Around(Keys):
    """Which planes lie around one."""

    axis: Literal["z", "t", "zt", "tz"] = key(
        "z",
        "Along which axis they lie; zt and tz take as many along both, and stack all of them.",
    )
    stride: int = key(1, "Planes from one of them to the next.", ge=1, le=64)
    edge: Literal["repeat", "mirror"] = key(
        "repeat",
        "What stands for planes beyond the ends of a stack: its last one, or those before it.",
    )

    @property
    def along(self) -> int:
        """Planes along each axis."""
        return int(getattr(self, "in"))

    @property
    def count(self) -> int:
        """All planes that are seen at once."""
        return self.along ** len(self.axis)

    @property
    def offsets(self) -> list[tuple[int, int]]:
        """Where they lie, t and z from the one that is made, in the order of the channels."""
        reach = self.along // 2 * self.stride
        steps = range(-reach, reach + 1, self.stride)
        if self.axis == "zt":
            return [(t, z) for z, t in itertools.product(steps, steps)]
        later, deeper = (steps if name in self.axis else range(1) for name in "tz")
        return list(itertools.product(later, deeper))

    def faults(self) -> Iterator[Fault]:
        if self.along % 2 == 0:
            yield Fault("in", f"found {self.along}. Accepted: an odd number, of which one is made")

    def around(self, plane: Plane, within: Region) -> tuple[Plane, ...]:
        """The planes that make one, in the order in which the network sees them.

        Parameters
        ----------
        plane : tuple of int
            t, c, z of the one in the middle.
        within : Region
            Where there are planes, t, c, z, ...; a stack shorter than what is seen works too.
        """
        t, c, z = plane
        return tuple(
            (self._inside(t + later, within, 0), c, self._inside(z + deeper, within, 2))
            for later, deeper in self.offsets
        )

    def _inside(self, place: int, within: Region, axis: int) -> int:
        first, last = within.start[axis], within.stop[axis] - 1
        if self.edge == "mirror" and last > first:
            # As often as it takes: a short stack is mirrored at both of its ends.
            period = 2 * (last - first)
            place = first + abs((place - first + period // 2) % period - period // 2)
        return min(max(place, first), last)

    def missing(self, within: Region) -> str:
        """Of which axes there are fewer planes than are seen, in words; empty if of none."""
        found = {"t": within.shape[0], "z": within.shape[2]}
        few = [f"{found[a]} along {a}" for a in self.axis if found[a] < self.along]
        done = {"repeat": "the last one is repeated", "mirror": "they are mirrored"}[self.edge]
        return f"{' and '.join(few)} where the network sees {self.along}; {done}" if few else ""

    def inner(self, fewer: "_Around") -> list[int]:
        """Where in what is seen the planes stand that a network of fewer ones sees.

        Parameters
        ----------
        fewer : Frames
            Alike but for their number; or one plane.
        """
        skipped = (self.along - fewer.along) // 2
        kept = range(skipped, skipped + fewer.along)
        places = itertools.product(kept, repeat=len(self.axis))
        return [sum(i * self.along**n for n, i in enumerate(reversed(place))) for place in places]

    def like(self, other: "_Around") -> bool:
        """Whether one of both sees only planes that the other one sees too."""
        alike = (self.axis, self.stride, self.edge) == (other.axis, other.stride, other.edge)
        return alike or 1 in (self.along, other.along)


if TYPE_CHECKING:

    class Frames(_Around):
        """The planes that a network sees at once."""

else:
    # `in` is a word of Python, which no class can spell out.
    Frames = create_model(
        "Frames",
        __base__=_Around,
        __module__=__name__,
        **{
            "in": (
                int,
                key(
                    5,
                    "Planes along the axis; the one that is made is in their middle.",
                    ge=1,
                    le=MOST,
                ),
            )
        },
    )

# That plane alone.
ONE = Frames.model_validate({"in": 1})


def most_of(seen: Iterable[Frames]) -> Frames:
    """Those of the network that sees most."""
    return max(seen, key=lambda frames: frames.count)

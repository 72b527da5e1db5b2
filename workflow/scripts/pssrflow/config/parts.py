"""Into how many jobs predictions are cut, as the rules ask for it."""

from dataclasses import dataclass
from typing import Any

from pssrflow.errors import InputError
from pssrflow.run.files import read_json
from pssrflow.run.layout import COLLECTED, MARKER, PYRAMID, Layout

# Verifying and halving is so much quicker than the network that few jobs need help with it.
PARTS_A_PYRAMID, MOST_PYRAMIDS = 8, 100

# Of Snakemake: the names that a job fills in, as attributes.
Wildcards = Any


@dataclass(frozen=True)
class Parts:
    """Jobs of every prediction of a run.

    Attributes
    ----------
    layout : Layout
    asked : int
        Jobs of a prediction that is not planned yet.
    """

    layout: Layout
    asked: int

    def planned(self, wildcards: Wildcards) -> int:
        """Jobs of a prediction: those of the plan that it has, or as many as are asked for.

        Another number of jobs makes no other pixel, so what is made stays.
        """
        kept = self.layout.kept_plan(wildcards.sample, wildcards.model)
        try:
            return int(read_json(kept)["parts"])
        except (OSError, InputError, KeyError):
            return self.asked

    def markers(self, wildcards: Wildcards) -> list[str]:
        """Markers of all of them."""
        return self._named(wildcards, *map(MARKER.format_map, _each(self.planned(wildcards))))

    def pyramids(self, wildcards: Wildcards) -> int:
        """Jobs that build the pyramid, where parts are many."""
        return min(self.planned(wildcards) // PARTS_A_PYRAMID, MOST_PYRAMIDS)

    def pyramid_markers(self, wildcards: Wildcards) -> list[str]:
        """Markers of those jobs."""
        return self._named(wildcards, *map(PYRAMID.format_map, _each(self.pyramids(wildcards))))

    def made(self, wildcards: Wildcards) -> list[str]:
        """What says that all parts are made: one file where they are many."""
        if not self.pyramids(wildcards):
            return self.markers(wildcards)
        return self._named(wildcards, COLLECTED)

    def _named(self, wildcards: Wildcards, *names: str) -> list[str]:
        folder = self.layout.parts(wildcards.sample, wildcards.model)
        return [f"{folder}/{name}" for name in names]


def _each(count: int) -> list[dict[str, int]]:
    return [{"part": number} for number in range(count)]

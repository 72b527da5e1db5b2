"""What all jobs of one prediction agree on; written once, by `initialise`."""

import dataclasses
import uuid
from dataclasses import dataclass
from pathlib import Path

from pssrflow.blocks import Region, share
from pssrflow.jobs import read_json, write_json
from pssrflow.prediction.tiles import Cutting


@dataclass(frozen=True)
class Plan:
    """How a volume is super-resolved.

    Attributes
    ----------
    cutting : Cutting
    frames : tuple of int
        Times and channels.
    depth : int
        LR plane that the first SR plane is made of.
    parts : int
        Jobs that share the blocks.
    blend : str
        "none", "linear" or "gaussian".
    self_ensemble : bool
    empty : str, float or None
        Which tiles are filled by interpolation; see `Source`.
    std : bool
        Whether the standard deviation of an ensemble is kept.
    tile_bytes, job_bytes : float
        Memory of the pass of one tile, and of a job besides the interpreter.
    id : str
        Differs between any two plans: what was made for another one is not trusted.
    """

    cutting: Cutting
    frames: tuple[int, int]
    depth: int
    parts: int
    blend: str
    self_ensemble: bool
    empty: str | float | None
    std: bool
    tile_bytes: float
    job_bytes: float
    id: str = dataclasses.field(default_factory=lambda: uuid.uuid4().hex)

    def blocks(self) -> dict[int, Region]:
        return dict(enumerate(self.cutting.blocks(self.frames)))

    def part(self, number) -> dict[int, Region]:
        """Blocks of one part, by their number."""
        blocks = self.cutting.blocks(self.frames)
        return {i: blocks[i] for i in share(range(len(blocks)), self.parts)[number]}

    def part_of(self, region) -> int:
        """The part that makes a shard."""
        blocks = self.cutting.blocks(self.frames)
        inside = [all(map(_inside, region.start, b.start, b.stop)) for b in blocks].index(True)
        shares = share(range(len(blocks)), self.parts)
        return next(part for part, numbers in enumerate(shares) if inside in numbers)

    def stores(self, sr, std):
        """Stores that the jobs fill, by the names of their images."""
        return {"sr": sr, "std": std} if self.std else {"sr": sr}

    def write(self, path):
        write_json(path, dataclasses.asdict(self))

    @classmethod
    def read(cls, path):
        found = _tuples(read_json(path))
        return cls(**found | {"cutting": Cutting(**found["cutting"])})


def _inside(place, start, stop):
    return start <= place < stop


def _tuples(content):
    """JSON knows no tuples, without which equal plans would not be equal."""
    if isinstance(content, dict):
        return {key: _tuples(value) for key, value in content.items()}
    return tuple(map(_tuples, content)) if isinstance(content, list) else content


def done_files(done):
    """Done files of the stores of a prediction, by the names of their images."""
    return {"sr": Path(done), "std": Path(done).with_name("std.done.json")}

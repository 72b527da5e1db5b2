"""What all jobs of one prediction agree on; written once, by `initialise`."""

import dataclasses
import uuid
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pssrflow.networks.footprint import bytes_per_pixel
from pssrflow.predict.memory import LARGEST, affordable_tile, job_bytes, tile_bytes
from pssrflow.predict.tiles import Cutting
from pssrflow.run.files import read_json, write_json
from pssrflow.volumes.blocks import Region, share


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


def plan_prediction(network, lr, volume, box, parts, settings, find_halo, masked=False) -> Plan:
    """Plan a prediction, with the tile and the halo that network and memory ask for.

    Parameters
    ----------
    network : torch.nn.Module
    lr, volume : Volume
        What is read, and what is made of it.
    box : tuple of slice
        z, y, x of the LR volume that are super-resolved.
    parts : int
    settings : dict
        The section `predict` of the configuration.
    find_halo : callable () -> int
        Called where the configuration leaves it open and tiles have neighbours.
    masked : bool
        Whether tiles may lie outside a mask.
    """
    each, ensemble = (
        bytes_per_pixel(network),
        settings["self_ensemble"] or hasattr(network, "members"),
    )
    held = pixel_bytes(volume, ensemble)
    # Mean, squares, difference and the pass that is added to them, float32.
    each += 16 * network.scale**2 if ensemble else 0
    sparse = masked or settings["empty"] is not None
    cutting = Cutting(
        lr_shape=lr.shape[3:],
        origin=tuple(b.start for b in box[1:]),
        sr_shape=volume.shape[2:],
        shard=volume.shard_shape()[2:],
        scale=network.scale,
        stride=network.stride,
        # Small tiles skip more of what is empty.
        tile=LARGEST // 4 if sparse else LARGEST,
        halo=0,
        overlap=0 if settings["blend"] == "none" else settings["overlap"],
    )

    def fitted(cutting):
        tile = settings["tile"]
        if tile == "auto":
            tile = affordable_tile(cutting, volume.shape[:2], each, settings["memory"], held)
        return replace(cutting, tile=tile, overlap=longest_overlap(cutting, tile))

    halo = settings["halo"]
    if halo == "auto":
        halo = 0 if _undivided(fitted(cutting)) else find_halo()
    cutting = fitted(replace(cutting, halo=halo))
    return Plan(
        cutting=cutting,
        frames=volume.shape[:2],
        depth=box[0].start,
        parts=parts,
        blend=settings["blend"] if cutting.overlap else "none",
        self_ensemble=settings["self_ensemble"],
        empty=settings["empty"],
        std=ensemble,
        tile_bytes=tile_bytes(cutting, each),
        job_bytes=job_bytes(cutting, each, held),
    )


def longest_overlap(cutting, tile):
    """LR pixels that tiles can share, such that no three of them do: cells are half a tile long at
    least, less what the network's stride takes.
    """
    most = max(0, tile // 2 // cutting.stride - 1) * cutting.stride
    return min(cutting.overlap, most)


def pixel_bytes(volume, ensemble):
    """Bytes that are kept of an SR pixel: the pixel, and its standard deviation."""
    return np.dtype(volume.dtype).itemsize + (4 if ensemble else 0)


def _undivided(cutting):
    """Whether a tile holds a whole plane, so that nothing lies around it."""
    return all(len(edges) == 2 for edges in cutting.edges) and (
        cutting.sr_shape[1:] == tuple(n * cutting.scale for n in cutting.lr_shape)
    )

"""What all jobs of one prediction agree on; written once, by `initialise`."""

import dataclasses
import hashlib
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from pssrflow.predict.maps import Map, kept, pixel_bytes
from pssrflow.predict.memory import LARGEST, Needs, affordable_tile
from pssrflow.predict.settings import Settings
from pssrflow.predict.tiles import Cutting
from pssrflow.run.files import read_json, write_json
from pssrflow.volumes.blocks import Region, share
from pssrflow.volumes.regions import parse_roi
from pssrflow.volumes.volume import Volume

# Of the plan and of the markers; another one is refused.
FORMAT = 1
# Of an average: mean, squares, difference and the pass that is added to them, float32.
AVERAGED = 4 * 4


@dataclass(frozen=True)
class Plan:
    """How a volume is super-resolved.

    Attributes
    ----------
    cutting : Cutting
    stacks : tuple of int
        Times and channels.
    depth : int
        LR plane that the first SR plane is made of.
    parts : int
        Jobs that share the blocks.
    blend : str
        "none", "linear" or "gaussian".
    self_ensemble : bool
    empty : str, float or None
        Which tiles are filled by interpolation; see `TileLoader`.
    maps : tuple of Map
        Images that are kept.
    tile_bytes, job_bytes : float
        Memory of the pass of one tile, and of a job besides the interpreter.
    smaller : bool
        Whether smaller tiles make the same pixels, where a device does not hold these.
    memory : int
        Megabytes of a job.
    made_of : str
        Hash of the content and the keys that decide its pixels.
    id : str
        Differs between any two plans: what was made for another one is not trusted.
    """

    cutting: Cutting
    stacks: tuple[int, ...]
    depth: int
    parts: int
    blend: str
    self_ensemble: bool
    empty: str | float | None
    maps: tuple[Map, ...]
    tile_bytes: float
    job_bytes: float
    smaller: bool = False
    memory: int = 0
    made_of: str = ""
    id: str = dataclasses.field(default_factory=lambda: uuid.uuid4().hex)

    def blocks(self) -> dict[int, Region]:
        """All blocks, by their number."""
        return dict(enumerate(self.cutting.blocks(self.stacks)))

    def part(self, number: int) -> dict[int, Region]:
        """Blocks of one part, by their number."""
        blocks = self.cutting.blocks(self.stacks)
        return {i: blocks[i] for i in share(range(len(blocks)), self.parts)[number]}

    def part_of(self, region: Region) -> int:
        """The part that makes a shard."""
        blocks = self.cutting.blocks(self.stacks)
        inside = [all(map(_inside, region.start, b.start, b.stop)) for b in blocks].index(True)
        shares = share(range(len(blocks)), self.parts)
        return next(part for part, numbers in enumerate(shares) if inside in numbers)

    def write(self, path: str | Path) -> None:
        """Write it for the other jobs."""
        write_json(path, {"format": FORMAT, **dataclasses.asdict(self)})

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Of the job that wrote it.

        Raises
        ------
        InputError
            It has another format.
        """
        found = _tuples(read_json(path, FORMAT))
        del found["format"]
        known = {
            "cutting": Cutting(**found["cutting"]),
            "maps": tuple(Map(**one) for one in found["maps"]),
        }
        return cls(**found | known)


def _inside(place: int, start: int, stop: int) -> bool:
    return start <= place < stop


def _tuples(content: Any) -> Any:
    """JSON knows no tuples, without which equal plans would not be equal."""
    if isinstance(content, dict):
        return {key: _tuples(value) for key, value in content.items()}
    return tuple(map(_tuples, content)) if isinstance(content, list) else content


@dataclass(frozen=True)
class Request:
    """What is asked of a prediction.

    Attributes
    ----------
    settings : Settings
    parts : int
        Jobs that share it.
    chunk, shard : sequence of int
        z, y, x of the stores.
    roi : str, optional
        What of the LR volume is super-resolved; see `parse_roi`.
    deciding : dict, optional
        What of the settings decides pixels; see `Settings.deciding`. All of them, if not given.
    """

    settings: Settings
    parts: int
    chunk: Sequence[int]
    shard: Sequence[int]
    roi: str | None = None
    deciding: Mapping[str, Any] | None = None

    def box(self, lr: Volume) -> tuple[slice, ...]:
        """z, y, x of the LR volume that are super-resolved.

        Raises
        ------
        InputError
            A region that leaves the volume.
        """
        box: tuple[slice, ...] = parse_roi(self.roi or ":, :", lr.shape, lr.pixel_size)
        return box

    @property
    def decides(self) -> Mapping[str, Any]:
        """Keys that decide pixels."""
        return self.settings.plain() if self.deciding is None else self.deciding

    def identity(self, *others: Any) -> str:
        """Hash of the keys that decide pixels, and of what else decides them (JSON)."""
        told = [list(self.chunk), list(self.shard), self.roi, self.decides, *others]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def volume(self, lr: Volume, scale: int) -> Volume:
        """The SR volume."""
        return lr.finer(scale, self.chunk, self.shard, self.box(lr))


@dataclass(frozen=True)
class Profile:
    """What a plan must know of a network.

    Attributes
    ----------
    scale, stride : int
    members : int
        Networks that are averaged.
    bytes_per_pixel : float
        Memory of a pass, per LR pixel.
    halo : callable () -> int
        Finds LR pixels that it needs around a tile; called where the configuration leaves that
        open and tiles have neighbours.
    """

    scale: int
    stride: int
    members: int
    bytes_per_pixel: float
    halo: Callable[[], int]


def plan_prediction(lr: Volume, network: Profile, request: Request, masked: bool = False) -> Plan:
    """Plan a prediction, with the tile and the halo that network and memory ask for.

    Parameters
    ----------
    lr : Volume
    network : Profile
    request : Request
    masked : bool
        Whether tiles may lie outside a mask.

    Raises
    ------
    InputError
        A region that leaves the volume.
    """
    settings, averaged = request.settings, network.members > 1 or request.settings.self_ensemble
    maps, stacks = kept(averaged), lr.shape[:2]
    passed = network.bytes_per_pixel + (AVERAGED * network.scale**2 if averaged else 0)
    needs = Needs(passed, pixel_bytes(maps, lr.dtype), len(maps))
    cutting = _cutting(lr, network, request, masked)
    halo = settings.halo
    if halo == "auto":
        halo = 0 if undivided(_fitted(cutting, stacks, needs, settings)) else network.halo()
    cutting = _fitted(replace(cutting, halo=halo), stacks, needs, settings)
    return Plan(
        cutting=cutting,
        stacks=stacks,
        depth=request.box(lr)[0].start,
        parts=request.parts,
        blend=settings.blend if cutting.overlap else "none",
        self_ensemble=settings.self_ensemble,
        empty=settings.empty,
        maps=maps,
        tile_bytes=needs.tile(cutting),
        job_bytes=needs.job(cutting),
        smaller="tile" not in request.decides,
        memory=settings.memory,
    )


def _cutting(lr: Volume, network: Profile, request: Request, masked: bool) -> Cutting:
    """With the largest tiles that are worth a try, and no halo."""
    settings, sr = request.settings, request.volume(lr, network.scale)
    sparse = masked or settings.empty is not None
    _, *corner = (side.start for side in request.box(lr))
    return Cutting(
        lr_shape=lr.shape[3:],
        origin=tuple(corner),
        sr_shape=sr.shape[2:],
        shard=sr.shard_shape()[2:],
        scale=network.scale,
        stride=network.stride,
        # Small tiles skip more of what is empty.
        tile=LARGEST // 4 if sparse else LARGEST,
        halo=0,
        overlap=0 if settings.blend == "none" else settings.overlap,
    )


def _fitted(cutting: Cutting, stacks: tuple[int, ...], needs: Needs, settings: Settings) -> Cutting:
    """With the tile of the configuration, or the one that its memory holds."""
    tile = settings.tile
    if tile == "auto":
        tile = affordable_tile(cutting, stacks, needs, settings.memory)
    return replace(cutting, tile=tile, overlap=longest_overlap(cutting, tile))


def longest_overlap(cutting: Cutting, tile: int) -> int:
    """LR pixels that tiles can share, such that no three of them do: cells are half a tile long at
    least, less what the network's stride takes.
    """
    most = max(0, tile // 2 // cutting.stride - 1) * cutting.stride
    return min(cutting.overlap, most)


def undivided(cutting: Cutting) -> bool:
    """Whether a tile holds a whole plane, so that nothing lies around it."""
    whole = tuple(n * cutting.scale for n in cutting.lr_shape)
    return all(len(edges) == 2 for edges in cutting.edges) and cutting.sr_shape[1:] == whole

"""What a prediction will need in memory, disk, files and time, before it is made."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pssrflow.networks.contract import SRNetwork
from pssrflow.networks.receptive_field import receptive_halo
from pssrflow.predict.inference import Inference
from pssrflow.predict.maps import pixel_bytes
from pssrflow.predict.plan import Plan, Request, plan_prediction
from pssrflow.predict.stage import profile_of
from pssrflow.predict.tiles import Cutting
from pssrflow.run.devices import best_device, best_precision
from pssrflow.run.memory import INTERPRETER_MB, TORCH_MB
from pssrflow.volumes.blocks import share
from pssrflow.volumes.volume import Volume

# Passes of a tile that are timed, after one that is not.
TIMED = 2


@dataclass(frozen=True)
class Forecast:
    """What one prediction needs.

    Attributes
    ----------
    shape : tuple of int
        t, c, z, y, x of the SR volume.
    tile, halo : int
        LR pixels; the halo is the theoretical one, which measuring can only shorten.
    blocks, jobs : int
        Blocks, and jobs that have any.
    memory_mb, device_mb : float
        Of a job; and of a tile on a GPU.
    disk_gb : float
        With the pyramid, before compression.
    files : int
    seconds : float
        Of the network, with all of this machine's processors or one GPU.
    """

    shape: tuple[int, ...]
    tile: int
    halo: int
    blocks: int
    jobs: int
    memory_mb: float
    device_mb: float
    disk_gb: float
    files: int
    seconds: float


def forecast(network: SRNetwork, lr: Volume, request: Request, masked: bool = False) -> Forecast:
    """Plan the prediction of a volume and time the network on one tile.

    Parameters
    ----------
    network : SRNetwork
    lr : Volume
    request : Request
    masked : bool
        Whether there is a mask.
    """
    sr = request.volume(lr, network.scale)
    profile = profile_of(network, lambda: receptive_halo(network))
    plan = plan_prediction(lr, profile, request, masked)
    blocks, shapes = plan.blocks(), sr.level_shapes()
    shards = sum(len(sr.shards(level)) for level in range(len(shapes)))
    return Forecast(
        shape=sr.shape,
        tile=plan.cutting.tile,
        halo=plan.cutting.halo,
        blocks=len(blocks),
        jobs=sum(map(bool, share(blocks, plan.parts))),
        memory_mb=plan.job_bytes / 1e6 + INTERPRETER_MB + TORCH_MB,
        device_mb=plan.tile_bytes / 1e6,
        disk_gb=pixel_bytes(plan.maps, sr.dtype) * sum(map(math.prod, shapes)) / 1e9,
        # Metadata of every level and of the store; done file; plan, markers and journals.
        files=len(plan.maps) * (shards + len(shapes) + 2) + 1 + 2 * plan.parts,
        seconds=_seconds(network, plan),
    )


def _seconds(network: SRNetwork, plan: Plan) -> float:
    """Time of the network on all tiles, from that of the first one by their area."""
    device = best_device()
    inference = Inference(network, device, best_precision(device), plan.self_ensemble)
    cutting, planes = plan.cutting, math.prod((*plan.stacks, plan.cutting.sr_shape[0]))
    rows, cols = (slice(0, n) for n in cutting.sr_shape[1:])
    first = cutting.tiles(rows, cols)[0]
    size: list[int] = [s.stop - s.start for s in first.read]
    read = math.prod(_read(cutting, axis) for axis in (0, 1))
    return _timed(inference, size) / math.prod(size) * read * planes


def _read(cutting: Cutting, axis: int) -> int:
    """LR pixels that the tiles along an axis read, those that several read as often."""
    tiles = len(cutting.edges[axis]) - 1
    around = 2 * cutting.halo + cutting.overlap
    return cutting.sr_shape[1 + axis] // cutting.scale + (tiles - 1) * around


def _timed(inference: Inference, size: Sequence[int]) -> float:
    shape, taken = (inference.network.frames, *size), []
    image = np.random.default_rng(0).random(shape, np.float32)
    for _ in range(1 + TIMED):
        start = time.perf_counter()
        inference([image])
        taken.append(time.perf_counter() - start)
    return min(taken[1:])


def table(rows: Sequence[tuple[str, str, Forecast]]) -> str:
    """Forecasts as text, one line each and their sum.

    Parameters
    ----------
    rows : list of (str, str, Forecast)
        Sample, model and what it needs.
    """
    if not rows:
        return "nothing to predict: the sample sheet has no row of role test or predict"
    head = ["sample", "model", "SR t,c,z,y,x", "tile+halo", "blocks", "jobs"]
    head += ["MB a job", "MB on a GPU", "GB on disk", "files", "network"]
    found = [f for _, _, f in rows]
    lines = [_line(*row) for row in rows]
    sums = replace(
        found[0],
        **{k: sum(getattr(f, k) for f in found) for k in ("blocks", "jobs", "disk_gb", "files")},
        seconds=sum(f.seconds for f in found),
    )
    total = _line("all", "", sums)
    return aligned(
        [head, *lines, [c if i not in (2, 3, 6, 7) else "" for i, c in enumerate(total)]]
    )


def aligned(cells: Sequence[Sequence[str]]) -> str:
    """Rows of a table as lines of text, whose columns stand below each other."""
    widths = [max(map(len, column)) for column in zip(*cells)]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths)).rstrip() for row in cells)


def _line(sample: str, model: str, needed: Forecast) -> list[str]:
    return [
        sample,
        model,
        ",".join(map(str, needed.shape)),
        f"{needed.tile}+{needed.halo}",
        f"{needed.blocks}",
        f"{needed.jobs}",
        f"{needed.memory_mb:.0f}",
        f"{needed.device_mb:.0f}",
        f"{needed.disk_gb:.3g}",
        f"{needed.files}",
        duration(needed.seconds),
    ]


def job_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Jobs as text, one line a rule and their sum.

    Parameters
    ----------
    rows : list of mapping
        Of the jobs of a rule together: rule, jobs, core_hours; of the largest of them: threads, mb,
        minutes.
    """
    head = ["jobs of a whole run", "jobs", "threads", "MB", "minutes", "core hours asked for"]
    cells = [
        [
            row["rule"],
            f"{row['jobs']}",
            f"{row['threads']}",
            f"{row['mb']}",
            f"{row['minutes']}",
            f"{row['core_hours']:.3g}",
        ]
        for row in rows
    ]
    jobs, hours = (sum(row[key] for row in rows) for key in ("jobs", "core_hours"))
    return aligned([head, *cells, ["all", f"{jobs}", "", "", "", f"{hours:.3g}"]])


def duration(seconds: float) -> str:
    """Seconds for people: "45 s", "12.0 min", "3.5 h", "2.1 d"."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{max(seconds, 1):.0f} s"

"""What is known of volumes and networks before any of them is made."""

import math
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pssrflow.ingest.readers.acquisition import Overrides
from pssrflow.ingest.readers.open import open_acquisition
from pssrflow.models.model import start
from pssrflow.models.package import adopt_package
from pssrflow.models.weights import load_weights
from pssrflow.networks.ensemble import Ensemble
from pssrflow.networks.receptive_field import receptive_halo
from pssrflow.predict.inference import Inference
from pssrflow.predict.plan import pixel_bytes, plan_prediction
from pssrflow.run.devices import best_device, best_precision
from pssrflow.run.memory import INTERPRETER_MB, TORCH_MB
from pssrflow.volumes.blocks import share
from pssrflow.volumes.intensity import Intensity
from pssrflow.volumes.volume import Volume


def expected_volume(row, chunk, shard, scale) -> Volume:
    """Metadata of an LR volume that is not made yet; its grey levels are not known.

    Parameters
    ----------
    row : dict
        `path` of the acquisition with its `overrides`, or `simulated`, its settings; and
        `crappified`, whether the acquisition is an HR image.
    chunk, shard : sequence of int
        z, y, x.
    scale : int
    """
    shape, dtype, pixel_size = _simulated(row["simulated"]) if row["simulated"] else _header(row)
    nothing = Intensity(0.0, 1.0, ((0.0, 1.0),) * shape[1])
    names = tuple(map(str, range(shape[1])))
    volume = Volume(shape, dtype, tuple(chunk), tuple(shard), pixel_size, names, nothing)
    return volume.coarser(scale, chunk, shard) if row["crappified"] else volume


def _header(row):
    with open_acquisition(row["path"], Overrides(**row["overrides"])) as acquisition:
        return acquisition.shape, str(np.dtype(acquisition.dtype)), acquisition.pixel_size


def _simulated(settings):
    size = settings["step_nm"] / 1000
    dtype = "uint8" if settings["bits"] <= 8 else "uint16"
    return (1, 1, *settings["shape"]), dtype, (None, size, size)


def expected_network(name, models, weights, scale, percentiles):
    """A network of the configuration: as it was trained, or with fresh weights.

    Parameters
    ----------
    name : str
    models : dict
        The section `models` of the configuration.
    weights : dict of str to str
        Where the weights of each model are once it is trained.
    scale : int
    percentiles : sequence of float
        For packages; see `adopt_package`.
    """
    if name not in models:
        return load_weights(name)[0]
    if Path(weights[name]).exists():
        return load_weights(weights[name])[0]
    model = models[name]
    if model["arch"] == "ensemble":
        members = [
            expected_network(m, models, weights, scale, percentiles) for m in model["members"]
        ]
        return Ensemble(scale, members).eval()
    if model["arch"] == "package":
        return _packed(model["package"], scale, percentiles)
    return start(model, scale)[0].eval()


def _packed(package, scale, percentiles):
    with tempfile.TemporaryDirectory() as folder:
        adopt_package(package, scale, percentiles, folder, Path(folder, "done.json"))
        return load_weights(Path(folder, "best.safetensors"))[0]


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


def forecast(network, lr, box, chunk, shard, parts, settings, masked=False) -> Forecast:
    """Plan the prediction of a volume and time the network on one tile.

    Parameters
    ----------
    network : torch.nn.Module
    lr : Volume
    box : tuple of slice
        z, y, x of the LR volume that are super-resolved.
    chunk, shard : sequence of int
        z, y, x of the SR store.
    parts : int
    settings : dict
        The section `predict` of the configuration.
    masked : bool
        Whether there is a mask.
    """
    volume = lr.finer(network.scale, chunk, shard, box)
    plan = plan_prediction(
        network, lr, volume, box, parts, settings, lambda: receptive_halo(network), masked
    )
    cutting, blocks = plan.cutting, plan.blocks()
    held = pixel_bytes(volume, plan.std)
    levels = range(len(volume.level_shapes()))
    shards = sum(len(volume.shards(level)) for level in levels)
    stores = 2 if plan.std else 1
    return Forecast(
        shape=volume.shape,
        tile=cutting.tile,
        halo=cutting.halo,
        blocks=len(blocks),
        jobs=sum(map(bool, share(blocks, parts))),
        memory_mb=plan.job_bytes / 1e6 + INTERPRETER_MB + TORCH_MB,
        device_mb=plan.tile_bytes / 1e6,
        disk_gb=held * sum(map(math.prod, volume.level_shapes())) / 1e9,
        # Metadata of every level and of the store; done file; plan, markers and journals.
        files=stores * (shards + len(levels) + 2) + 1 + 2 * parts,
        seconds=_seconds(network, plan),
    )


def _seconds(network, plan):
    """Time of the network on all tiles, from that of the first one by their area."""
    device = best_device()
    inference = Inference(network, device, best_precision(device), plan.self_ensemble)
    cutting, planes = plan.cutting, math.prod((*plan.frames, plan.cutting.sr_shape[0]))
    first = cutting.tiles(*(slice(0, n) for n in cutting.sr_shape[1:]))[0]
    size = [s.stop - s.start for s in first.read]
    read = math.prod(_read(cutting, axis) for axis in (0, 1))
    return _timed(inference, size) / math.prod(size) * read * planes


def _read(cutting, axis):
    """LR pixels that the tiles along an axis read, those that several read as often."""
    tiles = len(cutting.edges[axis]) - 1
    around = 2 * cutting.halo + cutting.overlap
    return cutting.sr_shape[1 + axis] // cutting.scale + (tiles - 1) * around


def _timed(inference, size):
    image, taken = np.random.default_rng(0).random(size, np.float32), []
    for _ in range(1 + TIMED):
        start = time.perf_counter()
        inference([image])
        taken.append(time.perf_counter() - start)
    return min(taken[1:])


def table(rows):
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
    cells = [head, *lines, [c if i not in (2, 3, 6, 7) else "" for i, c in enumerate(total)]]
    widths = [max(map(len, column)) for column in zip(*cells)]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths)).rstrip() for row in cells)


def _line(sample, model, needed):
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


def duration(seconds):
    """Seconds for people: "45 s", "12.0 min", "3.5 h", "2.1 d"."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{max(seconds, 1):.0f} s"

"""What a job asks a scheduler for: memory, minutes and threads, from the size of what it reads.

On one machine nothing is held to it. The figures are of `benchmarks/cluster_demand.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, prod
from typing import Any, NamedTuple

from pssrflow.config.parts import PIECE, Parts
from pssrflow.config.rates import THREADS, cost, seconds
from pssrflow.config.raw import Wildcards
from pssrflow.config.settings import Settings
from pssrflow.config.sizes import Size, Sizes

# Two processes of Snakemake stand around every job of a cluster.
AROUND_MB = 320
# Of the script: Python with NumPy and Zarr; with torch or scikit-image besides.
PYTHON_MB, TORCH_MB = 230, 470
# Asked for over what is expected.
SPARE_MEMORY, SPARE_TIME = 1.1, 1.3
# Seconds until a job's own work begins: Snakemake reads the workflow twice, Python its libraries.
START = 75
# Of a store whose shards others have written: HR megapixels a second that are verified and halved.
VERIFIED = 60
# HR megapixels a second in which points are found that are known again.
COMPARED = 3
# Points of a volume at most, HR pixels for each, what each holds, and seconds to match a pair.
MOST_POINTS, PIXELS_A_POINT, POINT_MB, MATCHED = 32_000, 1000, 1e-3, 2e-8
# HR megapixels a second that are compressed for another program, by one thread.
COMPRESSED = 30
# LR pixels along y and x of the largest tile and blocks of a volume at least, see `predict.memory`.
TILE, BLOCKS = 1024, 4
# LR pixels along y and x that trust looks at at once.
LOOKED = 768
# Longest training that ends with its epochs or steps alone.
DAY = 86400
# Megabytes of a training with patches as by default (docs/figures.md), and of one that is unknown.
TRAINING, OTHER_TRAINING = (
    {
        "bicubic": 100,
        "unet": 250,
        "resunet": 1650,
        "resunet_a": 1900,
        "rdresunet": 2700,
        "rdresunet_a": 3300,
        "swinir": 2000,
    },
    7000,
)
# LR pixels of a step by default.
STEP = 8 * 48**2
# Of what a volume's size hardly changes: megabytes and seconds.
FIXED = {
    "init": (PYTHON_MB, 20),
    "register": (800, 120),
    "calibrate": (5000, 1800),
    "smoothing": (TORCH_MB, 120),
    "magnification": (TORCH_MB, 120),
    "assemble": (2000, 60),
    "adopt": (2000, 120),
    "export": (3000, 300),
    "predict_init": (1500, 120),
    "predict_collect": (500, 60),
    "promise": (3000, 900),
    "judge": (PYTHON_MB, 20),
    "report": (850, 300),
}
# What is taken for a volume whose header cannot be read; its job says why.
UNKNOWN = Size((1, 1, 1, 4096, 4096), 2)


class Need(NamedTuple):
    """What a job takes: megabytes, and seconds of work of one thread."""

    mb: float
    work: float


@dataclass(frozen=True)
class Demand:
    """Resources of the jobs of every rule.

    Attributes
    ----------
    settings : Settings
    sizes : Sizes
    parts : Parts
    cores : int or None
        Processors of this machine, which jobs share; None on a cluster.
    predictions : int
        Volumes that are super-resolved.
    """

    settings: Settings
    sizes: Sizes
    parts: Parts
    cores: int | None
    predictions: int

    def threads(self, job: str) -> Callable[[Wildcards], int]:
        """Function of the wildcards that gives a job's threads."""
        return lambda wildcards: self._threads(job, wildcards)

    def memory(self, job: str) -> Callable[[Wildcards, int, int], int]:
        """Function of wildcards, threads and attempt that gives a job's megabytes."""

        def asked(wildcards: Wildcards, threads: int, attempt: int) -> int:
            need = self.need(job, wildcards, threads)
            return ceil((AROUND_MB + need.mb) * SPARE_MEMORY) * attempt

        return asked

    def minutes(self, job: str) -> Callable[[Wildcards, int, int], int]:
        """Function of wildcards, threads and attempt that gives a job's minutes."""

        def asked(wildcards: Wildcards, threads: int, attempt: int) -> int:
            need = self.need(job, wildcards, threads)
            return ceil((START + need.work / threads * SPARE_TIME) / 60) * attempt

        return asked

    @property
    def machines(self) -> dict[str, Any]:
        """What a training on several machines asks for besides; nothing of one on one."""
        train = self.settings.train
        if train.nodes == 1:
            return {}
        # `mpi` keeps the plug-in of SLURM from starting the script on one of them alone.
        return {"nodes": train.nodes, "tasks": train.nodes, "mpi": "srun"}

    def _threads(self, job: str, wildcards: Wildcards) -> int:
        if self.cores is None or job not in ("train", "predict", "promise", "plan"):
            return THREADS.get(job, 1) if self.cores is None else min(2, THREADS.get(job, 1))
        if job != "predict":
            return self.cores
        # Jobs that run at the same time: parts of a volume, or one for each volume.
        jobs = self.parts.of_prediction(wildcards)
        jobs = self.predictions if jobs == 1 else jobs
        return max(1, self.cores // max(1, jobs))

    def need(self, job: str, wildcards: Any, threads: int) -> Need:
        """What a job takes.

        Parameters
        ----------
        job : str
            A rule, or what several have in common.
        wildcards : Wildcards
        threads : int
        """
        if job in FIXED:
            mb, work = FIXED[job]
            return Need(mb, work * threads)
        found: Need = getattr(self, f"_{job}")(wildcards, threads)
        return found

    # -- of each stage ----------------------------------------------------------------------------

    def _ingest(self, wildcards: Wildcards, threads: int) -> Need:
        size = self.sizes.image(wildcards.image) or UNKNOWN
        shard = size.shard(self.settings.ingest.shard)
        mb = PYTHON_MB + (threads + 1) * shard * (2 + 5 * size.bytes_each) / 1e6
        return Need(mb, self._shared(size, "ingest", wildcards))

    def _crappify(self, wildcards: Wildcards, threads: int) -> Need:
        size = self.sizes.image(f"{wildcards.draw.split('/')[0]}/hr") or UNKNOWN
        box = min(prod(size.shape[3:]), (1024 * self.settings.crappify.scale) ** 2)
        mb = PYTHON_MB + threads * box * (1 + 1.5 * size.bytes_each) / 1e6
        return Need(mb, self._shared(size, "crappify", wildcards))

    def _evaluate(self, wildcards: Wildcards, threads: int) -> Need:
        size = self.sizes.sr(wildcards.sample) or UNKNOWN
        mb = TORCH_MB + threads * min(prod(size.shape[3:]), PIECE**2) * 460 / 1e6
        jobs = self.parts.of_evaluation(wildcards)
        collects = jobs > 1 and not _is_part(wildcards)
        work = 0 if collects else seconds(self.settings.jobs, "evaluate", size.pixels)
        return Need(mb, work / jobs)

    def _shared(self, size: Size, stage: str, wildcards: Wildcards) -> float:
        """Seconds of a job that stores an image, shares that, or finishes what others stored."""
        jobs = self.parts.of_image(wildcards)
        if jobs > 1 and not _is_part(wildcards):
            return size.pixels / 1e6 / VERIFIED
        return seconds(self.settings.jobs, stage, size.pixels) / jobs

    def _predict(self, wildcards: Wildcards, threads: int) -> Need:
        size = self.sizes.sr(wildcards.sample) or UNKNOWN
        parts = self.parts.of_prediction(wildcards)
        if parts > 1 and not _is_part(wildcards):
            # Where others build the pyramid, a few levels of it are left to do.
            left = 0.01 if self.parts.pyramids(wildcards) else 1
            return Need(PYTHON_MB + 100, left * size.pixels / 1e6 / VERIFIED)
        return self._network(wildcards, size, parts)

    def _network(self, wildcards: Wildcards, size: Size, jobs: int) -> Need:
        scale, model = self.settings.crappify.scale, wildcards.model
        tile = min(prod(size.shape[3:]) // scale**2, (self._tile(size) + 64) ** 2)
        blocks = 3 * size.shard(self.settings.ingest.shard) * size.bytes_each
        mb = TORCH_MB + (tile * self._passed(model) + blocks) / 1e6
        work = seconds(self.settings.jobs, "predict", size.pixels, cost(self.settings, model))
        return Need(min(mb, self.settings.predict.memory), work / jobs)

    def _tile(self, size: Size) -> int:
        """LR pixels of the tiles of a volume, which leave blocks for several jobs."""
        scale, shard = self.settings.crappify.scale, self.settings.ingest.shard[1]
        tile = TILE
        while tile * scale > shard and size.shards((1, tile * scale, tile * scale)) < BLOCKS:
            tile //= 2
        return tile

    def _passed(self, model: str) -> float:
        """Bytes of a pass per LR pixel; see `networks.footprint`."""
        scale, arch = self.settings.crappify.scale, self.settings.models[model].arch
        averaged = 16 * scale**2 if self.settings.predict.self_ensemble else 0
        if arch in ("unet", "bicubic"):
            return max(725, 18 * scale**2) + averaged
        return 8000 + 650 * scale**2 + averaged

    def _predict_pyramid(self, wildcards: Wildcards, threads: int) -> Need:
        size = self.sizes.sr(wildcards.sample) or UNKNOWN
        return Need(PYTHON_MB + 200, size.pixels / 1e6 / VERIFIED / self.parts.pyramids(wildcards))

    def _trust(self, wildcards: Wildcards, threads: int) -> Need:
        size = self.sizes.sr(wildcards.sample) or UNKNOWN
        tile = min(prod(size.shape[3:]), (LOOKED * self.settings.crappify.scale) ** 2)
        mb = TORCH_MB + threads * tile * 24 / 1e6
        jobs = self.parts.of_trust(wildcards)
        if jobs > 1 and not _is_part(wildcards):
            return Need(mb, size.pixels / self.settings.crappify.scale**2 / 1e6 / VERIFIED)
        return Need(mb, seconds(self.settings.jobs, "trust", size.pixels) / jobs)

    def _copies(self, wildcards: Wildcards, threads: int) -> Need:
        images = [image for image in self.sizes.raw.images if image.endswith("/hr")]
        sizes = [self.sizes.image(image) or UNKNOWN for image in images]
        points = sum(min(MOST_POINTS, size.pixels / PIXELS_A_POINT) for size in sizes)
        work = sum(size.pixels for size in sizes) / 1e6 / COMPARED + points**2 * MATCHED
        return Need(PYTHON_MB + 500 + points * POINT_MB, work)

    def _export_image(self, wildcards: Wildcards, threads: int) -> Need:
        size = self.sizes.sr(wildcards.sample) or UNKNOWN
        return Need(PYTHON_MB + 200, size.pixels / 1e6 / COMPRESSED)

    def _train(self, wildcards: Wildcards, threads: int) -> Need:
        train, arch = self.settings.train, self.settings.models[wildcards.model].arch
        patches = train.batch * train.patch**2 / STEP
        mb = TORCH_MB + TRAINING.get(arch, OTHER_TRAINING) * (0.5 + 0.5 * patches)
        # It ends by the clock, or where its state is saved.
        longest = (train.max_time or DAY) / SPARE_TIME * 1.1
        return Need(mb * _devices(train.devices), (60 + longest) * threads)

    def _simulate(self, wildcards: Wildcards, threads: int) -> Need:
        shape = self.settings.simulate[wildcards.name].shape
        return Need(PYTHON_MB + 100 + prod(shape) * 40 / 1e6, prod(shape) / 1e6 * 5)


def _is_part(wildcards: Wildcards) -> bool:
    """Whether a job is one of several that share a volume."""
    return "part" in wildcards.keys()  # noqa: SIM118  # those of Snakemake are no mapping


def _devices(asked: int | str) -> int:
    """Processes of a training on one machine; as many GPUs as there are count as four."""
    return asked if isinstance(asked, int) else 4

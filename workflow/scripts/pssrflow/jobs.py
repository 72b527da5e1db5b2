"""Sections `jobs` and `dask`: how work is spread, on this machine or on a cluster."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from pssrflow.keys import Fault, Keys, key

# Of a stage whose jobs may share a volume.
Parts = Annotated[int, Field(ge=1, le=100_000)] | Literal["auto"]
PARTS = "Jobs per volume; auto makes them last about jobs.minutes; more than 10000 are not made."


class Settings(Keys):
    """How long jobs last: by how many of them share a volume, and in what they ask a cluster for.

    The rates are of one core without AVX-512.
    """

    minutes: int = key(
        30, "How long each of several jobs that share a volume should last.", ge=1, le=10_000
    )
    ingest: float = key(25.0, "Megapixels that a thread stores in a second.", gt=0)
    crappify: float = key(15.0, "HR megapixels that a thread crappifies in a second.", gt=0)
    predict: float = key(
        1.5,
        "HR megapixels that the default network makes in a second, per thread, or on a GPU where "
        "there is one (see the target `plan`); other networks are taken in proportion.",
        gt=0,
    )
    evaluate: float = key(
        0.5, "HR megapixels that a thread compares with their truth in a second.", gt=0
    )
    trust: float = key(
        8.0, "HR megapixels of a prediction that a thread looks at in a second, for trust.", gt=0
    )


class Dask(Keys):
    """Dask workers that crappify and evaluate beside a job; they see the same files."""

    scheduler: str | None = key(
        None,
        "Address of a running dask.distributed scheduler, such as tcp://host:8786; null works in "
        "the job's own threads.",
        pattern="^[a-z]+://",
    )
    cluster: Literal["slurm", "lsf", "sge", "pbs", "htcondor"] | None = key(
        None, "Cluster to which workers are submitted instead, for as long as a job lasts."
    )
    workers: int = key(4, "Workers that are submitted.", ge=1, le=10_000)
    threads: int = key(1, "Threads of each of them.", ge=1, le=1024)
    memory: int = key(4000, "Megabytes of each of them.", ge=500)
    minutes: int = key(60, "Longest time of each of them.", ge=1)
    options: dict[str, Any] = key(
        {}, "More that dask-jobqueue is told, such as {queue: short, account: lab}."
    )

    def faults(self) -> Iterator[Fault]:
        if self.scheduler and self.cluster:
            yield Fault("", "both scheduler and cluster are given. Accepted: one of them")

"""Dask workers, on this machine or others, that make pieces of what a job makes."""

import contextlib
import importlib
import logging
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pssrflow.errors import InputError
from pssrflow.run.remote import is_remote

if TYPE_CHECKING:
    import distributed

log = logging.getLogger(__name__)

# Folder of this package, which workers import.
SCRIPTS = Path(__file__).resolve().parents[2]
# Classes of dask_jobqueue.
KINDS = {
    "slurm": "SLURMCluster",
    "lsf": "LSFCluster",
    "sge": "SGECluster",
    "pbs": "PBSCluster",
    "htcondor": "HTCondorCluster",
}
# Seconds in which the first worker must come.
PATIENCE = 600


def absolute(path: str) -> str:
    """A path that means the same to workers, which may stand elsewhere."""
    return path if is_remote(path) else str(Path(path).resolve())


@dataclass(frozen=True)
class Workers:
    """Where the workers are: section `dask` of the configuration, which says what each key means.

    Attributes
    ----------
    scheduler : str, optional
    cluster : str, optional
    workers, threads, memory, minutes : int
    options : mapping of str to object
    """

    scheduler: str | None = None
    cluster: str | None = None
    workers: int = 4
    threads: int = 1
    memory: int = 4000
    minutes: int = 60
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, config: Mapping[str, Any], scheduler: str | None = None) -> Self | None:
        """Those that a configuration names; None for none.

        Parameters
        ----------
        config : mapping
            Of the run, as plain JSON.
        scheduler : str, optional
            Address that one stage has of its own.
        """
        found = cls(scheduler=scheduler) if scheduler else cls(**config["dask"])
        return found if found.scheduler or found.cluster else None

    @contextlib.contextmanager
    def client(self) -> "Iterator[distributed.Client]":
        """Client of the workers, which are there.

        Raises
        ------
        InputError
            The scheduler does not answer, or no worker comes.
        """
        with contextlib.ExitStack() as held:
            address = held.enter_context(self._submitted()) if self.cluster else self.scheduler
            # Loaded where there are workers: most jobs have none, and need not wait for it.
            connect = importlib.import_module("distributed").Client
            try:
                client = held.enter_context(connect(address, set_as_default=False))
            except (OSError, ValueError) as error:
                found = f"{address} does not answer ({error})"
                raise InputError("dask.scheduler", found, "a running scheduler") from error
            try:
                client.wait_for_workers(self.workers if self.cluster else 1, timeout=PATIENCE)
            except TimeoutError as error:
                found = f"no worker of {self.cluster or self.scheduler} came in {PATIENCE} s"
                accepted = "workers, or a queue in which their jobs start"
                raise InputError("dask", found, accepted) from error
            log.info("%s: %d threads", address, sum(client.nthreads().values()))
            yield client

    @contextlib.contextmanager
    def _submitted(self) -> Iterator[Any]:
        """Workers that are jobs of a scheduler, such as SLURM."""
        try:
            jobqueue = importlib.import_module("dask_jobqueue")
        except ImportError:
            found = f"{self.cluster}, but the package dask-jobqueue is not installed"
            raise InputError("dask.cluster", found, "pip install dask-jobqueue, or null") from None
        asked: dict[str, Any] = {
            "cores": self.threads,
            "processes": 1,
            "memory": f"{self.memory}MB",
            "job_script_prologue": [f"export PYTHONPATH={shlex.quote(str(SCRIPTS))}"],
            "scheduler_options": {"dashboard_address": ":0"},
            **self.options,
        }
        if self.cluster != "htcondor":
            asked.setdefault("walltime", f"{self.minutes // 60:02d}:{self.minutes % 60:02d}:00")
        with getattr(jobqueue, KINDS[self.cluster or ""])(**asked) as cluster:
            cluster.scale(jobs=self.workers)
            yield cluster

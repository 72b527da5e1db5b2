"""How long the work of a stage takes, from the pixels that it reads or makes."""

from collections.abc import Mapping

from pssrflow.config.settings import Settings
from pssrflow.jobs import Settings as Jobs
from pssrflow.models.model import Model

# Time of a network against that of the default one (docs/figures.md); of others, as of the default.
COSTS = {
    "bicubic": 0.05,
    "resunet": 12,
    "resunet_a": 20,
    "rdresunet": 22,
    "rdresunet_a": 29,
    "swinir": 43,
}
SIZES = {"small": 0.8, "base": 1, "large": 2}
# Threads of a job on a cluster, where neither rule nor profile says more.
THREADS = {
    "ingest": 2,
    "crappify": 4,
    "predict": 4,
    "train": 8,
    "evaluate": 2,
    "trust": 2,
    "plan": 2,
}
# Turns and mirrors of a self-ensemble.
TURNS = 8


def cost(settings: Settings, model: str) -> float:
    """Time of a model's predictions against those of the default network."""
    turns = TURNS if settings.predict.self_ensemble else 1
    return turns * _network(settings.models, model)


def _network(models: Mapping[str, Model], name: str) -> float:
    if name not in models:
        return 1
    options = models[name].options
    members = getattr(options, "members", ())
    if members:
        return sum(_network(models, member) for member in members)
    return COSTS.get(models[name].arch, 1) * SIZES.get(getattr(options, "size", "base"), 1)


def seconds(jobs: Jobs, stage: str, pixels: int, dearer: float = 1) -> float:
    """What a thread needs.

    Parameters
    ----------
    jobs : Settings
        Section `jobs`.
    stage : str
        "ingest", "crappify", "predict", "evaluate" or "trust".
    pixels : int
        HR pixels; of `ingest`, those that are stored.
    dearer : float
        See `cost`.
    """
    rate: float = getattr(jobs, stage)
    return pixels / 1e6 / rate * dearer

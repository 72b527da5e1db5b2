"""The jobs of a run from its beginning, and what they ask a scheduler for."""

import itertools
from collections.abc import Iterator
from typing import Any

from pssrflow.config.rule_params import Rules

# Rules of models that do not learn here, by their architecture, and what `Demand` calls them.
OTHERS = {"ensemble": ("assemble_ensemble", "assemble"), "package": ("adopt_package", "adopt")}
# Which rule a job is of, what `Demand` calls it, and its wildcards.
Job = tuple[str, str, "Names"]


class Names(dict[str, str]):
    """Wildcards of a job that Snakemake has not made yet."""

    __getattr__ = dict.__getitem__


def submitted(run: Rules) -> list[dict[str, Any]]:
    """How many jobs each rule has, and the most that one of them asks for.

    Returns
    -------
    list of dict
        rule, jobs, threads, mb, minutes; and core_hours of all of them together.
    """
    table: dict[str, dict[str, Any]] = {}
    for rule, job, wildcards in _jobs(run):
        threads = run.demand.threads(job)(wildcards)
        mb = run.demand.memory(job)(wildcards, threads, 1)
        minutes = run.demand.minutes(job)(wildcards, threads, 1)
        row = table.setdefault(rule, {"rule": rule, "jobs": 0, "core_hours": 0.0})
        row["jobs"] += 1
        row["core_hours"] += threads * minutes / 60
        for name, value in (("threads", threads), ("mb", mb), ("minutes", minutes)):
            row[name] = max(row.get(name, 0), value)
    return list(table.values())


def _jobs(run: Rules) -> Iterator[Job]:
    """In the order of the stages."""
    yield from _of_images(run)
    yield from _of_models(run)
    for sample, model in itertools.product(run.predictions.samples, run.settings.models):
        yield from _predicted(run, Names(sample=sample, model=model))
    for model in run.settings.models if run.trusted else ():
        yield "calibrate_trust", "promise", Names(model=model)
    for sample, model in itertools.product(run.trusted, run.settings.models):
        yield from _trusted(run, Names(sample=sample, model=model))
    if run.trusted:
        yield "judge", "judge", Names()
    if run.named("tested"):
        yield "choose_smoothing", "smoothing", Names()
    for sample, model in itertools.product(run.named("tested"), run.settings.models):
        yield from _evaluated(run, Names(sample=sample, model=model))
    yield "report", "report", Names()


def _of_images(run: Rules) -> Iterator[Job]:
    simulated = sorted({name for image in run.images for name in run.raw.simulations(image)})
    yield from (("simulate_acquisition", "simulate", Names(name=name)) for name in simulated)
    for image in run.images:
        yield from _shared(run, "ingest", Names(image=image))
    for sample in run.named("paired"):
        yield "register_pair", "register", Names(sample=sample)
    for sample in run.named("repeated"):
        yield "register_scan", "register", Names(sample=sample)
    if run.fit:
        yield "calibrate_crappifier", "calibrate", Names()
    for draw in run.draws:
        yield from _shared(run, "crappify", Names(draw=draw))


def _shared(run: Rules, stage: str, named: Names) -> Iterator[Job]:
    parts = run.parts.of_image(named)
    if parts > 1:
        yield f"{stage}_init", "init", named
    yield from _parts(stage, named, parts)
    yield f"{stage}_acquisition", stage, named


def _of_models(run: Rules) -> Iterator[Job]:
    if run.copies:
        yield "find_copies", "copies", Names()
    if run.magnification:
        yield "choose_magnification", "magnification", Names()
    for name, model in run.settings.models.items():
        yield *OTHERS.get(model.arch, ("train_model", "train")), Names(model=name)


def _predicted(run: Rules, named: Names) -> Iterator[Job]:
    parts, pyramids = run.parts.of_prediction(named), run.parts.pyramids(named)
    if parts > 1:
        yield "predict_init", "predict_init", named
    yield from _parts("predict", named, parts)
    if pyramids:
        yield "predict_collect", "predict_collect", named
    for part in range(pyramids):
        yield "predict_pyramid", "predict_pyramid", Names(named, part=str(part))
    yield "predict_volume", "predict", named


def _trusted(run: Rules, named: Names) -> Iterator[Job]:
    parts = run.parts.of_trust(named)
    if parts > 1:
        yield "trust_init", "init", named
    yield from _parts("trust", named, parts)
    yield "trust_volume", "trust", named


def _evaluated(run: Rules, named: Names) -> Iterator[Job]:
    yield from _parts("evaluate", named, run.parts.of_evaluation(named))
    yield "evaluate_prediction", "evaluate", named


def _parts(stage: str, named: Names, parts: int) -> Iterator[Job]:
    for part in range(parts if parts > 1 else 0):
        yield f"{stage}_part", stage, Names(named, part=str(part))

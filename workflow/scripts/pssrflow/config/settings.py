"""All sections of the configuration."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Annotated

from pydantic import Field, field_validator

from pssrflow.calibrate.settings import Settings as Calibrate
from pssrflow.crappify.settings import Settings as Crappify
from pssrflow.crappify.settings import placed
from pssrflow.errors import InputError
from pssrflow.evaluate.settings import Settings as Evaluate
from pssrflow.export.settings import Settings as Export
from pssrflow.ingest.settings import Settings as Ingest
from pssrflow.jobs import Dask
from pssrflow.jobs import Settings as Jobs
from pssrflow.keys import Fault, Keys, key
from pssrflow.models.model import AnyModel, Model
from pssrflow.predict.settings import Settings as Predict
from pssrflow.report.settings import Settings as Report
from pssrflow.run.layout import LONGEST_NAME
from pssrflow.run.paths import PathText
from pssrflow.simulate.settings import Acquisition
from pssrflow.train.settings import Settings as Train
from pssrflow.trust.settings import Settings as Trust

# Part of the names of files; no pattern, and no wildcard of Snakemake.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]*\Z", max_length=LONGEST_NAME)]
# No wildcard, no line break, and no URI of what is a folder.
FOLDER = r"^(?!file:)[^{}*?\x00-\x1f\x7f]+\Z"


def _alike(names: Iterable[str]) -> Iterator[list[str]]:
    """Names that differ by upper and lower case alone."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(name.lower(), []).append(name)
    return (alike for alike in found.values() if len(alike) > 1)


class Settings(Keys):
    """Every key of the configuration."""

    samples: PathText = key(
        "resources/demo/samples.tsv",
        "Sample sheet (TSV), one acquisition a row (see docs/data.md).",
    )
    results: PathText = key(
        "results", "Folder that receives everything.", min_length=1, pattern=FOLDER
    )
    stores: PathText | None = key(
        None,
        "Folder or URI (s3://bucket/folder) that receives the OME-Zarr stores instead; null for "
        "`results`.",
        min_length=1,
        pattern=FOLDER,
    )
    seed: int = key(
        0,
        "Same seed, configuration and data: the same LR images and, on one machine, the same "
        "weights.",
        ge=0,
        le=2**32 - 1,
    )
    ingest: Ingest = key(Ingest(), "How acquisitions are stored; z, y, x.")
    crappify: Crappify = key(
        Crappify(),
        "How high-resolution images are degraded: steps on HR pixels, downsampling, steps on LR "
        "pixels.",
    )
    calibrate: Calibrate = key(
        Calibrate(),
        "How the crappifier is fitted to acquired pairs; used where crappify.fit is calibration.",
    )
    models: dict[Name, AnyModel] = key(
        {"default": {"arch": "unet"}},
        "Networks by name; each is trained, used and reported on its own. Naming any replaces the "
        "default.",
        min_length=1,
    )
    train: Train = key(Train(), "How networks learn.")
    predict: Predict = key(Predict(), "How volumes are super-resolved.")
    evaluate: Evaluate = key(Evaluate(), "How predictions are compared with the truth.")
    trust: Trust = key(Trust(), "How it is found out where a prediction is not to be believed.")
    export: Export = key(
        Export(), "What model packages (snakemake export) say of the networks in them."
    )
    report: Report = key(Report(), "What the report shows.")
    jobs: Jobs = key(
        Jobs(), "How long jobs last, by which volumes are cut and a cluster is asked for time."
    )
    dask: Dask = key(
        Dask(), "Dask workers that crappify and evaluate beside a job; they see the same files."
    )
    simulate: dict[Name, Acquisition] = key(
        {},
        "Acquisitions of a simulated electron microscope, which a sample sheet names as "
        "simulate:NAME; made only if it does.",
    )

    @field_validator("models", mode="after")
    @classmethod
    def _call_by_name(cls, models: dict[str, Model]) -> dict[str, Model]:
        return {name: replace(model, name=name) for name, model in models.items()}

    def faults(self) -> Iterator[Fault]:
        for name in ("results", "stores"):
            if (folder := getattr(self, name)) and os.path.isfile(folder):
                yield Fault(name, f"found {folder!r}, which is a file. Accepted: a folder")
        # File systems of some users do not tell upper from lower.
        for alike in _alike(self.models):
            yield Fault("models", f"found {' and '.join(alike)}. Accepted: names that differ")
        for name, model in self.models.items():
            for fault in model.faults(self.crappify.scale, self.models):
                yield Fault(f"models.{name}.{fault.key}", fault.says)
        if self.calibrate.kind == "search":
            yield from self._not_to_be_searched()

    def _not_to_be_searched(self) -> Iterator[Fault]:
        crappify = self.crappify.plain()
        for name, (low, _) in self.calibrate.space.items():
            try:
                placed(crappify, {name: low})
            except InputError as error:
                yield Fault(error.where, f"{error.found}. Accepted: {error.accepted}")

"""What the rules need of a run: names, wildcards and parameters, from configuration and sheet.

Snakemake compares parameters from run to run, so they are plain JSON; the scripts make objects of
them. Everything here runs in every job, while Snakemake parses: nothing slow is imported.
"""

import contextlib
import re
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from pssrflow.config.demand import Demand
from pssrflow.config.networks import Networks
from pssrflow.config.parts import Parts
from pssrflow.config.predictions import Predictions
from pssrflow.config.raw import Image, Raw, Wildcards
from pssrflow.config.rule_code import SCRIPTS, Code
from pssrflow.config.samples import Row
from pssrflow.config.settings import Settings
from pssrflow.config.sizes import Sizes
from pssrflow.crappify.settings import AUTO, OF_THIS_RUN, foreign_files
from pssrflow.errors import InputError
from pssrflow.run.files import read_json
from pssrflow.run.layout import Layout
from pssrflow.run.rerun import fingerprint

# Rows that have something of their own, by what that is.
OWN = {
    "weight": "weighted",
    "mask": "masked",
    "registration": "paired",
    "hr2": "scanned_twice",
    "twice": "repeated",
    "truth": "whole",
}


def one_of(names: Iterable[str]) -> str:
    """Wildcard constraint: one of these names, or nothing at all."""
    return "|".join(map(re.escape, names)) or "(?!)"


class Rules:
    """Names and parameters of all rules.

    Parameters
    ----------
    settings : Settings
        The configuration.
    rows : list of Row
        Of the sample sheet.
    cores : int, optional
        Processors of this machine, which jobs share; none on a cluster, which gives each its own.
    main : bool
        Whether this process plans the run, and is none of its jobs.
    """

    def __init__(
        self, settings: Settings, rows: list[Row], cores: int | None = None, main: bool = True
    ):
        self.settings, self.rows = settings, {row.sample: row for row in rows}
        self.layout = Layout.of(settings.results, settings.stores)
        self.networks = Networks(self.layout, settings.models)
        self.code = Code(settings)
        self.raw = Raw(self.layout, settings, self.rows, self.code)
        self.sizes = Sizes(self.layout, settings, self.raw)
        self.parts = Parts(self.layout, settings, self.sizes, main)
        rest = settings, self.rows, self.raw, self.parts
        self.predictions = Predictions(self.layout, *rest)
        volumes = len(self.predictions.samples) * len(settings.models)
        self.demand = Demand(settings, self.sizes, self.parts, cores, volumes)

    # -- names ------------------------------------------------------------------------------------

    def named(self, *flags: str) -> list[str]:
        """Samples whose rows have all of these properties."""
        return [name for name, row in self.rows.items() if all(getattr(row, f) for f in flags)]

    @property
    def images(self) -> dict[str, Image]:
        """Images that are ingested, by "sample/kind"."""
        return self.raw.images

    @cached_property
    def draws(self) -> list[str]:
        """LR images that are crappified, as "sample/kind"."""
        more = range(1, self.settings.crappify.realizations)
        kinds = ["lr", *(f"lr.{draw}" for draw in more)]
        return [f"{sample}/{kind}" for sample in self.named("crappified") for kind in kinds]

    # -- pairs, calibrate, crappify ---------------------------------------------------------------

    def own(self, kind: str) -> Callable[[Wildcards], list[str]]:
        """Done file of what some samples have of their own, see `OWN`."""
        return lambda wildcards: self._done_of(kind, [wildcards.sample])

    def second(self, wildcards: Wildcards) -> str | None:
        """Store of the second HR scan of a sample, if it has one."""
        name = wildcards.sample
        return self.layout.store("hr2", name) if self.rows[name].scanned_twice else None

    def crappified(self, wildcards: Wildcards) -> bool:
        """Whether the LR image of a sample is made of its HR image."""
        return self.rows[wildcards.sample].crappified

    def mask(self, sample: str) -> str | None:
        """Store of the mask of a sample, if it has one."""
        return self.layout.store("mask", sample) if self.rows[sample].masked else None

    def mask_of(self, wildcards: Wildcards) -> str | None:
        """Store of the mask of a sample, if it has one."""
        return self.mask(wildcards.sample)

    @cached_property
    def fit(self) -> list[str]:
        """The fitted crappifier, where one is asked for."""
        auto = self.settings.crappify.fit == AUTO
        asked = self.settings.crappify.measured and (self.named("crappified") or not auto)
        return [self.layout.crappifier] if asked else []

    @cached_property
    def calibration_rows(self) -> list[dict[str, Any]]:
        """Rows that the crappifier is fitted on: pairs to learn from, or else LR and HR images.

        Raises
        ------
        InputError
            `calibrate.samples` names no row, or there is none to fit on.
        """
        asked = self.settings.calibrate.samples
        for sample in asked or ():
            if sample not in self.rows:
                found = f"no sample {sample!r} in {self.settings.samples}"
                raise InputError("calibrate.samples", found, ", ".join(self.rows))
        rows = [self._scans(name) for name in asked] if asked else self._pairs_or_images()
        if not rows and self.fit:
            raise InputError(
                "crappify.fit",
                f"calibration, but {self.settings.samples} has no row to fit on",
                "an lr_path in a train row, a predict row, or another crappify.fit",
            )
        return rows

    def _scans(self, name: str, *kinds: str) -> dict[str, Any]:
        """Stores of images of a row that were acquired, or of some kinds of them."""
        there = [kind for kind in kinds or ("hr", "lr") if f"{name}/{kind}" in self.images]
        stores = {kind: self.layout.store(kind, name) for kind in there}
        # What is to be restored of an LR image without a truth is as good as the rest of it.
        mask = self.mask(name) if self.rows[name].has_hr else None
        return {"sample": name, "hr": None, "lr": None, "mask": mask} | stores

    def _pairs_or_images(self) -> list[dict[str, Any]]:
        """Pairs; else LR images of rows that are predicted, and HR images that are learnt from.

        What a truth shows is never looked at. LR images that were measured once are kept to: a row
        more must not make another crappifier, and train anew.
        """
        # By name: rows in another order must not make another crappifier either.
        if pairs := sorted(self.named("paired", "trained")):
            return [self._scans(name) for name in pairs]
        lr = sorted(s for s in self.named("predicted") if f"{s}/lr" in self.images)
        lr = _kept(self.layout.measured, lr)
        hr = sorted(self.named("trained")) if self.settings.crappify.fit == AUTO else []
        return [*(self._scans(s, "lr") for s in lr), *(self._scans(s, "hr") for s in hr)]

    def calibrated(self, kind: str) -> list[str]:
        """Done files of the images that the crappifier is fitted on."""
        rows = (row for row in self.calibration_rows if row[kind])
        return [self.layout.done(kind, row["sample"]) for row in rows]

    def crappifier(self, wildcards: Wildcards) -> dict[str, Any]:
        """What makes the crappifier, with a hash of every file of the user's own that it runs."""
        plain = self.settings.crappify.plain()
        kept = {k: v for k, v in plain.items() if k not in ("realizations", "cluster", "parts")}
        if kept["fit"] == AUTO and not self.settings.crappify.measured:
            kept["fit"] = None
        return {**kept, "files": self._crappifier_files()}

    def _crappifier_files(self) -> dict[str, str]:
        fit = self.settings.crappify.fit
        files = [fit] if fit and fit not in OF_THIS_RUN else []
        files += foreign_files(self.settings.crappify.plain())
        return {f: fingerprint((f,)) for f in files if Path(f).exists()}

    def drawn_from(self, wildcards: Wildcards) -> str:
        """Sample of an LR image that is crappified."""
        return wildcards.draw.split("/")[0]

    def realisation(self, wildcards: Wildcards) -> int:
        """Number of the draw of the noise of an LR image."""
        _, _, number = wildcards.draw.split("/")[1].partition(".")
        return int(number or 0)

    # -- train ------------------------------------------------------------------------------------

    def trained_on(self, kind: str) -> list[str]:
        """Done files of one kind, of all rows that are learnt from."""
        return self._done_of(kind, self._learnt())

    def _done_of(self, kind: str, samples: list[str]) -> list[str]:
        rows = [s for s in samples if kind not in OWN or getattr(self.rows[s], OWN[kind])]
        if kind in ("registration", "twice"):
            return list(map(getattr(self.layout, kind), rows))
        return [self.layout.done("hr" if kind == "truth" else kind, sample) for sample in rows]

    @cached_property
    def training_rows(self) -> list[dict[str, Any]]:
        """Sample, stores and registration of every row that is learnt from."""
        return [self._row(name) for name in self._learnt()]

    def _row(self, name: str) -> dict[str, Any]:
        place = self.layout
        return {
            "sample": name,
            "hr": place.store("hr", name),
            "lr": place.store("lr", name),
            "acquired": self.rows[name].paired,
            "weight": place.store("weight", name) if self.rows[name].weighted else None,
            "mask": self.mask(name),
            "registration": place.registration(name),
        } | self._shared(name)

    def _shared(self, sample: str) -> dict[str, float]:
        share = self.rows[sample].share
        return {"share": float(share)} if share and float(share) != 1 else {}

    @property
    def copies(self) -> list[str]:
        """What says that no pixel is learnt from and tested, where there may be any."""
        both = self._learnt() and self.held_out and self.settings.train.find_copies
        return [self.layout.copies] if both else []

    @property
    def held_out(self) -> dict[str, str]:
        """Stores of the HR images that nothing may be learnt from, by sample."""
        return self.hr_of("tested") | self.hr_of("promised")

    def hr_of(self, *flags: str) -> dict[str, str]:
        """Stores of the HR images of rows that have all of these properties, by sample."""
        return {name: self.layout.store("hr", name) for name in sorted(self.named(*flags))}

    @cached_property
    def magnified(self) -> dict[str, list[Any]]:
        """What magnifications are chosen by: HR images that are crappified, and those asked for.

        Empty where nothing is chosen.
        """
        learnt = [s for s in self._learnt() if not self.rows[s].paired]
        asked = sorted(set(self.named("tested")) | set(self.named("predicted")))
        # A row more must not train anew; the report says where it is unlike what was learnt.
        asked = _kept(self.layout.magnification, asked)
        if self.settings.train.zoom != "auto" or not (learnt and asked):
            return {"learnt": [], "asked": []}
        return {"learnt": [f"{s}/hr" for s in learnt], "asked": list(map(self._asked, asked))}

    def _asked(self, sample: str) -> str:
        """The acquired image of a row that is restored: its LR image, else its HR image."""
        lr = f"{sample}/lr"
        return lr if lr in self.images else f"{sample}/hr"

    @cached_property
    def magnification(self) -> list[str]:
        """The magnifications at which networks learn, where they are chosen."""
        return [self.layout.magnification] if self.magnified["learnt"] else []

    @property
    def magnified_images(self) -> list[str]:
        """Done files of the images that they are chosen by."""
        images = (image for some in self.magnified.values() for image in some)
        return [self.layout.image_done(image) for image in images]

    @cached_property
    def magnified_stores(self) -> dict[str, Any]:
        """Stores of HR images to learn from; sample, store and whether it is LR of those asked."""
        place = self.layout.image_store
        asked = [
            (image.split("/")[0], place(image), image.endswith("/lr"))
            for image in self.magnified["asked"]
        ]
        return {"learnt": list(map(place, self.magnified["learnt"])), "asked": asked}

    # -- trust ------------------------------------------------------------------------------------

    @property
    def kept(self) -> float:
        """Share of every train row that is not learnt from but kept for the promises of trust."""
        trust = self.settings.trust
        return trust.share if trust.maps and not self.named("promised") else 0.0

    @cached_property
    def grounds(self) -> list[dict[str, Any]]:
        """Rows that the promises of trust are learnt and calibrated on; see `training_rows`."""
        kept = [self._row(name) | {"promised": True} for name in sorted(self.named("promised"))]
        return [row | self._noise(row["sample"]) for row in (*self.training_rows, *kept)]

    def _noise(self, name: str) -> dict[str, str]:
        """What tells the noise of an HR image: a second scan and its registration, or counts."""
        row, place = self.rows[name], self.layout
        if row.repeated:
            return {"hr2": place.store("hr2", name), "twice": place.twice(name)}
        return {"counts": row.counts} if row.counts else {}

    def grounds_on(self, kind: str) -> list[str]:
        """Done files of one kind, of all those rows."""
        return self._done_of(kind, [row["sample"] for row in self.grounds])

    def truth(self, wildcards: Wildcards) -> dict[str, Any] | None:
        """A row with its truth, where it has one; see `training_rows`."""
        name = wildcards.sample
        return self._row(name) if self.rows[name].whole else None

    @property
    def trusted(self) -> list[str]:
        """Samples whose predictions get a map of trust."""
        return self.named("predicted") if self.settings.trust.maps else []

    def _learnt(self) -> list[str]:
        """Rows that are learnt from, by their names: their order in the sheet says nothing."""
        return sorted(self.named("trained"))

    # -- export -----------------------------------------------------------------------------------

    @cached_property
    def example(self) -> str:
        """Sample whose LR image the example of a package is cut from."""
        return (self.named("tested") or self.named("trained") or list(self.rows))[0]

    def about(self, wildcards: Wildcards) -> dict[str, Any]:
        """What the configuration says of a package, named after its model if it gives no name."""
        export = self.settings.export.plain()
        return export | {"name": export["name"] or f"PSSRflow {wildcards.model}"}

    # -- report -----------------------------------------------------------------------------------

    @cached_property
    def template(self) -> str:
        """Hash of the page's template."""
        return fingerprint((str(SCRIPTS / "pssrflow/report/page.html.jinja"),))

    def code_named(self, wildcards: Wildcards) -> list[str]:
        """Code of any stage that the configuration and the sheet choose by name."""
        readers = {name for image in self.images for name in self.raw.readers(image)}
        return sorted({*readers, *self.code.named})

    @cached_property
    def report_rows(self) -> list[dict[str, Any]]:
        """What the report shows of every row: its role, and whether it is an acquired pair."""
        flags = ("role", "paired", "masked")
        return [{"name": n} | {f: getattr(row, f) for f in flags} for n, row in self.rows.items()]


def _kept(path: str, samples: list[str]) -> list[str]:
    """Of some samples those that a file names, by which a choice was made; all if none is there."""
    with contextlib.suppress(OSError, InputError, KeyError):
        before = read_json(path)["samples"]
        return [name for name in before if name in samples] or samples
    return samples

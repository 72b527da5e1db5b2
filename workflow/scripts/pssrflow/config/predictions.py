"""What the rules that predict need of a run."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pssrflow.config.parts import Parts
from pssrflow.config.raw import Raw, Wildcards
from pssrflow.config.samples import SIMULATED, Row
from pssrflow.config.settings import Settings
from pssrflow.errors import InputError
from pssrflow.networks.registry import names, options_of
from pssrflow.run.layout import Layout


@dataclass(frozen=True)
class Predictions:
    """Names and parameters of the rules that predict.

    Attributes
    ----------
    layout : Layout
    settings : Settings
    rows : mapping of str to Row
        Of the sample sheet, by sample.
    raw : Raw
    parts : Parts
    """

    layout: Layout
    settings: Settings
    rows: Mapping[str, Row]
    raw: Raw
    parts: Parts

    @property
    def samples(self) -> list[str]:
        """Rows that are super-resolved."""
        return [name for name, row in self.rows.items() if row.predicted]

    def input_of_all(self, wildcards: Wildcards) -> list[str]:
        """What a prediction waits for where one job makes it all."""
        if self.parts.predicted(wildcards):
            return []
        return [*self.input(wildcards), self.layout.trained(wildcards.model)]

    def shared_plan(self, wildcards: Wildcards) -> list[str]:
        """The plan of a prediction that several jobs share."""
        if not self.parts.predicted(wildcards):
            return []
        return [self.layout.plan(wildcards.sample, wildcards.model)]

    def input(self, wildcards: Wildcards) -> list[str]:
        """What a prediction waits for, besides the network."""
        kinds = ["lr", *(["mask"] if self.rows[wildcards.sample].masked else [])]
        return [self.layout.done(kind, wildcards.sample) for kind in kinds]

    def masked(self, wildcards: Wildcards) -> bool:
        """Whether a prediction has a mask."""
        return self.rows[wildcards.sample].masked

    @cached_property
    def regions(self) -> dict[str, str | None]:
        """What of each predict row is super-resolved; rows with a truth are whole.

        Raises
        ------
        InputError
            `predict.roi` names a sample that is no predict row.
        """
        roi = self.settings.predict.roi
        known = [sample for sample, row in self.rows.items() if not row.has_hr]
        if not isinstance(roi, dict):
            return dict.fromkeys(known, roi)
        for sample in roi:
            if sample not in known:
                raise InputError(
                    "predict.roi",
                    f"{sample!r} is no predict row of {self.settings.samples}",
                    ", ".join(known) or "none, for there is no such row",
                )
        return {**roi}

    def region(self, wildcards: Wildcards) -> str | None:
        """What of a sample is super-resolved; None for all."""
        return self.regions.get(wildcards.sample)

    def deciding(self, wildcards: Wildcards) -> dict[str, Any]:
        """What of the settings decides the pixels of a prediction."""
        archs = self.settings.models[wildcards.model].archs(self.settings.models)
        whole_image = any(options_of(arch).whole_image for arch in archs if arch in names())
        return self.settings.predict.deciding(self.masked(wildcards), whole_image)

    @cached_property
    def planned_by(self) -> dict[str, Any]:
        """What plans a prediction."""
        plain = self.settings.predict.plain()
        return {k: v for k, v in plain.items() if k not in ("parts", "precision", "roi")}

    @cached_property
    def forecast_rows(self) -> list[dict[str, Any]]:
        """What is known of every row that will be super-resolved, before it is ingested."""
        rows = []
        for name in self.samples:
            row = self.rows[name]
            image = self.raw.images[f"{name}/{'hr' if row.crappified else 'lr'}"]
            simulated = image.path.startswith(SIMULATED)
            acquisition = image.path.removeprefix(SIMULATED)
            rows.append(
                {
                    "sample": name,
                    "path": image.path,
                    "simulated": simulated and self.settings.simulate[acquisition].plain(),
                    "overrides": image.overrides,
                    "crappified": row.crappified,
                    "roi": self.regions.get(name),
                    "masked": row.masked,
                }
            )
        return rows

    @cached_property
    def forecast_parts(self) -> dict[str, int]:
        """Jobs of every prediction, by "sample/model"."""
        pairs = itertools.product(self.samples, self.settings.models)
        return {f"{s}/{m}": self.parts.asked_of_prediction(s, m) for s, m in pairs}

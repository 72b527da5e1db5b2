"""What the rule that ingests needs of each raw acquisition."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pssrflow.config.rule_code import Code
from pssrflow.config.samples import OVERRIDES, SIMULATED, Row
from pssrflow.config.settings import Settings
from pssrflow.ingest.readers.formats import readers_of
from pssrflow.run.files import input_paths
from pssrflow.run.layout import Layout
from pssrflow.run.rerun import fingerprint
from pssrflow.volumes.regions import finer_crop

# Reads one half of the counts of an image.
HALF = "pssrflow.ingest.readers.counts:Half"
# Keys of the section that decide nothing that is stored, or that the overrides of an image hold.
ELSEWHERE = ("parts", "info_bar")
# Of Snakemake: the names that a job fills in, as attributes.
Wildcards = Any


@dataclass(frozen=True)
class Image:
    """An image of a row that is ingested.

    Attributes
    ----------
    path : str
        As the sheet says.
    overrides : dict
        What the sheet says instead of the file.
    """

    path: str
    overrides: dict[str, Any]


class Raw:
    """Parameters of images that are ingested.

    Parameters
    ----------
    layout : Layout
    settings : Settings
    rows : mapping of str to Row
        Of the sample sheet, by sample.
    code : Code
    """

    def __init__(self, layout: Layout, settings: Settings, rows: Mapping[str, Row], code: Code):
        self.layout, self.settings, self.rows, self.hashes = layout, settings, rows, code

    @cached_property
    def images(self) -> dict[str, Image]:
        """Images that are ingested, by "sample/kind"."""
        found = {}
        for name, row in self.rows.items():
            bar = {"info_bar": self.settings.ingest.info_bar}
            whole = {o: getattr(row, o) for o in OVERRIDES} | bar
            found[f"{name}/{'hr' if row.has_hr else 'lr'}"] = Image(row.path, whole)
            if row.lr_path:
                said = row.lr_overrides(self.settings.crappify.scale) | bar
                found[f"{name}/lr"] = Image(row.lr_path, said)
            if row.hr2_path:
                found[f"{name}/hr2"] = Image(row.hr2_path, whole)
            if row.halved:
                # By its name, so that no two rows are shared out alike.
                rest = whole | {"counts": row.counts, "key": f"{self.settings.seed} {name}"}
                for half, kind in enumerate(("hr", "hr2")):
                    found[f"{name}/{kind}"] = Image(row.path, rest | {"half": half})
            for kind, path in (("weight", row.weight_path), ("mask", row.mask_path)):
                if path:
                    # One channel for all channels of the image.
                    some = {"axes": row.axes, "crop": self._fine_crop(row), "flat": True}
                    found[f"{name}/{kind}"] = Image(path, some)
        return found

    def _fine_crop(self, row):
        """What a row crops, in HR pixels."""
        if row.has_hr or not row.crop:
            return row.crop
        return finer_crop(row.crop, self.settings.crappify.scale)

    def path(self, wildcards: Wildcards) -> str:
        """Where the acquisition of an image lies."""
        return self._located(self.images[wildcards.image].path)

    def _located(self, text: str) -> str:
        return self.simulated(text) if text.startswith(SIMULATED) else text

    def beside(self, wildcards: Wildcards) -> dict[str, Any] | None:
        """The image of the same field that tells what the sheet does not say of an image."""
        image = self._beside(wildcards)
        if image is None:
            return None
        path, overrides = self._located(self.images[image].path), self.images[image].overrides
        return {
            "path": path,
            "overrides": overrides,
            "scale": self.settings.crappify.scale,
            "mask": wildcards.image.endswith("/mask"),
        }

    def _beside(self, wildcards):
        """HR of an acquired LR image, for its pixel size; of a mask what it may be as large as."""
        sample, kind = wildcards.image.split("/")
        if kind == "lr" and self.rows[sample].paired:
            return f"{sample}/hr"
        if kind != "mask":
            return None
        return f"{sample}/lr" if f"{sample}/lr" in self.images else f"{sample}/hr"

    def simulated(self, text: str) -> str:
        """Where a simulated acquisition lies."""
        name = text.removeprefix(SIMULATED)
        return self.layout.simulated(name, "" if self.in_slices(name) else ".ome.tif")

    def in_slices(self, name: str) -> bool:
        """Whether a simulated acquisition is a folder of slices."""
        return self.settings.simulate[name].format == "slices"

    def done(self, wildcards: Wildcards) -> list[str]:
        """What must be simulated before an image is ingested."""
        images = [wildcards.image]
        if image := self._beside(wildcards):
            images.append(image)
        names = (name for image in images for name in self.simulations(image))
        return list(map(self.layout.simulated_done, names))

    def simulations(self, image: str) -> list[str]:
        """The simulated acquisition that an image is of, if it is one."""
        text = self.images[image].path
        return [text.removeprefix(SIMULATED)] if text.startswith(SIMULATED) else []

    def fingerprint(self, wildcards: Wildcards) -> str | None:
        """Hash of an acquisition, which is no input of Snakemake's."""
        text = self.images[wildcards.image].path
        if text.startswith(SIMULATED):
            return None
        return fingerprint(tuple(map(str, input_paths(text))))

    def params(self, wildcards: Wildcards) -> dict[str, Any]:
        """Section `ingest`, as it holds for an image."""
        # The window of a map of weights ends with the largest.
        weights = wildcards.image.endswith("/weight")
        return self.stored | {"percentiles": [0, 100]} if weights else self.stored

    @cached_property
    def stored(self) -> dict[str, Any]:
        """Section `ingest`, as far as it decides what is stored."""
        return {k: v for k, v in self.settings.ingest.plain().items() if k not in ELSEWHERE}

    def overrides(self, wildcards: Wildcards) -> dict[str, Any]:
        """What the sheet says instead of the file of an image."""
        return self.images[wildcards.image].overrides

    def code(self, wildcards: Wildcards) -> str:
        """Hash of the script and of the readers that an image needs."""
        images = [wildcards.image]
        if image := self._beside(wildcards):
            images.append(image)
        readers = dict.fromkeys(name for image in images for name in self.readers(image))
        return self.hashes.hash("ingest", *readers)

    def readers(self, image: str) -> list[str]:
        """Where the readers of an image are written."""
        text = self.images[image].path
        halves = [HALF] if self.images[image].overrides.get("counts") else []
        if not text.startswith(SIMULATED):
            return [*readers_of(text), *halves]
        # Slices that are yet to be made are known by their names.
        slices = "/*.tif" if self.in_slices(text.removeprefix(SIMULATED)) else ""
        return [*readers_of(self.simulated(text) + slices), *halves]

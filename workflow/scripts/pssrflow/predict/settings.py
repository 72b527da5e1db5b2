"""Section `predict`: how volumes are super-resolved."""

import sys
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from pssrflow.errors import InputError
from pssrflow.jobs import PARTS, Parts
from pssrflow.keys import Fault, Keys, key
from pssrflow.networks.options import Precision
from pssrflow.volumes.regions import parse_roi

Roi = Annotated[str, Field(min_length=3)]


class Settings(Keys):
    """How volumes are super-resolved."""

    tile: Annotated[int, Field(ge=16, le=4096)] | Literal["auto"] = key(
        "auto",
        "LR pixels along y and x that the network makes at once, besides the halo; auto takes the "
        "most that `memory` holds.",
    )
    halo: Annotated[int, Field(ge=0, le=4096)] | Literal["auto"] = key(
        "auto",
        "LR pixels read around a tile; auto measures how many the network needs on these data.",
    )
    memory: int = key(
        4000,
        "Megabytes that a job may use; decides the tile where that is auto.",
        ge=1000,
        le=1_000_000,
    )
    parts: Parts = key("auto", PARTS)
    precision: Precision = key("auto", "As train.precision.")
    blend: Literal["none", "linear", "gaussian"] = key(
        "none",
        "How neighbouring tiles merge: none is exact where the halo holds all that a network sees; "
        "linear and gaussian are for networks that see the whole image.",
    )
    overlap: int = key(
        32, "LR pixels that blended tiles share; at most half a tile.", ge=1, le=1024
    )
    self_ensemble: bool = key(
        False,
        "Average over the eight turns and mirrors of every tile, and keep the standard deviation; "
        "eight times the work.",
    )
    empty: float | Literal["constant"] | None = key(
        None,
        "Tiles that are interpolated instead: constant, those of one grey level; a number, those "
        "with nothing above that grey level; null, none.",
    )
    roi: Roi | dict[str, Roi] | None = key(
        None,
        'Region of predict rows that is super-resolved: "y0:y1, x0:x1" or "z0:z1, y0:y1, x0:x1", '
        'in pixels or with a unit ("10um:60um, 0:40um"); {sample: region} for one each; null for '
        "all.",
    )

    def deciding(self, sparse: bool, whole_image: bool) -> dict[str, Any]:
        """Keys that decide pixels, by more than one grey level; as JSON.

        Where networks see a pixel's surroundings alone and get all of them, how a plane is cut into
        tiles is not among them.

        Parameters
        ----------
        sparse : bool
            Whether a mask leaves tiles out.
        whole_image : bool
            Whether the network may see more than a pixel's surroundings.
        """
        plain = self.plain()
        blended = self.blend != "none"
        found = {key: plain[key] for key in ("halo", "blend", "self_ensemble", "empty")}
        if blended:
            found["overlap"] = self.overlap
        if blended or sparse or whole_image or self.empty is not None or self.halo != "auto":
            found |= {"tile": self.tile} | ({"memory": self.memory} if self.tile == "auto" else {})
        return found

    def faults(self) -> Iterator[Fault]:
        """Regions that no volume has, whatever its size and its pixels."""
        for key_, text in _regions(self.roi):
            try:
                parse_roi(text, (sys.maxsize,) * 3, (1e-9,) * 3)
            except InputError as error:
                yield Fault(key_, f"{error.found}. Accepted: {error.accepted}")


def _regions(roi: str | dict[str, str] | None) -> Iterator[tuple[str, str]]:
    if isinstance(roi, dict):
        yield from ((f"roi.{sample}", text) for sample, text in roi.items())
    elif roi:
        yield "roi", roi

"""Section `ingest`: how acquisitions are stored."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from pssrflow.jobs import PARTS, Parts
from pssrflow.keys import Fault, Keys, key


class Settings(Keys):
    """How acquisitions are stored; z, y, x."""

    chunk: tuple[Annotated[int, Field(ge=1)], ...] = key(
        (1, 256, 256), "Pixels that are compressed together.", min_length=3, max_length=3
    )
    shard: tuple[Annotated[int, Field(ge=1)], ...] = key(
        (1, 2048, 2048), "Pixels in one file; multiples of the chunk.", min_length=3, max_length=3
    )
    percentiles: tuple[Annotated[float, Field(ge=0, le=100)], ...] = key(
        (1, 99),
        "Low and high percentile of every channel: its display window, and 0 and 1 for the "
        "network.",
        min_length=2,
        max_length=2,
    )
    bits: int | None = key(
        None,
        "Depth of the detector of integer images; null takes the fewest bits that hold the data.",
        ge=8,
        le=16,
    )
    black: Annotated[float, Field(ge=-32768, le=65535)] | Literal["auto"] = key(
        "auto",
        "Grey level without signal, from which noise, figures and calibrations count: a value; or "
        "auto, what the file says, else the low end of grey levels that are further away from 0 "
        "than from each other, else 0.",
    )
    info_bar: Annotated[int, Field(ge=0)] | Literal["auto", "keep"] = key(
        "auto",
        "The bar that scanning electron microscopes burn in below an image: auto leaves it out "
        "where the file tells its height or the last rows look like one, and says so; keep; or "
        "how many rows it has.",
    )
    parts: Parts = key("auto", PARTS)

    def faults(self) -> Iterator[Fault]:
        for axis, chunk, shard in zip("zyx", self.chunk, self.shard):
            if shard % chunk:
                yield Fault(
                    "shard",
                    f"{shard} pixels along {axis} are no multiple of the chunk, {chunk}. "
                    f"Accepted: {chunk}, {2 * chunk}, {3 * chunk} ...",
                )
            if chunk % 2 and axis != "z":
                yield Fault("chunk", f"found {chunk} pixels along {axis}. Accepted: an even number")
        low, high = self.percentiles
        if low >= high:
            yield Fault(
                "percentiles", f"found {low:g} and {high:g}. Accepted: a low, then a higher one"
            )

"""Section `jobs`: how long jobs last, on this machine or on a cluster."""

from typing import Annotated, Literal

from pydantic import Field

from pssrflow.keys import Keys, key

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
        0.1, "HR megapixels that are compared with their truth in a second.", gt=0
    )

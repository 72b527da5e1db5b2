"""Section `export`: what model packages say of the networks in them."""

from typing import Annotated, Literal

from pydantic import Field

from pssrflow.keys import Keys, key

# SPDX identifiers.
License = Literal[
    "MIT",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "CC-BY-4.0",
    "CC-BY-SA-4.0",
    "CC-BY-NC-4.0",
    "GPL-3.0-only",
    "GPL-3.0-or-later",
    "LGPL-3.0-or-later",
    "AGPL-3.0-or-later",
    "MPL-2.0",
]


class Author(Keys):
    """Who made the network."""

    name: str = key(..., "Full name.", pattern=r"^[^/\\]+\Z")
    affiliation: str | None = key(None, "Institution.")
    orcid: str | None = key(
        None, "ORCID iD, such as 0000-0002-1825-0097.", pattern=r"^\d{4}-\d{4}-\d{4}-\d{3}[0-9X]\Z"
    )


class Publication(Keys):
    """What to cite."""

    text: str = key(..., "Reference as it is printed.", min_length=1)
    doi: str = key(
        ..., "DOI, such as 10.1038/s41592-021-01080-z.", pattern=r"^10\.[0-9]{4,9}/\S+\Z"
    )


class Settings(Keys):
    """What model packages (snakemake export) say of the networks in them."""

    name: str | None = key(
        None,
        "Title of a package; null for PSSRflow and the name of the model.",
        pattern=r"^[A-Za-z0-9_+() -]{5,64}\Z",
    )
    description: str = key(
        "Super-resolution of point-scanning microscopy.",
        "One or two sentences, what the network is for.",
        min_length=1,
        max_length=1024,
    )
    authors: tuple[Author, ...] = key(
        ({"name": "PSSRflow user"},),
        "Who made it; each may have an affiliation and an orcid (0000-0002-1825-0097).",
        min_length=1,
    )
    license: License = key("MIT", "SPDX identifier of the licence of the weights.")
    cite: tuple[Publication, ...] = key(
        (), "What to cite besides the PSSR paper: [{text: ..., doi: ...}]."
    )
    tags: tuple[Annotated[str, Field(min_length=1)], ...] = key(
        ("super-resolution", "point-scanning", "microscopy", "2d", "pytorch"),
        "Words by which others find the network.",
    )

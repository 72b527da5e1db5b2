"""A checksum over the metadata of a store: a flipped digit of a window or a size is no other one.

Pixels have checksums in their chunks; what says how they are read has one in the attributes.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Attribute of what only this pipeline reads, and its keys: of the metadata of levels, and of all.
OWN, LEVELS, SEAL = "pssrflow", "levels", "seal"
METADATA = "zarr.json"


def fingerprint(content: Any) -> str:
    """Hash of what can be written as JSON, whatever its layout."""
    written = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(written.encode()).hexdigest()


def sealed(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes of a store with their seal, which vouches for those of NGFF and our own."""
    own = {key: value for key, value in attributes[OWN].items() if key != SEAL}
    return {**attributes, OWN: own | {SEAL: fingerprint([attributes.get("ome"), own])}}


def intact(attributes: Mapping[str, Any]) -> bool:
    """Whether attributes are those that were sealed, or were never sealed."""
    found = attributes[OWN].get(SEAL)
    return found is None or found == sealed(attributes)[OWN][SEAL]


def broken(store: Path | str) -> str | None:
    """What is wrong with the metadata of a store in a folder, in words; None if nothing is.

    Parameters
    ----------
    store : path-like
    """
    where = f"{store}/{METADATA}"
    try:
        attributes = json.loads(Path(where).read_bytes())["attributes"]
        if not intact(attributes):
            return f"{where} says something else than was written"
        for level, found in attributes[OWN].get(LEVELS, {}).items():
            where = f"{store}/{level}/{METADATA}"
            if fingerprint(json.loads(Path(where).read_bytes())) != found:
                return f"{where} says something else than was written"
    except FileNotFoundError:
        return f"{where} is gone"
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return f"{where} is damaged"
    return None

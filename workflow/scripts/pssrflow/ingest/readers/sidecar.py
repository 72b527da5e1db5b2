"""Pixel sizes that a JSON file beside an image tells, as in BIDS.

Reference: https://bids-specification.readthedocs.io/en/stable/modality-specific-files/microscopy.html
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pssrflow.volumes.regions import sane_size

Size = tuple[float | None, float | None, float | None]


def sidecar_size(path: Path) -> tuple[Size, Path] | None:
    """Pixel size (z, y, x in micrometer) and the file that tells it; None if none does.

    Parameters
    ----------
    path : Path
        Of an image.
    """
    for sidecar in _sidecars(path):
        if any(size := _size(_content(sidecar))):
            return size, sidecar
    return None


def _size(content: dict[str, Any]) -> Size:
    """One number for y and x, or x, y and perhaps z."""
    values, unit = content.get("PixelSize"), content.get("PixelSizeUnits", "um")
    values = values if isinstance(values, list) else [values] * 2
    x, y, z = ([sane_size(value, unit) for value in values] + [None] * 3)[:3]
    return (z, y, x) if x and y else (None, None, None)


def _sidecars(path: Path) -> Iterator[Path]:
    """JSON files beside an image that are meant for it, the most particular first.

    BIDS lets a file speak for all whose names have its parts and its end.
    """
    *parts, end = path.name.split(".")[0].split("_")
    found = []
    for other in path.parent.glob("*.json"):
        *named, suffix = other.stem.split("_")
        if suffix == end and set(named) <= set(parts):
            found.append((len(named), other))
    yield from (other for _, other in sorted(found, reverse=True))


def _content(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}

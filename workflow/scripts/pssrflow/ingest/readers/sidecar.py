"""What a file beside an image tells: JSON as in BIDS, or the text of its microscope.

Reference: https://bids-specification.readthedocs.io/en/stable/modality-specific-files/microscopy.html
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pssrflow.ingest.readers import sem
from pssrflow.volumes.regions import sane_size

Size = tuple[float | None, float | None, float | None]
# What BIDS tells of the microscope, by our names.
BIDS = {
    "instrument": ("Manufacturer", "ManufacturersModelName"),
    "magnification": ("Magnification",),
    "acquired": ("AcquisitionDate",),
}


@dataclass(frozen=True)
class Beside:
    """What a file beside an image tells.

    Attributes
    ----------
    file : Path
    pixel_size : tuple of (float or None)
        z, y, x in micrometer.
    microscope : dict
    rows : int or None
        As in `Source`.
    """

    file: Path
    pixel_size: Size
    microscope: dict[str, Any]
    rows: int | None = None


def told_beside(path: Path) -> Beside | None:
    """What the files beside an image tell; None if there is nothing that they tell.

    Parameters
    ----------
    path : Path
        Of an image.
    """
    for sidecar in _sidecars(path):
        content = _content(sidecar)
        if any(size := _size(content)):
            return Beside(sidecar, size, _bids(content))
    if found := sem.beside(path):
        told, file = found
        return Beside(file, *told)
    return None


def _bids(content: dict[str, Any]) -> dict[str, Any]:
    told = {
        name: " ".join(str(content[key]) for key in keys if content.get(key))
        for name, keys in BIDS.items()
    }
    return {name: value for name, value in told.items() if value}


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

"""N5: an array of a container, by the path of its folder, such as volume.n5/raw/s0.

Reference: https://github.com/saalfeldlab/n5
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore

from pssrflow.errors import InputError
from pssrflow.ingest.readers.source import Source, check_claims, faults, only_scene
from pssrflow.volumes.regions import sane_size

RANK = 1
NAMES = "N5"

_ATTRIBUTES = "attributes.json"
# Arrays that a message lists.
SHOWN = 8


def recognises(path: str) -> bool:
    """Whether it is a folder that is a container or an array of N5."""
    folder = Path(path)
    return folder.is_dir() and (folder.suffix == ".n5" or (folder / _ATTRIBUTES).is_file())


def open_file(path: str, scene: int | str | None = None) -> Source:
    """Open an array; of a container the only one that there is.

    Raises
    ------
    InputError
        No array, or several.
    """
    only_scene(scene, path)
    folder = _array(Path(path))
    with faults(folder):
        about = _about(folder)
        array = _opened(folder)
        # N5 counts x first, and numpy the slowest axis.
        sizes, chunk = array.shape[::-1], array.chunk_layout.read_chunk.shape
        dtype = np.dtype(array.dtype.numpy_dtype)
        check_claims(folder, math.prod(chunk) * dtype.itemsize, *_claims(folder, sizes, dtype))
    if len(sizes) < 2:
        raise InputError(folder, f"an array of {len(sizes)} axis", "two axes or more")
    return Source(
        files=(folder,),
        axes=_axes(about, len(sizes)),
        sizes=sizes,
        dtype=dtype,
        read=lambda index: array[index[::-1]].read().result().T,
        pixel_size=_pixel_size(about, len(sizes)),
        movable=True,
    )


def _array(folder: Path) -> Path:
    if "dataType" in _about(folder):
        return folder
    found = sorted(_arrays(folder))
    # Levels of one image: the finest is the first.
    finest = [one for one in found if not (one.name[:1] == "s" and one.name[1:].strip("0"))]
    if len(finest) == 1:
        return finest[0]
    listed = ", ".join(str(one) for one in finest[:SHOWN]) or "a folder with an array of N5"
    raise InputError(folder, f"{len(finest)} arrays of N5", f"the path of one of {listed}")


def _arrays(folder: Path) -> Iterator[Path]:
    for attributes in folder.rglob(_ATTRIBUTES):
        if "dataType" in _about(attributes.parent):
            yield attributes.parent


def _about(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / _ATTRIBUTES).read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _opened(folder: Path) -> Any:
    spec = {"driver": "n5", "kvstore": {"driver": "file", "path": f"{folder.resolve()}/"}}
    return tensorstore.open(spec, read=True).result()


def _claims(folder: Path, sizes: Any, dtype: np.dtype[Any]) -> tuple[float, float]:
    stored = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    return float(math.prod(sizes)) * dtype.itemsize, stored


def _axes(about: dict[str, Any], count: int) -> str:
    """Letters, the slowest axis first; `axes` names them as N5 counts, x first."""
    named = "".join(str(a) for a in about.get("axes") or ()).upper()[::-1]
    if len(named) == count and {"Y", "X"} <= set(named) <= set("TCZYX"):
        return named
    return "Q" * (count - 2) + "YX"


def _pixel_size(
    about: dict[str, Any], count: int
) -> tuple[float | None, float | None, float | None]:
    """n5-viewer's `pixelResolution`; a bare `resolution` has no unit, which nobody can guess."""
    given = about.get("pixelResolution")
    if not isinstance(given, dict) or not isinstance(given.get("dimensions"), list):
        return None, None, None
    sizes = [sane_size(one, given.get("unit", "um")) for one in given["dimensions"]]
    x, y, z = (sizes + [None] * 3)[:3]
    return (z if count > 2 else None), y, x

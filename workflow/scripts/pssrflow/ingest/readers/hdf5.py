"""HDF5: an array by its path in the file, such as file.h5:/volumes/raw."""

import json
import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pssrflow.errors import InputError
from pssrflow.ingest.readers.source import Source, check_claims, faults, only_scene
from pssrflow.run.paths import HDF5, parted
from pssrflow.volumes.regions import sane_size

RANK = 5
NAMES = "HDF5 (file.h5:/path)"

# Arrays that a message lists, and that are looked at.
SHOWN, MOST = 8, 10_000


def recognises(path: str) -> bool:
    """Whether the extension is one of HDF5, with or without a path in the file."""
    return Path(parted(path)[0]).suffix.lower() in HDF5


def open_file(path: str, scene: int | str | None = None) -> Source:
    """Open an array of a file; the path in it may be left out where there is but one image.

    Raises
    ------
    InputError
        No HDF5, no such array, several where none is named, or of a codec that is not installed.
    """
    name, inside = parted(path)
    only_scene(scene, path)
    with faults(path):
        try:
            file = h5py.File(name, "r")
        except OSError as error:
            raise InputError(
                name, f"cannot be opened as HDF5 ({error})", "an intact file"
            ) from error
    try:
        with faults(path):
            array = _array(path, file, inside)
            _check(path, array)
            axes, sizes = _axes(array), array.shape
    except BaseException:
        file.close()
        raise
    return Source(
        files=(Path(name),),
        axes=axes,
        sizes=sizes,
        dtype=array.dtype,
        read=lambda index: array[index],
        pixel_size=_pixel_size(array, axes),
        movable=True,
        close=file.close,
    )


def _array(path: str, file: h5py.File, inside: str | None) -> h5py.Dataset:
    if inside is not None:
        found = file.get(inside)
        if isinstance(found, h5py.Dataset):
            return found
        what = "nothing" if found is None else "a group"
        raise InputError(path, f"{what} at {inside}", _listed(file))
    images = _images(file)
    if len(images) != 1:
        raise InputError(path, f"{len(images)} arrays that may be images", _listed(file))
    return file[images[0]]


def _images(file: h5py.File) -> list[str]:
    """Arrays of numbers along two axes or more."""
    seen: list[str] = []

    def look(name: str, node: Any) -> bool | None:
        numbers = isinstance(node, h5py.Dataset) and node.dtype.kind in "uifb"
        if numbers and sum(n > 1 for n in node.shape or ()) >= 2:
            seen.append(f"/{name}")
        return True if len(seen) >= MOST else None

    file.visititems(look)
    return seen


def _listed(file: h5py.File) -> str:
    names = _images(file)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    listed = ", ".join(f"{Path(file.filename).name}:{name}" for name in names[:SHOWN])
    return f"one of {listed}{more}" if names else "a file with an array of two axes or more"


def _check(path: str, array: h5py.Dataset) -> None:
    if array.dtype.kind not in "uifbc" or array.ndim < 2:
        found = f"an array of {array.ndim} axes and data type {array.dtype}"
        raise InputError(path, found, "an array of numbers along two axes or more")
    size = array.dtype.itemsize
    piece = math.prod(array.chunks or ()) * size if array.chunks else 0
    # What was never written takes no place, and reads as the fill value.
    stored = array.id.get_storage_size()
    check_claims(path, piece, float(math.prod(array.shape)) * size, max(stored, 1))


def _axes(array: h5py.Dataset) -> str:
    """Letters that the file gives: dimension labels, or ilastik's axis tags."""
    labels = [str(dimension.label) for dimension in array.dims]
    if not all(labels) and "axistags" in array.attrs:
        labels = [str(tag["key"]) for tag in json.loads(array.attrs["axistags"])["axes"]]
    letters = "".join(labels).upper()
    if len(letters) == array.ndim and {"Y", "X"} <= set(letters) <= set("TCZYX"):
        return letters
    return "Q" * (array.ndim - 2) + "YX"


def _pixel_size(array: h5py.Dataset, axes: str) -> tuple[float | None, float | None, float | None]:
    """ImageJ's and ilastik's `element_size_um`: z, y, x."""
    given = np.atleast_1d(array.attrs.get("element_size_um", ()))
    if len(given) != 3:
        return None, None, None
    z, y, x = (sane_size(float(size), "um") for size in given)
    return (z if "Z" in axes or "Q" in axes else None), y, x

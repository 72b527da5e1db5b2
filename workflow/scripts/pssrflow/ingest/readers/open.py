"""Open a raw acquisition of any format as TCZYX and read rectangles of its planes."""

import glob
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pssrflow.errors import InputError
from pssrflow.ingest.readers.acquisition import Acquisition, Overrides, present
from pssrflow.ingest.readers.colour import as_intensities
from pssrflow.ingest.readers.formats import accepted, expanded, format_of
from pssrflow.ingest.readers.info_bar import without_bar
from pssrflow.ingest.readers.sidecar import told_beside
from pssrflow.ingest.readers.source import Source, describe, faults
from pssrflow.plugins import load
from pssrflow.run.paths import parted
from pssrflow.volumes.regions import apart_by, coarser_crop


def open_acquisition(path: Path | str, overrides: Overrides) -> Acquisition:
    """Open a raw acquisition lazily.

    Parameters
    ----------
    path : path-like
        A file, a folder of slices, a glob, an OME-Zarr (folder or URI).
    overrides : Overrides

    Returns
    -------
    Acquisition

    Raises
    ------
    InputError
        Nothing there, not an image, damaged, or not as the overrides say.
    """
    path, scene = str(path), overrides.scene
    with faults(path):
        _check_there(path)
        source = open_source(expanded(path), None if scene in (None, "") else scene)
    # Headers of many files are read at once, and to look beside each takes long.
    if not (overrides.header and any(source.pixel_size)):
        source = _with_sidecar(source, Path(path))
    try:
        named = _as_named(source, overrides.axes, path)
        if not overrides.header:
            with faults(path):
                named = as_intensities(named, path, overrides.channels, overrides.flat)
                named = without_bar(named, path, overrides.info_bar)
        return present(path, named, overrides)
    except BaseException:
        source.close()
        raise


def completed(
    overrides: Overrides, path: Path | str, beside: Mapping[str, Any] | None
) -> Overrides:
    """Overrides of an image, with what only another image of its field tells.

    Parameters
    ----------
    overrides : Overrides
    path : path-like
        Of the image.
    beside : mapping or None
        Path, overrides and scale of the other image; and whether the image is a mask, which is
        cropped as what it is as large as, rather than an LR image, whose pixel size is expected.

    Raises
    ------
    InputError
        A mask that is as large as neither the HR nor the LR image.
    """
    if beside is None:
        return overrides
    if beside["mask"]:
        return _cropped_alike(overrides, path, beside)
    with open_acquisition(beside["path"], Overrides(**beside["overrides"])) as hr:
        z, *sides = hr.pixel_size
    y, x = (side and side * beside["scale"] for side in sides)
    return replace(overrides, expected=(z, y, x))


def _cropped_alike(mask, path, beside):
    other = Overrides(**beside["overrides"])
    shapes = [_shape(path, mask), _shape(beside["path"], other)]
    bare = replace(other, info_bar="keep")
    if shapes[0] != shapes[1] and (with_bar := _shape(beside["path"], bare)) == shapes[0]:
        # It was drawn on the image with its info bar, which goes from both.
        mask = replace(mask, info_bar=with_bar[3] - shapes[1][3])
        shapes[0] = _shape(path, mask)
    alike = shapes[0][3:] == shapes[1][3:]
    # The other image is the LR image, or else the HR image of a row without one.
    finer, coarser = (apart_by(*pair, beside["scale"]) for pair in (shapes, shapes[::-1]))
    several = all(n in (1, m) for n, m in zip(shapes[0][:3], shapes[1]))
    if not (several and (alike or finer or coarser)):
        raise InputError(
            path,
            f"a mask of t,c,z,y,x = {shapes[0]} for {beside['path']}, {shapes[1]}",
            "a mask as large as the HR or the LR image; one channel, time or plane may hold for "
            "all",
        )
    crop = other.crop if alike else mask.crop
    if crop and coarser and not alike:
        crop = coarser_crop(crop, beside["scale"])
    if crop and shapes[0][2] == 1:
        # One plane for all.
        crop = ",".join(crop.split(",")[-2:])
    return replace(mask, crop=crop)


def _shape(path, said):
    with open_acquisition(path, replace(said, crop=None)) as whole:
        return whole.shape


def _with_sidecar(source, path):
    """A source with what a file beside it tells, where it does not tell it itself."""
    told = told_beside(path) if path.is_file() else None
    if told is None:
        return source
    known = {"microscope": {**told.microscope, **source.microscope}, "rows": source.rows}
    if source.rows is None:
        known["rows"] = told.rows
    if any(told.pixel_size) and not any(source.pixel_size):
        note = f"pixel size from {told.file.name}, beside the image"
        known |= {"pixel_size": told.pixel_size, "notes": (*source.notes, note)}
    return source.changed(**known)


def _check_there(path):
    if "://" in path:
        if ".zarr" not in path:
            found = "remote URIs are read only as OME-Zarr"
            raise InputError(path, found, "a local copy of the file")
    elif not (glob.has_magic(path) or Path(parted(path)[0]).expanduser().exists()):
        raise InputError(path, "there is no such file or folder", "a path that exists")


def open_source(path: str, scene: int | str | None = None) -> Source:
    """Open a path with the reader that recognises it.

    Raises
    ------
    InputError
        No reader does, or the one that does refuses it.
    """
    file = Path(parted(path)[0])
    if file.is_file() and not file.stat().st_size:
        raise InputError(path, "an empty file (0 bytes)", accepted())
    module = format_of(path)
    if module is None:
        raise InputError(path, "neither a file nor a folder", accepted())
    return load(f"{module}:open_file")(path, scene)


def _as_named(source, axes, path):
    """A source whose axes are as the user names them."""
    if not axes:
        if source.unnamed:
            known = "an OME-Zarr image with `multiscales` metadata, or `axes` for an array"
            raise InputError(path, source.unnamed, known)
        return source
    letters = rename_axes(source.axes, source.sizes, axes, path)
    moved = any(
        (a in "YX" or b in "YX") and a != b for a, b in zip(source.axes, letters, strict=True)
    )
    if moved and not source.movable:
        raise InputError(
            path,
            f"axes {axes!r} puts Y and X elsewhere than the planes of the file ({source.axes})",
            f"Y and X where {source.axes!r} has them",
        )
    return replace(source, axes=letters, channels=source.channels if "C" in source.axes else ())


def rename_axes(found: str, sizes: Sequence[int], axes: str, where: str) -> str:
    """Letters for the axes of a file as the user names them.

    Parameters
    ----------
    found : str
        Letters in the file, one for each of `sizes`.
    sizes : sequence of int
    axes : str
        One letter for each axis, or for each axis longer than one.
    where : str
        For the message.

    Returns
    -------
    str
        One letter for each of `sizes`; "?" for axes of length one that `axes` leaves out.

    Raises
    ------
    InputError
        Unknown or repeated letters, no Y or X, or another number of letters than of axes.
    """
    axes = axes.strip().upper()
    has = f"the file has {len(sizes)} axes, {describe(found, sizes)}"
    accepted = "letters of T, C, Z, Y, X (S is C), each once, with Y and X, one for each axis"
    letters = axes.replace("S", "C")
    if set(letters) - set("TCZYX") or len(set(letters)) != len(letters) or {"Y", "X"} - set(axes):
        raise InputError(where, f"axes {axes!r} cannot be used; {has}", accepted)
    if len(axes) == len(sizes):
        return axes
    if "".join(a for a in axes if a in found) == found:
        return found
    long = [i for i, n in enumerate(sizes) if n > 1 or found[i] in "YX"]
    if len(axes) != len(long):
        raise InputError(where, f"axes {axes!r} has {len(axes)} letters; {has}", accepted)
    given = dict(zip(long, axes, strict=True))
    return "".join(given.get(i, "?") for i in range(len(sizes)))

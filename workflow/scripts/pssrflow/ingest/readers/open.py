"""Open a raw acquisition of any format as TCZYX and read rectangles of its planes.

Each format has one module, which gives a `Source` (an array with lettered axes); `acquisition`
presents it as t, c, z, y, x with what the sample sheet overrides.
"""

import glob
from dataclasses import replace
from pathlib import Path

from pssrflow.errors import InputError
from pssrflow.ingest.readers.acquisition import Source, faults, present
from pssrflow.ingest.readers.axes import pick, rename_axes
from pssrflow.ingest.readers.ome_zarr import is_zarr, open_zarr
from pssrflow.ingest.readers.raster import is_raster, open_raster
from pssrflow.ingest.readers.slices import open_slices
from pssrflow.ingest.readers.tiff import is_tiff, open_tiff
from pssrflow.ingest.readers.vendor import ACCEPTED, open_vendor
from pssrflow.run.files import input_paths

# The first whose test holds opens the file; vendors' formats take what is left.
_FILE_READERS = ((is_tiff, open_tiff), (is_raster, open_raster), (Path.is_file, open_vendor))


def open_acquisition(path, axes=None, scene=None, channels=None, crop=None, pixel_size=None):
    """Open a raw acquisition lazily.

    Parameters
    ----------
    path : str
        A file, a folder of slices, a glob, an OME-Zarr (folder or URI).
    axes : str, optional
        What the axes of the file are, such as "ZYX" or "TYX".
    scene : int or str, optional
        Series or scene, by number or name.
    channels : str, optional
        Channels to read, in this order, by number or name: "0,2".
    crop : str, optional
        See `parse_crop`.
    pixel_size : str, optional
        See `parse_pixel_size`; replaces the file's (z only if it is given).

    Returns
    -------
    Acquisition

    Raises
    ------
    InputError
        Nothing there, not an image, damaged, or not as the overrides say.
    """
    path, scene = str(path), None if scene in (None, "") else scene
    with faults(path):
        source = _open_source(path, scene, axes)
    try:
        if axes:
            source = _with_axes(source, axes, path)
        return present(path, source, channels, crop, pixel_size)
    except BaseException:
        source.close()
        raise


def _open_source(path, scene, axes) -> Source:
    if "://" in path:
        return _open_uri(path, scene, axes)
    where = Path(path).expanduser()
    if where.exists():
        return _open_path(where, scene, axes)
    if glob.has_magic(path):
        return _one_scene(open_slices(path, input_paths(path), _open_file), scene, path)
    raise InputError(path, "there is no such file or folder", "a path that exists")


def _open_uri(path, scene, axes):
    if ".zarr" not in path:
        raise InputError(path, "remote URIs are read only as OME-Zarr", "a local copy of the file")
    return open_zarr(path, scene, axes)


def _open_path(path, scene, axes):
    if is_zarr(path):
        return open_zarr(path, scene, axes)
    if path.is_dir():
        return _one_scene(open_slices(str(path), path.iterdir(), _open_file), scene, path)
    return _open_file(path, scene)


def _open_file(path, scene=None):
    if not path.stat().st_size:
        raise InputError(path, "an empty file (0 bytes)", ACCEPTED)
    opener = next((o for test, o in _FILE_READERS if test(path)), None)
    if opener is None:
        raise InputError(path, "neither a file nor a folder", ACCEPTED)
    source = opener(path, scene)
    return _one_scene(source, scene, path) if opener is open_raster else source


def _one_scene(source, scene, path):
    if scene is not None:
        pick(["0"], scene, path, "scene")
    return source


def _with_axes(source, axes, path):
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

"""Any other format, through bioio and the plugins that a user has installed."""

import contextlib
from pathlib import Path

import numpy as np

from pssrflow.errors import InputError
from pssrflow.ingest.readers.formats import accepted
from pssrflow.ingest.readers.recent import Recent
from pssrflow.ingest.readers.source import Source, faults, pick
from pssrflow.volumes.regions import sane_size

# What no other format takes.
RANK = 9

# https://github.com/bioio-devs/bioio lists the plugins, of which some are GPL.
_PLUGINS = {".dv": "bioio-dv", ".sldy": "bioio-sldy"}
# Formats without a reader, and what writes them as OME-TIFF or TIFF.
_FIJI = "Fiji (Plugins > Bio-Formats, then File > Save As > Tiff)"
_EXPORTS = {".nrrd": _FIJI, ".lei": f"LAS AF (Export) or {_FIJI}"}
NAMES = f"and with plugins of bioio {', '.join(_PLUGINS)} and others"


def recognises(path: str) -> bool:
    """Whether the extension is that of a vendor's format, or else whether it is a file at all."""
    file = Path(path)
    return file.suffix.lower() in (*_PLUGINS, *_EXPORTS) or file.is_file()


def open_file(path: str, scene: int | str | None = None) -> Source:
    """Open any file that an installed bioio plugin reads.

    Raises
    ------
    InputError
        No plugin reads it; the message names the package that would.
    """
    reader = _reader(path)
    with faults(path):
        notes = _set_scene(path, reader, scene)
        axes, sizes = reader.dims.order, tuple(reader.dims.shape)
        planes = _Planes(reader, axes)
        pixel_size, channels = _pixel_size(path, reader), _channels(reader)
    return Source(
        files=(Path(path),),
        axes=axes,
        sizes=sizes,
        dtype=np.dtype(reader.dtype),
        read=planes.read,
        pixel_size=pixel_size,
        channels=channels,
        notes=notes,
        close=planes.decoded.kept.clear,
    )


def _reader(path):
    suffix = Path(path).suffix.lower()
    if suffix in _EXPORTS:
        found = f"{suffix} has no reader yet"
        raise InputError(path, found, f"TIFF or OME-TIFF, as written by {_EXPORTS[suffix]}")
    package = _PLUGINS.get(suffix)
    unknown = f"no installed reader takes {suffix or 'files without extension'}"
    try:
        from bioio import BioImage
        from bioio_base.exceptions import UnsupportedFileFormatError
    except ImportError as error:
        hint = f"this file after `pip install bioio {package}`" if package else accepted()
        raise InputError(path, unknown, hint) from error
    with faults(path):
        try:
            return _by_plane(BioImage, path)
        except UnsupportedFileFormatError as error:
            hint = f"this file after `pip install {package}`" if package else accepted()
            raise InputError(path, unknown, hint) from error


def _by_plane(BioImage, path):
    """Ask for chunks of one plane; most plugins know the option, and would else take a volume."""
    try:
        return BioImage(path, chunk_dims=["Y", "X"]).reader
    except TypeError:
        return BioImage(path).reader


def _set_scene(path, reader, scene):
    names = tuple(str(s) for s in reader.scenes)
    if scene is not None:
        reader.set_scene(pick(names, scene, path, "scene"))
    elif len(names) > 1:
        return (f"{len(names)} scenes, {names[0]} is read (set `scene` for another)",)
    return ()


def _pixel_size(path, reader):
    with contextlib.suppress(Exception):
        return tuple(sane_size(s) for s in reader.physical_pixel_sizes)
    return (None, None, None)


def _channels(reader):
    with contextlib.suppress(Exception):
        return tuple(str(n) for n in reader.channel_names or ())
    return ()


class _Planes:
    """Decodes one plane and keeps it, because plugins do not cut rectangles."""

    def __init__(self, reader, axes):
        self.reader, self.axes, self.decoded = reader, axes, Recent()
        # Plugins that override this read the planes asked for; the others read the whole file.
        self.partial = "_read_indexed" in vars(type(reader))

    def read(self, index: tuple) -> np.ndarray:
        plane = tuple(None if a in "YX" else i for a, i in zip(self.axes, index, strict=True))
        (values,) = self.decoded.get([plane], self._decode)
        y, x = self.axes.index("Y"), self.axes.index("X")
        return values[index[y], index[x]]

    def _decode(self, plane):
        fixed = {a: i for a, i in zip(self.axes, plane, strict=True) if i is not None}
        get = self.reader.get_image_data if self.partial else self.reader.get_image_dask_data
        return np.asarray(get("YX", **fixed))

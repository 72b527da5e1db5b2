"""TIFF, OME-TIFF, BigTIFF and ImageJ hyperstacks."""

import contextlib
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import tifffile

from pssrflow.errors import InputError
from pssrflow.ingest.readers.acquisition import Source, describe, faults, pick
from pssrflow.ingest.readers.tiff_metadata import black_level, describe_series, promised_planes
from pssrflow.ingest.readers.tiff_pages import RawReader, SegmentReader, planes_of

RANK = 2
NAMES = "TIFF, OME-TIFF"

_SUFFIXES = (".tif", ".tiff", ".btf", ".lsm")
_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PRIVATE_TAGS = 32768
# Of one image; a list of them all is made while it is opened.
MOST_PLANES = 2_000_000


def recognises(path: str) -> bool:
    """Whether the file is named, or begins, like a TIFF or BigTIFF."""
    file = Path(path)
    return file.suffix.lower() in _SUFFIXES or (file.is_file() and _begins_like_one(file))


def _begins_like_one(file):
    with open(file, "rb") as stream:
        return stream.read(4) in _MAGIC


def open_file(path: str, scene: int | str | None = None) -> Source:
    """Open one series of a TIFF.

    Parameters
    ----------
    path : str
    scene : int or str, optional
        Series, by number or name; the first unless given.

    Raises
    ------
    InputError
        Truncated, corrupt, or without that series.
    """
    file = Path(path)
    with _strict(file) as messages, tifffile.TiffFile(file) as tif:
        _check_promises(file, tif)
        names = [s.name or str(i) for i, s in enumerate(tif.series)]
        if not names:
            raise InputError(path, "a TIFF without images", "a TIFF with at least one image")
        number = 0 if scene is None else pick(names, scene, path, "series")
        series = tif.series[number]
        planes = planes_of(file, series)
        pixel_size, channels = describe_series(tif, number)
        black = black_level(tif)
        several = _several(tif.series) if scene is None else ()
        reader = (RawReader if planes.raw else SegmentReader)(planes, series)
        notes = (*several, *_remarks(series.keyframe, planes.axes), *messages)
    return Source(
        files=tuple(sorted({p.path for p in planes.pages})),
        axes=planes.axes,
        sizes=planes.sizes,
        dtype=series.dtype,
        read=reader.read,
        pixel_size=pixel_size,
        channels=channels or _colours(series.keyframe, planes.axes),
        black=black,
        notes=notes,
        close=reader.close,
    )


def _check_promises(file, tif):
    """Refuse metadata that promise more planes than a file, or a set of files, can hold."""
    for size in promised_planes(tif):
        if size > MOST_PLANES:
            found = f"metadata that promise {size:.3g} planes"
            raise InputError(file, found, f"{MOST_PLANES} planes at most")


class _Catcher(logging.Handler):
    """Keeps what a library logs."""

    def __init__(self, level):
        super().__init__(level)
        self.messages = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@contextlib.contextmanager
def _strict(path: Path) -> Iterator[list[str]]:
    """Refuse what tifffile only logs, because it then returns fewer planes, or zeros."""
    library = logging.getLogger("tifffile")
    catcher = _Catcher(logging.ERROR)
    messages = catcher.messages
    propagate, library.propagate = library.propagate, False
    library.addHandler(catcher)
    try:
        with faults(path):
            yield messages
            _refuse_damage(path, messages)
    except InputError as error:
        # A damaged page list is the cause of whatever was refused after it was met.
        _refuse_damage(path, messages)
        raise error
    finally:
        library.removeHandler(catcher)
        library.propagate = propagate


def _refuse_damage(path, messages):
    for message in messages:
        tag = re.search(r"TiffTag (\d+)", message)
        if tag and int(tag[1]) >= _PRIVATE_TAGS:
            continue
        size, needed = path.stat().st_size, re.search(r"offset (\d+)", message)
        cut = needed and int(needed[1]) >= size
        found = f"truncated: {size} bytes found, more than {needed[1]} needed" if cut else message
        raise InputError(path, found if cut else f"damaged ({found})", "an intact TIFF")


def _several(series):
    if len(series) > 1:
        sizes = "; ".join(describe(s.axes, s.shape) for s in series)
        yield f"{len(series)} series ({sizes}), the first is read (set `scene` for another)"


def _remarks(page, axes):
    if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
        yield "stored with 0 as white; the grey levels are kept as they are stored"
    if "S" in axes and page.planarconfig == tifffile.PLANARCONFIG.SEPARATE:
        yield "planes stored as colours are taken as channels (set `axes` if they are slices)"
    if page.compression in (6, 7):
        yield "compressed with JPEG, which alters noise and fine detail"


def _colours(page, axes):
    coloured = page.photometric in (tifffile.PHOTOMETRIC.RGB, tifffile.PHOTOMETRIC.YCBCR)
    if coloured and "S" in axes:
        return ("red", "green", "blue", "alpha")[: page.samplesperpixel]
    return ()

"""TIFF, OME-TIFF, BigTIFF and ImageJ hyperstacks."""

import contextlib
import logging
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import tifffile

from pssrflow.errors import InputError
from pssrflow.ingest.readers.companion import companion_of, is_companion, read_set
from pssrflow.ingest.readers.source import ALPHA, Source, describe, faults, pick
from pssrflow.ingest.readers.tiff_metadata import (
    NOTHING,
    black_level,
    describe_series,
    microscope,
    promised_planes,
)
from pssrflow.ingest.readers.tiff_pages import RawReader, SegmentReader, planes_of

RANK = 3
NAMES = "TIFF, OME-TIFF"

_SUFFIXES = (".tif", ".tiff", ".btf", ".lsm")
_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# Tags without which pixels cannot be decoded; what is wrong with others is noted.
_STRUCTURE = {
    *(256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284),
    *(317, 322, 323, 324, 325, 330, 338, 339, 347, 530),
}
# Metadata that name series, in tifffile's words.
_WITH_SERIES = ("is_ome", "is_imagej", "is_shaped")
# Of one image; a list of them all is made while it is opened.
MOST_PLANES = 2_000_000


def recognises(path: str) -> bool:
    """Whether the file is named, or begins, like a TIFF or BigTIFF, or holds metadata of a set."""
    file = Path(path)
    named = file.suffix.lower() in _SUFFIXES or is_companion(file)
    return named or (file.is_file() and _begins_like_one(file))


def _begins_like_one(file):
    with open(file, "rb") as stream:
        return stream.read(4) in _MAGIC


def parts_of(path: Path) -> list[Path]:
    """Every TIFF that is read with a part or the metadata of a set; the file alone, if of none.

    What cannot be read is no part of a set: who opens it says why.
    """
    try:
        if is_companion(path):
            text: str | None = path.read_text(encoding="utf-8-sig", errors="replace")
        else:
            with tifffile.TiffFile(path) as tif:
                companion = companion_of(tif)
                text = companion.read_text("utf-8-sig", "replace") if companion else None
                text = text or tif.ome_metadata
        named = ET.fromstring(text or "").iterfind(".//{*}TiffData/{*}UUID")
    except (OSError, ValueError, ET.ParseError, InputError, tifffile.TiffFileError):
        return [path]
    parts = dict.fromkeys(filter(None, (uuid.get("FileName") for uuid in named)))
    there = [path.parent / part for part in parts if (path.parent / part).is_file()]
    return there or [path]


def open_file(path: str, scene: int | str | None = None) -> Source:
    """Open one series of a TIFF, or of the set of TIFFs that it is a part of.

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
    broken: list[str] = []
    with _strict(file) as messages, _opened(file, broken) as (tif, beside):
        names = [s.name or str(i) for i, s in enumerate(tif.series)]
        if not names:
            raise InputError(path, "a TIFF without images", "a TIFF with at least one image")
        number = 0 if scene is None else pick(names, scene, path, "series")
        series = tif.series[number]
        planes = planes_of(file, series)
        pixel_size, channels = _readable(describe_series, tif, number, broken) or (NOTHING, ())
        black = _readable(black_level, tif, number, broken)
        palette = _palette(series.keyframe)
        said, rows = _readable(microscope, tif, number, broken) or ({}, None)
        several = _several(tif.series) if scene is None else ()
        reader = (RawReader if planes.raw else SegmentReader)(planes, series)
        told = map(_of_metadata, dict.fromkeys((*messages, *broken)))
        notes = (*several, *_remarks(series.keyframe, planes.axes), *told)
    return Source(
        files=tuple(sorted({*beside, *(p.path for p in planes.pages)})),
        axes=planes.axes,
        sizes=planes.sizes,
        dtype=series.dtype,
        read=reader.read,
        pixel_size=pixel_size,
        channels=channels or _colours(series.keyframe, planes.axes),
        palette=palette,
        black=black,
        microscope=said,
        rows=rows,
        notes=notes,
        close=reader.close,
    )


@contextlib.contextmanager
def _opened(file, broken):
    """Open a TIFF with its series: those of its metadata, or the pages that lie in it.

    Yields it, and the files beside it that hold its metadata.
    """
    with contextlib.ExitStack() as held:
        companion = file if is_companion(file) else None
        if companion is None:
            tif = held.enter_context(tifffile.TiffFile(file))
            companion = companion_of(tif)
        if companion is not None:
            held.close()
            file, metadata = read_set(companion)
            tif = held.enter_context(tifffile.TiffFile(file, omexml=metadata))
        promised = _promised(file, tif)
        error = _unreadable_series(tif)
        if error is None:
            _check_whole(file, tif, promised)
            yield tif, [companion] if companion else []
            return
    broken.append(error)
    with tifffile.TiffFile(file, **dict.fromkeys(_WITH_SERIES, False)) as tif:
        _check_whole(file, tif, promised)
        yield tif, []


def _unreadable_series(tif):
    """Why the series that metadata name cannot be found; None where they can."""
    try:
        len(tif.series)
    except Exception as error:
        return str(error) or type(error).__name__
    return None


def _promised(file, tif):
    """Planes that metadata promise; refused where that is more than a file can hold."""
    most = max(promised_planes(tif), default=1)
    if most > MOST_PLANES:
        found = f"metadata that promise {most:.3g} planes"
        raise InputError(file, found, f"{MOST_PLANES} planes at most")
    return most


def _check_whole(file, tif, promised):
    """Refuse an ImageJ file that was cut, of which what is left is found as plain pages."""
    pages = len(tif.pages)
    alone = len(tif.series) == 1 and tif.series[0].kind not in ("imagej", "ome")
    if alone and not tif.is_ome and pages < promised:
        found = f"truncated: {pages} of {promised:.0f} planes that its metadata promise"
        raise InputError(file, found, "an intact TIFF")


def _readable(read, tif, number, broken):
    """What metadata say; None, and why, where they cannot be read: the pixels can."""
    try:
        return read(tif, number)
    except Exception as error:
        broken.append(str(error) or type(error).__name__)
        return None


def _of_metadata(reason):
    return f"metadata that cannot be read were left out, the pixels were not ({reason})"


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
        tag = re.search(r"(?:TiffTag |tag #)(\d+)", message)
        if (tag and int(tag[1]) not in _STRUCTURE) or re.search(r"(ImageJ|shaped) series", message):
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


def _palette(page):
    """Colours of the indices of a page, (n, 3); None where its pixels are none."""
    if page.photometric != tifffile.PHOTOMETRIC.PALETTE or page.colormap is None:
        return None
    return page.colormap.T


def _colours(page, axes):
    """Names of the samples of a picture; those that are transparency are called alpha."""
    # Planes stored as colours are channels, whatever the tag says; see `_remarks`.
    if "S" not in axes or page.planarconfig == tifffile.PLANARCONFIG.SEPARATE:
        return ()
    colours = (tifffile.PHOTOMETRIC.RGB, tifffile.PHOTOMETRIC.YCBCR)
    names = ["red", "green", "blue"] if page.photometric in colours else ["grey"]
    more = page.extrasamples
    if len(names) + len(more) != page.samplesperpixel:
        return (*names, ALPHA)[: page.samplesperpixel] if len(names) == 3 else ()
    clear = (tifffile.EXTRASAMPLE.ASSOCALPHA, tifffile.EXTRASAMPLE.UNASSALPHA)
    numbered = (str(len(names) + i) for i in range(len(more)))
    return (*names, *(ALPHA if kind in clear else n for kind, n in zip(more, numbered)))

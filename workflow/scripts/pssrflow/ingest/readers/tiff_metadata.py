"""Pixel sizes and channel names that TIFF files carry, in the dialects of their writers."""

import math
import xml.etree.ElementTree as ET
from typing import Any

from pssrflow.ingest.readers import sem
from pssrflow.volumes.regions import sane_size

Size = tuple[float | None, float | None, float | None]

NOTHING: Size = (None, None, None)


def describe_series(tif: Any, number: int) -> tuple[Size, tuple[str, ...]]:
    """Pixel size (z, y, x in micrometer) and channel names of one series of an open TiffFile."""
    if tif.is_ome and (pixels := _ome_pixels(tif, number)) is not None:
        return _ome_size(pixels), _ome_channels(pixels)
    dialects = (_imagej, _fei, _zeiss, _tescan, _lsm, _resolution)
    found = (dialect(tif, tif.series[number].keyframe) for dialect in dialects)
    return next((size for size in found if any(size)), NOTHING), ()


def promised_planes(tif: Any) -> list[float]:
    """Planes that the OME-XML or ImageJ's metadata of an open TiffFile promise, for each image."""
    if tif.is_ome:
        try:
            pixels = ET.fromstring(tif.ome_metadata).iterfind("{*}Image/{*}Pixels")
        except ET.ParseError:
            return []
        return [math.prod(_count(p.get(f"Size{axis}")) for axis in "TCZ") for p in pixels]
    return [_count((tif.imagej_metadata or {}).get("images"))]


def _count(text):
    try:
        return float(text)
    except (TypeError, ValueError):
        return 1.0


def _ome_pixels(tif, number):
    images = ET.fromstring(tif.ome_metadata).findall("{*}Image")
    if len(images) != len(tif.series):
        images = [i for i in images if i.get("Name") == tif.series[number].name]
        number = 0
    return images[number].find("{*}Pixels") if number < len(images) else None


def _ome_size(pixels):
    # The schema's default unit is the micrometer.
    return tuple(
        sane_size(pixels.get(f"PhysicalSize{a}"), pixels.get(f"PhysicalSize{a}Unit", "um"))
        for a in "ZYX"
    )


def _ome_channels(pixels):
    return tuple(c.get("Name") or str(i) for i, c in enumerate(pixels.findall("{*}Channel")))


def _imagej(tif, page):
    metadata = tif.imagej_metadata or {}
    unit = metadata.get("unit", "pixel")
    x, y = _per_unit(page)
    z = sane_size(metadata.get("spacing"), metadata.get("zunit", unit))
    return z, sane_size(y, metadata.get("yunit", unit)), sane_size(x, unit)


def black_level(tif: Any, _: int = 0) -> float | None:
    """Grey level whose calibrated value is 0 in an open TiffFile of ImageJ; None if none is.

    ImageJ saves signed pixels as unsigned ones, with the straight line that leads back.
    """
    metadata = tif.imagej_metadata or {}
    try:
        straight = int(metadata.get("cf", -1)) == 0
        offset, slope = float(metadata["c0"]), float(metadata["c1"])
    except (KeyError, TypeError, ValueError):
        return None
    return -offset / slope if straight and slope > 0 else None


def microscope(tif: Any, _: int = 0) -> tuple[dict[str, Any], int | None]:
    """What the microscope says of the scan, and how many rows are image, above an info bar."""
    if tif.fei_metadata:
        told = sem.fei(tif.fei_metadata)
        return told.microscope, told.rows
    if found := _tescan_told(tif.pages[0]):
        return found.microscope, found.rows
    return (sem.zeiss(tif.sem_metadata), None) if tif.sem_metadata else ({}, None)


def _fei(tif, page):
    return sem.fei(tif.fei_metadata or {}).pixel_size


def _tescan(tif, page):
    found = _tescan_told(page)
    return found.pixel_size if found else NOTHING


def _tescan_told(page):
    tag = page.tags.get(sem.TESCAN)
    value = tag.value if tag else b""
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    return sem.tescan(text)


def _zeiss(tif, page):
    metadata = tif.sem_metadata or {}
    # The unnamed first entry has the size in meter and in full; the named ones are rounded.
    exact = [sane_size(value, "m") for value in metadata.get("", ())[3:4]]
    named = [_entry(metadata, key) for key in ("ap_image_pixel_size", "ap_pixel_size")]
    known = [size for size in (*exact, *named) if size]
    width = _entry(metadata, "ap_width", page.imagewidth)
    if width and not any(size == named[0] for size in known):
        # An image that was saved with fewer pixels than were scanned names the size of those.
        known = [size for size in known if abs(size / width - 1) < 0.01] or [width]
    size = next(iter(known), None)
    return None, size, size


def _entry(metadata, key, pixels=1):
    """A length of Zeiss's metadata, over a number of pixels."""
    entry = metadata.get(key)
    return sane_size(entry[1] / pixels, entry[2]) if entry else None


def _lsm(tif, page):
    metadata = tif.lsm_metadata or {}
    return tuple(sane_size(metadata.get(f"VoxelSize{a}"), "m") for a in "ZYX")


def _resolution(tif, page):
    """Baseline tags in pixels per centimeter, where they can come from a microscope only.

    Resolutions in inches are those of screens and printers, and so are coarse ones.
    """
    x, y = (sane_size(s, "cm") for s in _per_unit(page))
    plausible = page.resolutionunit == 3 and all(s and s < 10 for s in (x, y))
    return (None, y, x) if plausible else NOTHING


def _per_unit(page):
    """Units per pixel of x and y, None where the tag is absent or zero."""
    tags = (page.tags.get(name) for name in ("XResolution", "YResolution"))
    return tuple(None if tag is None else _inverse(tag.value) for tag in tags)


def _inverse(value):
    """One over a resolution: a fraction as the standard asks, or a number of any type."""
    try:
        above, below = (*value, 1)[:2] if isinstance(value, tuple) else (value, 1)
        return below / above if above else None
    except (TypeError, ValueError):
        return None

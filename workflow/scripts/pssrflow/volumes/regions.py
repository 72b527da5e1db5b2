"""Regions and lengths that a user may write: pixel sizes, crops, regions of interest."""

import functools
import math
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from pssrflow.errors import InputError

# Micrometers in one unit; keys are normalised by `_unit`.
_USER_UNITS = {"pm": 1e-6, "å": 1e-4, "nm": 1e-3, "um": 1.0, "μm": 1.0, "mm": 1e3}
_FILE_UNITS = _USER_UNITS | {
    "picometer": 1e-6,
    "angstrom": 1e-4,
    "nanometer": 1e-3,
    "micron": 1.0,
    "micrometer": 1.0,
    "millimeter": 1e3,
    "cm": 1e4,
    "centimeter": 1e4,
    "m": 1e6,
    "meter": 1e6,
    "inch": 25_400.0,
    "inche": 25_400.0,
    "in": 25_400.0,
}
# A pixel smaller than a hundredth of an atom, or as large as a dot of a printer (300 dpi is 85 um),
# was not calibrated on a microscope. A user may say so all the same.
_SMALLEST, _LARGEST_IN_FILE, _LARGEST = 1e-6, 50.0, 1e3
# A number with a unit.
_LENGTH = re.compile(r"([0-9.]+) *([a-zA-ZåÅÅµμ]+)")
_ACCEPTED_SIZE = (
    "one number for y and x, or three for z, y, x, with a unit: '4.6 nm' or '50, 4.6, 4.6 nm'; "
    "units pm, Å, nm, um, µm, mm; decimal points, not commas"
)
ACCEPTED_COUNTS = (
    "grey levels of one count and, after a comma, of none: '1' or '2.5, 100'; decimal points"
)
_ACCEPTED_CROP = "'y0:y1, x0:x1' or 'z0:z1, y0:y1, x0:x1', with 0 <= start < end <= size"
_ACCEPTED_ROI = f"{_ACCEPTED_CROP}; in pixels, or each number with a unit: '10um:60um, 0um:40um'"


def sane_size(value: float | str | None, unit: str = "um") -> float | None:
    """Length of a pixel in micrometer, or None if the number or its unit cannot be one.

    Parameters
    ----------
    value : float, str or None
        Its sign says only which way planes were taken; a decimal comma is one.
    unit : str
        Any spelling found in microscope files: nm, micron, \\u00B5m, micrometre, um/pixel, ...
    """
    number = _number(value.replace(",", ".") if isinstance(value, str) else value)
    factor = _FILE_UNITS.get(_unit(unit))
    if number is None or factor is None:
        return None
    size = abs(number) * factor
    return size if _SMALLEST <= size <= _LARGEST_IN_FILE else None


def _unit(text: object) -> str:
    text = re.sub(r"\\u00b5", "µ", str(text), flags=re.IGNORECASE)
    text = unicodedata.normalize("NFKC", text).strip().casefold()
    text = re.sub(r"\s*(/|per)\s*(pixel|px|voxel|plane|slice)$", "", text)
    return re.sub(r"metre", "meter", text.rstrip("s") if len(text) > 2 else text)


def parse_pixel_size(text: str) -> tuple[float | None, float, float]:
    """Read a pixel size.

    Parameters
    ----------
    text : str
        "4.6 nm" (y and x) or "50, 4.6, 4.6 nm" (z, y, x).

    Returns
    -------
    tuple of (float or None)
        z, y, x in micrometer; z is None where it is not given.

    Raises
    ------
    InputError
        Not one or three positive numbers with a unit of length.
    """
    items = re.match(r"^(.*?)([a-zA-ZåÅÅµμ]+)$", str(text).strip())
    numbers = [_number(n) for n in items[1].split(",")] if items else []
    factor = _USER_UNITS.get(_unit(items[2])) if items else None
    sizes = [n * factor for n in numbers if n is not None and factor]
    wrong = len(numbers) not in (1, 3) or len(sizes) != len(numbers)
    if wrong or not all(_SMALLEST <= s <= _LARGEST for s in sizes):
        raise InputError("pixel_size", f"{str(text)!r} is not a pixel size", _ACCEPTED_SIZE)
    z, y, x = sizes if len(sizes) == 3 else (None, sizes[0], sizes[0])
    return z, y, x


def parse_counts(text: str) -> tuple[float, float]:
    """Read what one count of a counting detector is.

    Parameters
    ----------
    text : str
        "2.5, 100" or "1".

    Returns
    -------
    tuple of float
        Grey levels of one count, and of none.

    Raises
    ------
    InputError
        Not one or two numbers, or a first one that is not positive.
    """
    numbers = [_number(n) for n in str(text).split(",")]
    gain, dark, *more = numbers if len(numbers) > 1 else [*numbers, 0.0]
    if gain is None or dark is None or more or gain <= 0:
        raise InputError("counts", f"{str(text)!r} is not what a count is", ACCEPTED_COUNTS)
    return gain, dark


def coarser_size(text: str, scale: int) -> str:
    """A pixel size, as `parse_pixel_size` reads it, of pixels `scale` times as large along y, x."""
    z, y, x = parse_pixel_size(text)
    numbers = [y * scale] if z is None else [z, y * scale, x * scale]
    return f"{', '.join(f'{n:.9g}' for n in numbers)} um"


def apart_by(fine: Sequence[int], coarse: Sequence[int], scale: int) -> bool:
    """Whether two images (..., y, x) may show one field, one with pixels `scale` times as large.

    Two frames of one field may differ by a few pixels at the edge, not by a tenth.
    """
    return all(abs(f / (c * scale) - 1) < 0.1 for f, c in zip(fine[-2:], coarse[-2:]))


def finer_crop(text: str, scale: int) -> str:
    """A crop, as `parse_crop` reads it, of the same place in pixels `scale` times as small."""
    *above, y, x = str(text).split(",")
    sides = [
        ":".join(str(int(end) * scale) if end.strip() else "" for end in side.split(":"))
        for side in (y, x)
    ]
    return ", ".join([*(a.strip() for a in above), *sides])


def coarser_crop(text: str, scale: int) -> str:
    """A crop, as `parse_crop` reads it, of the pixels `scale` times as large that lie inside it."""
    *above, y, x = str(text).split(",")
    sides = []
    for side in (y, x):
        start, stop = (end.strip() for end in side.split(":"))
        first = -(-int(start or 0) // scale)
        sides.append(f"{first}:{int(stop) // scale if stop else ''}")
    return ", ".join([*(a.strip() for a in above), *sides])


def _number(text: Any) -> float | None:
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def parse_crop(text: str, shape: Sequence[int]) -> tuple[slice, slice, slice]:
    """Read a crop.

    Parameters
    ----------
    text : str
        "0:512, 100:612" (y, x) or "3:9, 0:512, 100:612" (z, y, x): Python's half-open ranges,
        an end may be left out.
    shape : sequence of int
        ..., z, y, x of what is cropped.

    Returns
    -------
    tuple of slice
        z, y, x with explicit ends.

    Raises
    ------
    InputError
        Not two or three ranges, or a range that is empty or leaves the image.
    """
    sizes, ranges = tuple(shape)[-3:], str(text).split(",")
    if len(ranges) not in (2, 3):
        raise InputError("crop", f"{str(text)!r} has {len(ranges)} range(s)", _ACCEPTED_CROP)
    ranges = [":"] * (3 - len(ranges)) + ranges
    z, y, x = (_range(r, n, a) for r, n, a in zip(ranges, sizes, "zyx", strict=True))
    return z, y, x


def parse_roi(
    text: str, shape: Sequence[int], pixel_size: Sequence[float | None]
) -> tuple[slice, slice, slice]:
    """Read a region of interest: a crop in pixels, or in units of length.

    Parameters
    ----------
    text : str
        As `parse_crop`; every number may have a unit ("10um:60um").
    shape : sequence of int
        z, y, x of the volume.
    pixel_size : sequence of (float or None)
        z, y, x in micrometer.

    Returns
    -------
    tuple of slice
        z, y, x in pixels; lengths are rounded to whole ones.

    Raises
    ------
    InputError
        As `parse_crop`; or a unit where the pixel size is not known.
    """
    ranges = str(text).split(",")
    sizes = [*zip("zyx", pixel_size)][-len(ranges) :]
    pixels = [
        _LENGTH.sub(functools.partial(_in_pixels, axis, size), text)
        for text, (axis, size) in zip(ranges, sizes)
    ]
    try:
        return parse_crop(",".join(pixels) if len(ranges) in (2, 3) else text, shape)
    except InputError as error:
        raise InputError("predict.roi", error.found, _ACCEPTED_ROI) from None


def _in_pixels(axis: str, size: float | None, match: re.Match[str]) -> str:
    number, factor = _number(match[1]), _USER_UNITS.get(_unit(match[2]))
    if number is None or factor is None:
        raise InputError("predict.roi", f"{match[0]!r} is not a length", _ACCEPTED_ROI)
    if size is None:
        raise InputError(
            "predict.roi", f"{match[0]!r}, but the pixel size along {axis} is not known", "pixels"
        )
    return str(round(number * factor / size))


def _range(text: str, size: int, axis: str) -> slice:
    match = re.match(r"^\s*(\d*)\s*:\s*(\d*)\s*$", text)
    if not match:
        raise InputError("crop", f"{text.strip()!r} is not a range of {axis}", _ACCEPTED_CROP)
    start, stop = int(match[1] or 0), int(match[2] or size)
    if not start < stop <= size:
        found = f"{text.strip()!r} of {axis} is empty or leaves the image ({axis} has {size})"
        raise InputError("crop", found, _ACCEPTED_CROP)
    return slice(start, stop)

"""What scanning electron microscopes write of themselves and of a scan.

In tags of their TIFFs: FEI and Thermo Fisher, Zeiss, TESCAN. In a text beside the image: Hitachi,
JEOL, TESCAN. The names of what is told are those of `TOLD`.
"""

import configparser
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pssrflow.volumes.regions import sane_size

Size = tuple[float | None, float | None, float | None]

# Tag of TESCAN's TIFFs.
TESCAN = 50431
HITACHI = "Hitachi"
# What is told, and in which unit.
TOLD = (
    *("instrument", "software", "detector", "mode", "magnification"),
    *("voltage_kv", "dwell_us", "current_na", "working_distance_mm", "acquired"),
)


class Told(NamedTuple):
    """What a microscope says.

    Attributes
    ----------
    pixel_size : tuple of (float or None)
        z, y, x in micrometer.
    microscope : dict
        By the names of `TOLD`.
    rows : int or None
        Rows of the picture that are image, above an info bar; or less than 0, those of the bar.
    """

    pixel_size: Size
    microscope: dict[str, Any]
    rows: int | None


def fei(metadata: Mapping[str, Any]) -> Told:
    """Of the metadata of FEI and Thermo Fisher, as tifffile reads them: sections of keys."""
    part = {name: value for name, value in metadata.items() if isinstance(value, dict)}
    scan, beam = part.get("Scan") or part.get("EScan") or {}, part.get("EBeam", {})
    system, detector, user = (part.get(name, {}) for name in ("System", "Detectors", "User"))
    size = (None, sane_size(scan.get("PixelHeight"), "m"), sane_size(scan.get("PixelWidth"), "m"))
    return Told(
        size,
        _known(
            instrument=_words("FEI", system.get("SystemType") or system.get("Type")),
            software=system.get("Software"),
            detector=detector.get("Name"),
            mode=detector.get("Mode"),
            voltage_kv=_times(part.get("Beam", {}).get("HV", beam.get("HV")), 1e-3),
            dwell_us=_times(scan.get("Dwelltime", scan.get("Dwell")), 1e6),
            current_na=_times(beam.get("BeamCurrent"), 1e9),
            working_distance_mm=_times(part.get("Stage", {}).get("WorkingDistance"), 1e3),
            acquired=_words(user.get("Date"), user.get("Time")),
        ),
        _count(part.get("Image", {}).get("ResolutionY")),
    )


def zeiss(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Of Zeiss's metadata, as tifffile reads them: name, value and perhaps unit of each key."""

    def value(key: str, units: Mapping[str, float] | None = None) -> Any:
        entry: Any = metadata.get(key) or ()
        if units is None:
            return entry[1] if len(entry) > 1 else None
        return _times(entry[1], units.get(entry[2])) if len(entry) > 2 else None

    return _known(
        instrument=_words("Zeiss", value("dp_sem")),
        software=value("sv_version"),
        detector=value("dp_detector_channel") or value("dp_detector_type"),
        magnification=_times(value("ap_mag"), 1),
        voltage_kv=value("ap_actualkv", {"kV": 1, "V": 1e-3}),
        dwell_us=value("dp_dwell_time", {"ns": 1e-3, "\u00b5s": 1, "us": 1, "ms": 1e3}),
        current_na=value("ap_iprobe", {"nA": 1, "pA": 1e-3, "\u00b5A": 1e3}),
        working_distance_mm=value("ap_wd", {"mm": 1, "\u00b5m": 1e-3}),
        acquired=_words(value("ap_date"), value("ap_time")),
    )


def tescan(text: str) -> Told | None:
    """Of TESCAN's text: its tag of a TIFF, or its .hdr beside an image; None if it is none.

    A tag has no sections but binary blocks, of which some are text and one is a small JPEG.
    """
    pairs = re.findall(r"([A-Za-z]\w*)=([^\r\n\0]*)", text, re.ASCII)
    keys = {name.lower(): value.strip() for name, value in pairs}
    if "pixelsizex" not in keys:
        return None
    y, x = (sane_size(keys.get(f"pixelsize{axis}"), "m") for axis in "yx")
    strip = _count(keys.get("imagestripsize"))
    return Told(
        (None, y, x),
        _known(
            instrument=_words("TESCAN", keys.get("devicemodel") or keys.get("device")),
            software=keys.get("softwareversion"),
            detector=keys.get("detector0") or keys.get("detector"),
            mode=keys.get("scanmode"),
            magnification=_times(keys.get("magnification"), 1),
            voltage_kv=_times(keys.get("hv"), 1e-3),
            dwell_us=_times(keys.get("dwelltime"), 1e6),
            current_na=_times(keys.get("predictedbeamcurrent"), 1e9),
            working_distance_mm=_times(keys.get("wd"), 1e3),
            acquired=_words(keys.get("date"), keys.get("time")),
        ),
        -strip if strip else None,
    )


def hitachi(text: str) -> Told | None:
    """Of the text that Hitachi writes beside an image; None if it is none."""
    keys = _ini(text)
    if "instructname" not in keys and "pixelsize" not in keys:
        return None
    size = sane_size(keys.get("pixelsize", "").split(" ")[0], "nm")
    return Told(
        (None, size, size),
        _known(
            instrument=_words(HITACHI, keys.get("instructname")),
            detector=keys.get("signalname"),
            mode=keys.get("scanspeed"),
            magnification=_number(keys.get("magnification")),
            voltage_kv=_times(_number(keys.get("acceleratingvoltage")), 1e-3),
            working_distance_mm=_times(_number(keys.get("workingdistance")), 1e-3),
            acquired=_words(keys.get("date"), keys.get("time")),
        ),
        _count(keys.get("datasize", "").lower().partition("x")[2]),
    )


def jeol(text: str) -> Told | None:
    """Of the text that JEOL writes beside an image, a key and its value on each line."""
    lines = re.findall(r"^\$+(\w+)[ \t]+(.*?)[ \t]*$", text, re.MULTILINE)
    keys = {name.upper(): value for name, value in lines}
    if not any(name.startswith("CM_") for name in keys):
        return None
    # The micro sign, the Greek letter, and what the sign becomes where a text is taken as Japanese.
    marker = re.sub("[\u00b5\u03bc\uff75]", "u", keys.get("SM_MICRON_MARKER", "").lower())
    length = re.fullmatch(r"([0-9.]+) *(nm|um|mm)", marker)
    bar = _number(keys.get("SM_MICRON_BAR"))
    size = sane_size(float(length[1]) / bar, length[2]) if length and bar else None
    full = keys.get("CM_FULL_SIZE", "").split()
    return Told(
        (None, size, size),
        _known(
            instrument=_words("JEOL", keys.get("CM_INSTRUMENT")),
            detector=keys.get("CM_SIGNAL"),
            magnification=_number(keys.get("CM_MAG")),
            voltage_kv=_number(keys.get("CM_ACCEL_VOLT")),
            working_distance_mm=_number(keys.get("SM_WD")),
            acquired=_words(keys.get("CM_DATE"), keys.get("CM_TIME")),
        ),
        _count(full[1]) if len(full) == 2 else None,
    )


def beside(path: Path) -> tuple[Told, Path] | None:
    """What the text beside an image tells, and which file it is."""
    for suffix, readers in ((".txt", (hitachi, jeol)), (".hdr", (tescan,))):
        for file in _named_alike(path, suffix):
            text = _text(file)
            for read in readers:
                if told := read(text):
                    return told, file
    return None


def _named_alike(path: Path, suffix: str) -> Iterable[Path]:
    # TESCAN writes image-tif.hdr.
    names = (path.with_suffix(suffix), path.with_name(f"{path.stem}-{path.suffix[1:]}{suffix}"))
    return [name for name in names if name.is_file()]


def _text(path: Path) -> str:
    """Of a small text in any of the encodings that these programs write."""
    raw = path.read_bytes()[: 1 << 20]
    for encoding in ("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", "cp932"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")


def _ini(text: str) -> dict[str, str]:
    """Keys of all sections together, in lower case."""
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    start = text.find("[")
    try:
        parser.read_string(text[start:] if start >= 0 else "")
    except configparser.Error:
        return {}
    return {key: value for section in parser.sections() for key, value in parser[section].items()}


def _known(**told: Any) -> dict[str, Any]:
    return {name: value for name, value in told.items() if value not in (None, "")}


def _words(*parts: Any) -> str | None:
    """Words beside each other; None where the last one, which tells most, is missing."""
    return " ".join(str(p).strip() for p in parts if p) if parts[-1] else None


def _times(value: Any, factor: float | None) -> float | None:
    try:
        return None if factor is None else float(f"{float(value) * factor:.6g}")
    except (TypeError, ValueError):
        return None


def _number(text: Any) -> float | None:
    """The number that a text begins with, such as "3000 Volt"."""
    found = re.match(r"\s*([-+0-9.]+(?:e[-+]?[0-9]+)?)", str(text or ""), re.IGNORECASE)
    return _times(found[1], 1) if found else None


def _count(value: Any) -> int | None:
    try:
        return int(float(value)) or None
    except (TypeError, ValueError):
        return None

"""OME-TIFF sets whose metadata lie in a file of their own, beside the parts that hold the pixels.

https://docs.openmicroscopy.org/ome-model/latest/ome-tiff/specification.html
"""

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from pssrflow.errors import InputError

ENDING = ".companion.ome"
# Bytes; that of 100,000 planes has 30 MB.
LARGEST = 200_000_000


def is_companion(path: Path | str) -> bool:
    """Whether a file is named as one."""
    return Path(path).name.lower().endswith(ENDING)


def companion_of(tif: Any) -> Path | None:
    """The file beside an open TiffFile that holds its metadata; None if they are its own.

    Raises
    ------
    InputError
        It names one that is not there: nobody can tell which planes it holds.
    """
    text = tif.ome_metadata if tif.is_ome else None
    if not text or "BinaryOnly" not in text:
        return None
    try:
        only = ET.fromstring(text).find("{*}BinaryOnly")
    except ET.ParseError:
        return None
    if only is None or not only.get("MetadataFile"):
        return None
    here = Path(tif.filehandle.path)
    companion = here.parent / Path(str(only.get("MetadataFile"))).name
    if not companion.is_file():
        found = f"a part of a set whose metadata, {companion.name}, are not there"
        raise InputError(here, found, "the whole set in one folder")
    return companion


def read_set(companion: Path) -> tuple[Path, str]:
    """The part that a set begins with, and the metadata of all.

    Raises
    ------
    InputError
        No OME-XML, or it names no part that lies beside it.
    """
    accepted = "OME-XML that names TIFFs beside it"
    if companion.stat().st_size > LARGEST:
        raise InputError(companion, f"more than {LARGEST // 10**6} MB of metadata", accepted)
    text = companion.read_text(encoding="utf-8-sig", errors="replace")
    try:
        root = ET.fromstring(text)
    except ET.ParseError as error:
        raise InputError(companion, f"no XML ({error})", accepted) from None
    named = [uuid.get("FileName") for uuid in root.iterfind(".//{*}TiffData/{*}UUID")]
    parts = list(dict.fromkeys(filter(None, named)))
    lost = [part for part in parts if not (companion.parent / part).is_file()]
    if not parts or lost:
        found = f"{lost[0]} is not there" if lost else "no part is named"
        raise InputError(companion, found, accepted)
    return companion.parent / parts[0], text

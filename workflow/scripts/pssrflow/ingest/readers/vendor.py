"""Vendors' formats by openreadout: CZI, LIF, ND2, OIB, OIF, OIR, VSI, DM3 to DM5, EMD, SER, ...

docs/data.md says why this reader: bytes equal to a second reader's, windows without the mosaic.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openreadout

from pssrflow.errors import InputError
from pssrflow.ingest.readers.recent import Recent
from pssrflow.ingest.readers.source import Source, check_claims, faults, pick
from pssrflow.volumes.regions import sane_size

RANK = 7
NAMES = "CZI, LIF, ND2, OIB, OIF, OIR, VSI, IMS, ZVI, DM3, DM4, EMD, SER"

_SUFFIXES = (
    *(".czi", ".zvi"),
    *(".lif", ".lof", ".xlif", ".xlef"),
    *(".nd2", ".oib", ".oif", ".oir", ".vsi", ".ims"),
    *(".dm3", ".dm4", ".dm5", ".emd", ".ser", ".emi"),
)
# Planes of up to so many bytes are decoded as a whole and kept for the rectangles that come next;
# of larger ones a rectangle is read alone.
WHOLE = 1 << 28
# What an Airyscan's detectors are called where each of them saw an image of its own.
_DETECTOR = "H="


def recognises(path: str) -> bool:
    """Whether the extension is that of a vendor's format."""
    return Path(path).suffix.lower() in _SUFFIXES


def open_file(path: str, scene: int | str | None = None) -> Source:
    """Open one image of a file.

    Parameters
    ----------
    path : str
    scene : int or str, optional
        Scene, series or image, by number or name; the first unless given.

    Raises
    ------
    InputError
        Damaged, without images, raw data of an Airyscan, or of a kind that is not decoded.
    """
    with faults(path):
        file = _opened(path)
    try:
        with faults(path):
            images = [image for image in file.images if image["size_y"] > 1]
            _check_processed(path, images)
            image, notes = _chosen(path, images, scene)
            number = image["index"]
            axes, sizes, dtype = file.dims(number), file.shape(number), _dtype(path, file, image)
            _check_claims(path, sizes, dtype)
    except BaseException:
        file.close()
        raise
    planes = _Planes(file, number, axes, sizes, dtype)
    return Source(
        files=(Path(path),),
        axes=axes,
        sizes=sizes,
        dtype=dtype,
        read=planes.read,
        pixel_size=_pixel_size(image),
        channels=tuple(str(c.get("name") or i) for i, c in enumerate(image.get("channels", ()))),
        microscope=_microscope(image),
        notes=notes,
        close=planes.close,
    )


def _opened(path: str) -> openreadout.File:
    try:
        return openreadout.File(path)
    except openreadout.UnknownFormatError as error:
        found = f"no {Path(path).suffix} file: its beginning is that of none"
        raise InputError(path, found, "an intact file") from error
    except openreadout.OpenReadoutError as error:
        raise InputError(path, _said(error), getattr(error, "hint", None)) from error


def _said(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


def _check_processed(path: str, images: Sequence[Mapping[str, Any]]) -> None:
    """Refuse what each detector of an Airyscan saw: no image of the specimen."""
    if not images:
        raise InputError(path, "no image in it", "a file with an image of two dimensions")
    detectors = {name for i in images if (name := str(i.get("name"))).startswith(_DETECTOR)}
    if len(detectors) > 1:
        found = f"raw Airyscan data, of {len(detectors)} detectors"
        accepted = "what ZEN's Airyscan Processing makes of it, saved as CZI or OME-TIFF"
        raise InputError(path, found, accepted)


def _chosen(
    path: str, images: Sequence[Mapping[str, Any]], scene: int | str | None
) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    names = [str(image.get("name") or i) for i, image in enumerate(images)]
    number = 0 if scene is None else pick(names, scene, path, "scene")
    several = len(images) > 1 and scene is None
    note = f"{len(images)} scenes, {names[0]} is read (set `scene` for another)"
    return images[number], (note,) if several else ()


def _dtype(path: str, file: openreadout.File, image: Mapping[str, Any]) -> np.dtype[Any]:
    try:
        return file.dtype(image["index"])
    except KeyError as error:
        found = f"data type {image['pixel_type']}"
        raise InputError(path, found, "grey levels, for instance the magnitude") from error


def _check_claims(path: str, sizes: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    stored = sum(f.stat().st_size for f in _all_files(Path(path)))
    check_claims(path, 0, float(math.prod(sizes)) * dtype.itemsize, stored)


def _all_files(path: Path) -> Iterator[Path]:
    """The file, and those of a folder beside it that holds its pixels (VSI, OIF)."""
    yield path
    for folder in (path.with_name(f"{path.name}.files"), path.with_name(f"_{path.stem}_")):
        yield from (f for f in folder.rglob("*") if f.is_file())


def _pixel_size(image: Mapping[str, Any]) -> tuple[float | None, float | None, float | None]:
    size = image.get("physical_size", {})
    z, y, x = (sane_size(size.get(axis), size.get("unit", "um")) for axis in "zyx")
    return z, y, x


class _Planes:
    """Reads rectangles: of small planes from the decoded plane, of large ones alone."""

    def __init__(self, file, number, axes, sizes, dtype):
        self.file, self.number, self.axes = file, number, axes
        of = dict(zip(axes, sizes, strict=True))
        plane = of["Y"] * of["X"] * of.get("S", 1) * dtype.itemsize
        self.decoded = Recent() if plane <= WHOLE else None

    def read(self, index: tuple) -> np.ndarray:
        at = dict(zip(self.axes, index, strict=True))
        place = {axis.lower(): at.get(axis, 0) for axis in "CZT"}
        try:
            values = self._rectangle(place, at["Y"], at["X"])
        except openreadout.OpenReadoutError as error:
            where = f"{self.file.path}, image {self.number}"
            raise InputError(where, _said(error), getattr(error, "hint", None)) from error
        return values[..., at["S"]] if "S" in at else values

    def _rectangle(self, place, rows, cols):
        if self.decoded is not None:
            (plane,) = self.decoded.get([tuple(place.items())], self._decode)
            return plane[rows, cols]
        region = cols.start, rows.start, cols.stop - cols.start, rows.stop - rows.start
        return self.file.read_plane(self.number, **place, region=region)

    def _decode(self, place):
        return self.file.read_plane(self.number, **dict(place))

    def close(self) -> None:
        if self.decoded is not None:
            self.decoded.kept.clear()
        self.file.close()


def _microscope(image: Mapping[str, Any]) -> dict[str, Any]:
    """What the microscope says, by the names of `microscope`."""
    instrument, objective = image.get("instrument", {}), image.get("objective", {})
    about = (image.get("extra") or {}).get("microscope", {})
    channels = image.get("channels", ())
    told = {
        "instrument": " ".join(filter(None, map(instrument.get, ("manufacturer", "model")))),
        "software": " ".join(filter(None, map(instrument.get, ("software", "software_version")))),
        "detector": instrument.get("detector"),
        "objective": objective.get("model"),
        "magnification": objective.get("nominal_magnification")
        or about.get("indicated_magnification"),
        "numerical_aperture": objective.get("lens_na"),
        "immersion": objective.get("immersion"),
        "voltage_kv": about.get("voltage_v", 0) / 1000,
        "excitation_nm": _each(channels, "excitation_nm"),
        "exposure_ms": _each(channels, "exposure_ms"),
        "mode": _each(channels, "acquisition_mode"),
        "acquired": image.get("acquired_at"),
    }
    return {name: value for name, value in told.items() if value}


def _each(channels, name):
    found = [c.get(name) for c in channels]
    return found if any(found) else None

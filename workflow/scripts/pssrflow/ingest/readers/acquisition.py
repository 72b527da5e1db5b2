"""A raw acquisition as TCZYX, whatever axes its file has, read rectangle by rectangle."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from pssrflow.errors import InputError
from pssrflow.ingest.readers.pixel_sizes import replaced_size, unknown_size
from pssrflow.ingest.readers.source import ALPHA, CLEAR, Source, describe, faults, located, pick
from pssrflow.plugins import load
from pssrflow.volumes.regions import parse_crop, parse_pixel_size
from pssrflow.volumes.volume import DTYPES

# Pixels to either side of the middle that are looked at, whether they are counts.
LOOKED = 256
# What holds every value of a data type that no store has.
_WIDER = {"bool": "uint8", "int8": "int16", "float16": "float32"}
# Cameras and programs write long integers and doubles of grey levels that a float32 holds as well.
_WHOLE = (
    "{} kept as float32, which holds whole numbers up to 16777216 exactly; its range is that of "
    "its grey levels (`ingest.bits` is of integers): convert to uint16 where they fit"
)
_KEPT = {"i": _WHOLE, "u": _WHOLE, "f": "{} kept as float32, to seven digits"}


@dataclass(frozen=True)
class Overrides:
    """What the sample sheet says instead of the file, as text; None or empty where it is silent.

    Attributes
    ----------
    axes : str or None
        What the axes of the file are, such as "ZYX" or "TYX".
    scene : int, str or None
        Series or scene, by number or name.
    channels : str or None
        Channels to read, in this order, by number or name: "0,2".
    crop : str or None
        See `parse_crop`.
    pixel_size : str or None
        See `parse_pixel_size`; replaces the file's (z only if it is given).
    expected : tuple of (float or None)
        z, y, x in micrometer, as the HR image of the field says; replaces the file's too.
    flat : bool
        Whether all pixels may have one value, as those of a mask.
    info_bar : str or int
        See `without_bar`.
    counts : str or None
        See `parse_counts`; then one half of them is read.
    half : int
        Which: 0 or 1.
    key : str
        See `Half`.
    header : bool
        Whether its header is all that is asked for: nothing is looked for in pixels.
    """

    axes: str | None = None
    scene: int | str | None = None
    channels: str | None = None
    crop: str | None = None
    pixel_size: str | None = None
    expected: tuple[float | None, float | None, float | None] = (None, None, None)
    flat: bool = False
    info_bar: str | int = "keep"
    counts: str | None = None
    half: int = 0
    key: str = ""
    header: bool = False


@dataclass(frozen=True)
class Acquisition:
    """A raw acquisition, open for reading; use it in a `with` block.

    Attributes
    ----------
    source : str
        The path as the user gave it.
    files : tuple of Path
        Every file that holds pixels; of a Zarr its root folder; nothing of a remote one.
    shape : tuple of int
        t, c, z, y, x.
    dtype : numpy.dtype
        uint8, uint16, int16 or float32 in native byte order.
    pixel_size : tuple of (float or None)
        z, y, x in micrometer, None where it is not known.
    origin : tuple of float
        z, y, x of the centre of the first pixel, in pixels; 0 where the file places no image.
    channels : tuple of str
        Names; "0", "1", ... where the file does not say.
    black : float or None
        Grey level without signal, where the file says it.
    microscope : dict
        What the microscope says of itself and of the scan; see `microscope`.
    notes : tuple of str
        Warnings that a user should read.
    """

    source: str
    files: tuple[Path, ...]
    shape: tuple[int, int, int, int, int]
    dtype: np.dtype
    pixel_size: tuple[float | None, float | None, float | None]
    origin: tuple[float, ...]
    channels: tuple[str, ...]
    black: float | None
    microscope: Mapping[str, Any]
    notes: tuple[str, ...]
    _from: Source = field(repr=False)
    _roles: str = field(repr=False)
    _selected: tuple[int, ...] = field(repr=False)
    _corner: tuple[int, int, int] = field(repr=False)
    _half: Any = field(repr=False, default=None)

    def read(self, t: int, c: int, z: int, rows: slice, cols: slice) -> np.ndarray:
        """Read one rectangle of one plane.

        Parameters
        ----------
        t, c, z : int
        rows, cols : slice
            Of the (cropped) acquisition.

        Returns
        -------
        numpy.ndarray
            2-D, in `dtype`.

        Raises
        ------
        InputError
            The file is damaged.
        """
        if not all(0 <= i < n for i, n in zip((t, c, z), self.shape[:3], strict=True)):
            raise IndexError(f"t={t} c={c} z={z} of {self.shape[:3]}")
        z0, y0, x0 = self._corner
        y, x = _shift(rows, y0, self.shape[3]), _shift(cols, x0, self.shape[4])
        at: dict[str, Any] = {"T": t, "C": self._selected[c], "Z": z + z0, "Y": y, "X": x}
        with faults(f"{self.source}, plane t={t} c={c} z={z}"):
            values = self._from.read(tuple(at.get(role, 0) for role in self._roles))
            # What is one bit is black or white.
            values = values * np.uint8(255) if values.dtype.kind == "b" else values
            flipped = self._roles.index("X") < self._roles.index("Y")
            values = np.ascontiguousarray(values.T if flipped else values, dtype=self.dtype)
        if self._half is None:
            return values
        return self._half.taken(values, (t, at["C"], at["Z"], y.start, x.start))

    def close(self) -> None:
        """Free the file handles."""
        self._from.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def present(path: str, source: Source, overrides: Overrides) -> Acquisition:
    """A source as TCZYX, with the user's selection.

    Raises
    ------
    InputError
        Axes or data type that the pipeline does not take, or a selection that is not there.
    """
    roles, guessed = _roles(source, path)
    size = dict(zip(roles, source.sizes, strict=True))
    names = _channel_names(source, size.get("C", 1))
    clear = () if overrides.channels else _transparent(source, names)
    selected = tuple(i for i in range(len(names)) if i not in clear)
    if overrides.channels:
        selected = pick_channels(names, overrides.channels, path)
    zyx = tuple(size.get(a, 1) for a in "ZYX")
    with located(path):
        box = _box(overrides.crop, zyx)
        given = parse_pixel_size(overrides.pixel_size) if overrides.pixel_size else (None,) * 3
    told = zip(given, overrides.expected, source.pixel_size, strict=True)
    z, y, x = (first or second or third for first, second, third in told)
    dtype, rounded = _kept(source.dtype, path)
    found = Acquisition(
        source=path,
        files=source.files,
        shape=(size.get("T", 1), len(selected), *(s.stop - s.start for s in box)),
        dtype=dtype,
        pixel_size=(z, y, x),
        origin=_origin(source.begins, (z, y, x), box),
        channels=tuple(names[i] for i in selected),
        black=source.black,
        microscope=source.microscope,
        notes=(
            *(*source.notes, *guessed),
            *(CLEAR for _ in clear),
            *rounded,
            *unknown_size((z, y, x), zyx),
            *replaced_size((z, y, x), source.pixel_size),
        ),
        _from=source,
        _roles=roles,
        _selected=selected,
        _corner=tuple(s.start for s in box),
    )
    return _halved(found, overrides) if overrides.counts else found


def _halved(found: Acquisition, overrides: Overrides) -> Acquisition:
    """One half of the counts of an acquisition."""
    # Loaded where it is asked for, so that no other image depends on it.
    half = load(f"{__package__}.counts:Half").of(overrides.counts, overrides.half, overrides.key)
    notes = [half.note]
    if not overrides.header:
        # The middle of it, as it is recorded.
        t, c, z, height, width = (n // 2 for n in found.shape)
        rows, cols = (slice(max(0, n - LOOKED), n + LOOKED) for n in (height, width))
        rows, cols = (slice(s.start, min(s.stop, n)) for s, n in zip((rows, cols), found.shape[3:]))
        with located(found.source):
            said = half.checked(found.read(t, c, z, rows, cols))
        notes += [said] if said else []
    return replace(found, notes=(*found.notes, *notes), _half=half)


def _roles(source, path):
    """Role of each axis ("?" for axes of length one that have none), and what was guessed."""
    long = [a for a, n in zip(source.axes, source.sizes, strict=True) if n > 1 and a not in "YX"]
    guess = [a for a in long if a in "QI"]
    to_role = {"S": "C"} | ({guess[0]: "Z"} if len(guess) == 1 and "Z" not in long else {})
    roles = "".join(
        to_role.get(a, a) if n > 1 or a in "YX" else "?"
        for a, n in zip(source.axes, source.sizes, strict=True)
    )
    used = roles.replace("?", "")
    has = describe(source.axes, source.sizes)
    if 0 in source.sizes:
        raise InputError(path, f"the image is empty ({has})", "an image with pixels")
    if set(used) - set("TCZYX") or len(set(used)) != len(used) or {"Y", "X"} - set(used):
        raise InputError(
            path,
            f"its axes ({has}) cannot be taken as t, c, z, y, x",
            "axes T, C, Z, Y, X, each once; name them in the sample sheet's `axes`, or export "
            "another file (a processed image, if this is raw detector data)",
        )
    if "Z" not in to_role.values():
        return roles, ()
    lettered = zip(source.axes, source.sizes, strict=True)
    frames = "".join("T" if a in "QI" else a for a, n in lettered if n > 1 or a in "YX")
    hint = f"if they are frames, write {frames} in the column `axes` of its row"
    return roles, (f"planes of an unnamed axis ({has}) taken as z; {hint}",)


def _channel_names(source, count):
    unique = len(source.channels) == count and len(set(source.channels)) == count
    return source.channels if unique else tuple(str(i) for i in range(count))


def _transparent(source, names):
    """Numbers of samples that hold how transparent a picture is; a channel may be called so."""
    pictured = "S" in source.axes and len(names) > 1
    return tuple(i for i, name in enumerate(names) if pictured and name == ALPHA)


def _box(crop, zyx):
    return parse_crop(crop, zyx) if crop else tuple(slice(0, n) for n in zyx)


def _origin(begins, pixel_size, box):
    """Of what a box leaves, in its pixels; 0 along axes on which the file does not place it."""
    told = zip(begins, pixel_size, box, strict=True)
    return tuple(at / size + side.start if at and size else 0.0 for at, size, side in told)


def _kept(dtype, path):
    """The data type of a store, and notes on values that it does not hold as they are."""
    dtype = np.dtype(dtype).newbyteorder("=")
    if dtype.name in DTYPES or dtype.name in _WIDER:
        return np.dtype(_WIDER.get(dtype.name, dtype.name)), ()
    if dtype.kind not in _KEPT:
        accepted = f"{', '.join(DTYPES)}; convert to float32, for instance the magnitude"
        raise InputError(path, f"data type {dtype.name}", accepted)
    return np.dtype("float32"), (_KEPT[dtype.kind].format(dtype.name),)


def pick_channels(names: Sequence[str], chosen: object, where: object) -> tuple[int, ...]:
    """Indices of the channels that "0,2" or "DNA, actin" names, in that order."""
    indices = tuple(pick(names, c, where, "channel") for c in str(chosen).split(","))
    if len(set(indices)) != len(indices):
        raise InputError(where, f"channels {chosen!r} names one channel twice", "each channel once")
    return indices


def _shift(part, start, size):
    first, last, step = part.indices(size)
    if step != 1 or (part.stop is not None and part.stop > size):
        raise IndexError(f"{part} of an axis of {size}")
    return slice(first + start, last + start)

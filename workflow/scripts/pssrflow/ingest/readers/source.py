"""What a reader of one format finds, and how what is wrong with a file is told."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from pssrflow.errors import InputError

# Bytes that are decoded at once, and how many times what is stored all pixels may be: zstd makes
# one byte of 13,000 zeros.
LARGEST_PIECE, MOST_TIMES = 1 << 32, 20_000
# What readers call the channel of a picture that says how transparent it is.
ALPHA = "alpha"
CLEAR = "alpha (transparency) is left out (`channels` can name it)"


@dataclass(frozen=True)
class Source:
    """What one format's reader found: an array with lettered axes.

    Attributes
    ----------
    files : tuple of Path
    axes : str
        One letter for each axis: T, C, Z, Y, X; S samples; Q or I not known; others as they are.
    sizes : tuple of int
    dtype : numpy.dtype
        As stored, any byte order.
    read : callable
        Takes one index for each axis, an int or (for Y and X) a slice with explicit ends, and
        returns that rectangle. Memory is that of the rectangle where the format
        allows it, else of the chunks that it meets.
    pixel_size : tuple of (float or None)
        z, y, x in micrometer.
    begins : tuple of (float or None)
        z, y, x of the centre of the first pixel, micrometer, where the file places the image.
    channels : tuple of str
        Empty where the file does not say.
    palette : ndarray (n, 3) or None
        Colours in which indices were shown, where pixels are such.
    black : float or None
        Grey level without signal, where the file says it.
    microscope : dict
        What the microscope says of itself and of the scan; see `microscope`.
    rows : int or None
        Rows of a plane that are image, above an info bar; or less than 0, those of the bar. None
        where the file does not say.
    notes : tuple of str
    movable : bool
        Whether any axis may be Y or X, rather than those of the planes in the file.
    unnamed : str
        What it is, where nothing in it says what its axes are; the user must then.
    close : callable
    """

    files: tuple[Path, ...]
    axes: str
    sizes: tuple[int, ...]
    dtype: np.dtype
    read: Callable[[tuple], np.ndarray]
    pixel_size: tuple[float | None, float | None, float | None] = (None, None, None)
    begins: tuple[float | None, float | None, float | None] = (None, None, None)
    channels: tuple[str, ...] = ()
    palette: np.ndarray | None = None
    black: float | None = None
    microscope: Mapping[str, Any] = field(default_factory=dict)
    rows: int | None = None
    notes: tuple[str, ...] = ()
    movable: bool = False
    unnamed: str = ""
    close: Callable[[], None] = lambda: None

    def changed(self, **values: Any) -> Self:
        """Copy with other values of some attributes."""
        return replace(self, **values)


def pick(names: Sequence[str], chosen: object, where: object, what: str) -> int:
    """Index of the item of `names` that `chosen` gives by name or by number.

    Raises
    ------
    InputError
        There is no such item.
    """
    chosen = str(chosen).strip()
    if list(names).count(chosen) == 1:
        return list(names).index(chosen)
    if chosen.isdecimal() and int(chosen) < len(names):
        return int(chosen)
    listed = ", ".join(f"{i} ({n})" if str(i) != n else n for i, n in enumerate(names))
    raise InputError(where, f"there is no {what} {chosen!r}", f"number or name of: {listed}")


def only_scene(chosen: object, where: object) -> None:
    """Refuse any scene but the first of a file that holds one; None takes it.

    Raises
    ------
    InputError
    """
    if chosen is not None:
        pick(["0"], chosen, where, "scene")


def describe(axes: str, sizes: Sequence[int]) -> str:
    """Axes with their sizes, for people: "Z=20, Y=64, X=64"."""
    return ", ".join(f"{a}={n}" for a, n in zip(axes, sizes, strict=True))


@contextlib.contextmanager
def faults(where: object) -> Iterator[None]:
    """Turn what a decoder raises inside the block into an InputError that names `where`."""
    try:
        yield
    except InputError as error:
        raise error
    except MemoryError as error:
        found = "it claims to be larger than memory holds at once"
        raise InputError(where, found, "tiles, strips or chunks of less") from error
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise InputError(
            where, f"the file is damaged or cannot be decoded ({reason})", "an intact file"
        ) from error


def check_claims(where: object, piece: float, whole: float, stored: float) -> None:
    """Refuse what claims to be much larger than it is stored, before anything is allocated.

    Parameters
    ----------
    where : path-like
    piece : float
        Bytes of the largest piece that is decoded at once.
    whole : float
        Bytes of all of it.
    stored : float
        Bytes on the disk.

    Raises
    ------
    InputError
    """
    if piece > LARGEST_PIECE:
        found = f"tiles, strips or chunks of {piece / 1e9:.3g} GB, which are decoded as a whole"
        raise InputError(where, found, f"pieces of {LARGEST_PIECE / 1e9:.1f} GB at most")
    if whole > MOST_TIMES * stored:
        found = f"{stored / 1e6:.3g} MB that claim to hold {whole / 1e6:.3g} MB of pixels"
        raise InputError(where, found, "the whole file; no compression shrinks pixels so far")


@contextlib.contextmanager
def located(path: object) -> Iterator[None]:
    """Put the path of the acquisition before the key that an InputError names."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}, {error.where}", error.found, error.accepted) from None

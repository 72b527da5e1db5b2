"""The bar below the images of scanning electron microscopes, which tells the scale and the beam."""

import numpy as np

from pssrflow.errors import InputError
from pssrflow.ingest.readers.sem import HITACHI
from pssrflow.ingest.readers.source import Source

# A bar's rows are of one grey level but for its words: share of the pixels that are within this
# part of the range of the row's median.
EVEN, NEAR = 0.75, 0.05
# Of rows that are full of words less is even, but that is as bright as the rows below them.
WORDY, ALIKE = 0.55, 0.02
# How even the row above a bar is at most, relative to the bar.
ABRUPT = 0.6
# Words are so much brighter or darker, part of the range, and as many of the pixels at least.
CONTRAST, WORDS = 0.25, 0.002
# A bar's height, rows and share of the image; rows of the image that may follow it.
LEAST, MOST, BELOW = 5, 0.2, 2


def without_bar(source: Source, path: str, wanted: str | int) -> Source:
    """A source without the bar below its images.

    Parameters
    ----------
    source : Source
    path : str
        For messages.
    wanted : str or int
        "keep"; "auto", which takes the rows that the file says are image, else looks for a bar in
        the first plane; or how many rows the bar has.

    Raises
    ------
    InputError
        No row would be left.
    """
    if wanted == "keep" or "Y" not in source.axes:
        return source
    height = source.sizes[source.axes.index("Y")]
    rows = wanted if isinstance(wanted, int) else _rows(source)
    if rows >= height:
        raise InputError(f"{path}, ingest.info_bar", f"{rows} rows of {height}", "less, or keep")
    if not rows:
        return source
    sizes = tuple(n - rows * (a == "Y") for a, n in zip(source.axes, source.sizes, strict=True))
    note = f"the info bar, {rows} rows, is left out (`ingest.info_bar: keep` keeps it)"
    return source.changed(sizes=sizes, notes=(*source.notes, note))


def _rows(source: Source) -> int:
    """Rows of the bar of a source; 0 where there is none."""
    size = dict(zip(source.axes, source.sizes, strict=True))
    # Hitachi may write the bar over the image, and how high both are; that tells nothing.
    over = source.rows == size["Y"] and source.microscope.get("instrument", "").startswith(HITACHI)
    if source.rows is not None and not over:
        return -source.rows if source.rows < 0 else max(0, size["Y"] - source.rows)
    # Pictures of a microscope: one channel, no time.
    if any(size.get(a, 1) > 1 for a in "TCS") or min(size["Y"], size["X"]) < 64:
        return 0
    # The last rows tell most images apart before more of them is decoded.
    last = _bottom(source, size, LEAST + BELOW + 1)
    if not (_even(last) >= EVEN).any():
        return 0
    return bar_rows(_bottom(source, size, int(2 * MOST * size["Y"])), size["Y"])


def _bottom(source: Source, size: dict[str, int], rows: int) -> np.ndarray:
    at = {"Y": slice(size["Y"] - rows, size["Y"]), "X": slice(0, size["X"])}
    values = source.read(tuple(at.get(axis, 0) for axis in source.axes))
    turned = source.axes.index("X") < source.axes.index("Y")
    return values.T if turned else values


def bar_rows(bottom: np.ndarray, height: int) -> int:
    """Rows of the bar at the bottom of an image, with the one above it, which may be mixed.

    Parameters
    ----------
    bottom : ndarray (y, x)
        The lower part of the image, at least twice the height that a bar may have.
    height : int
        Of the image.
    """
    even = _even(bottom)
    rows = (even >= EVEN)[::-1]
    first = int(np.argmax(rows))
    if not rows.any() or first > BELOW:
        return 0
    level = np.median(bottom, axis=1)[::-1]
    alike = np.abs(level - level[first]) <= ALIKE * _span(bottom)
    wordy = (even >= WORDY)[::-1] & alike
    ends = np.flatnonzero(~(rows | wordy)[first:])
    # It ends with a row without words.
    run = 1 + int(np.flatnonzero(rows[first:][: ends[0] if len(ends) else None])[-1])
    total = first + run + 1
    if run < LEAST or total > MOST * height:
        return 0
    bar, above = even[::-1][first : first + run].mean(), even[-total - 1]
    # A bar begins at once; a dark background does not.
    return total if above < ABRUPT * bar and _has_words(bottom, first, run) else 0


def _even(values: np.ndarray) -> np.ndarray:
    """Share of every row that is of one grey level."""
    away = np.abs(values - np.median(values, axis=1, keepdims=True).astype(np.float32))
    even: np.ndarray = (away <= NEAR * _span(values)).mean(axis=1)
    return even


def _span(values: np.ndarray) -> float:
    return float(values.max()) - float(values.min()) or 1.0


def _has_words(bottom: np.ndarray, first: int, run: int) -> bool:
    end = len(bottom) - first
    bar = bottom[end - run : end].astype(np.float32)
    return bool((np.abs(bar - np.median(bar)) > CONTRAST * _span(bottom)).mean() >= WORDS)

"""Pictures with colours: what of them are intensities, and what cannot be taken as such."""

import itertools
from collections.abc import Iterator

import numpy as np

from pssrflow.errors import InputError
from pssrflow.ingest.readers.source import ALPHA, CLEAR, Source
from pssrflow.volumes.blocks import spans

COLOURS = ("red", "green", "blue")
# Pixels that are compared at once.
BAND = 1 << 24
# How bright the eye sees red, green and blue (ITU-R BT.601); and by how much the brightness may
# fall back from one entry of a palette to the next, for it was rounded.
LUMINANCE, ROUNDED = (0.299, 0.587, 0.114), 0.01


def as_intensities(source: Source, path: str, chosen: str | None, labels: bool) -> Source:
    """A source whose channels are intensities.

    Parameters
    ----------
    source : Source
    path : str
        For messages.
    chosen : str or None
        Channels that the user names, which are taken as they are.
    labels : bool
        Whether it is a mask, whose palette shows which label is which.

    Raises
    ------
    InputError
        A picture in colours of which none is named, or a palette whose colours do not become
        brighter with the index.
    """
    if source.palette is not None and not labels:
        _check_palette(source, path)
    if source.channels[:3] != COLOURS or "S" not in source.axes or chosen:
        return source
    if all(_equal(band) for band in _bands(source, 3)):
        return _first_colour(source)
    names = ", ".join(name for name in source.channels if name != ALPHA)
    raise InputError(
        path,
        "a picture in colours",
        f"a grey picture, or `channels` in its row: {names}, or several of them",
    )


def _first_colour(source: Source) -> Source:
    at = source.axes.index("S")
    kept = [i for i in range(len(source.axes)) if i != at]
    return source.changed(
        axes="".join(source.axes[i] for i in kept),
        sizes=tuple(source.sizes[i] for i in kept),
        read=lambda index: source.read((*index[:at], 0, *index[at:])),
        channels=(),
        notes=(
            *source.notes,
            "a picture whose colours are all alike, taken as grey",
            *([CLEAR] if ALPHA in source.channels else []),
        ),
    )


def _equal(band: list[np.ndarray]) -> bool:
    first, *others = band
    return all(np.array_equal(first, other) for other in others)


def _bands(source: Source, samples: int) -> Iterator[list[np.ndarray]]:
    """Every sample of every band of rows of every plane."""
    size = dict(zip(source.axes, source.sizes, strict=True))
    others = [range(size[a]) if a not in "SYX" else [0] for a in source.axes]
    rows = max(1, BAND // size["X"])
    for place, (top, bottom) in itertools.product(
        itertools.product(*others), spans(0, size["Y"], rows)
    ):
        at = {"Y": slice(top, bottom), "X": slice(0, size["X"])}
        yield [
            source.read(tuple(s if a == "S" else at.get(a, i) for a, i in zip(source.axes, place)))
            for s in range(samples)
        ]


def _check_palette(source: Source, path: str) -> None:
    """Refuse a palette of which no brightness tells the index."""
    table = np.asarray(source.palette, np.float64)
    if _grows(table):
        return
    # Entries that no pixel has may be anything.
    used = np.zeros(len(table), bool)
    for band in _bands(source, 1):
        used[np.unique(band[0])[: len(table)].clip(0, len(table) - 1)] = True
    if not _grows(table[used]):
        raise InputError(
            path,
            "a palette whose colours do not become brighter with the index",
            "grey levels, or a palette that goes from dark to bright; of labels, a mask",
        )


def _grows(table: np.ndarray) -> bool:
    steps = np.diff(table @ LUMINANCE) / (table.max() or 1.0)
    return bool((steps >= -ROUNDED).all() or (steps <= ROUNDED).all())

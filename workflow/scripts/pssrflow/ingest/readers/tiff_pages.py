"""Pages of a TIFF series and their pixels: rectangles, without whole planes."""

import itertools
import math
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from pssrflow.errors import InputError
from pssrflow.ingest.readers.recent import Recent
from pssrflow.ingest.readers.source import check_claims, describe

# A band of 2048 rows of an 8-bit plane that is 16384 wide; more would grow with the field.
CACHE_BYTES = 2**25


@dataclass(frozen=True)
class Page:
    """Where the segments of one page lie.

    Attributes
    ----------
    path : Path
    offsets, counts : tuple of int
        Of the segments, bytes.
    tables : bytes or None
        Of JPEG.
    written : tifffile.TiffPage or None
        A page that was written as this one is; None: as the first of the series.
    """

    path: Path
    offsets: tuple[int, ...]
    counts: tuple[int, ...]
    tables: bytes | None = None
    written: Any = None


@dataclass(frozen=True)
class Planes:
    """The pages of a series and how they make up its axes."""

    axes: str
    sizes: tuple[int, ...]
    inner: int
    pages: tuple[Page, ...]
    raw: bool

    def locate(self, index: tuple) -> tuple[int, tuple]:
        """Page, and the index inside it, of an index into the series."""
        outer = len(self.sizes) - self.inner
        lead = index[:outer]
        number = int(np.ravel_multi_index(lead, self.sizes[:outer])) if lead else 0
        return number, index[outer:]


def planes_of(path: Path, series: Any) -> Planes:
    """Pages of a series, all of which the file must hold.

    Raises
    ------
    InputError
        A page is missing, truncated, without pixels, or of another size or data type.
    """
    key = series.keyframe
    axes, sizes = _kept(series.get_axes(False), series.get_shape(False))
    page_axes, page_sizes = _kept(key.axes, key.shape)
    inner = len(page_sizes)
    same = [i for i, a in enumerate(page_axes) if a in "YX"]
    lettered = [axes[len(axes) - inner + i] for i in same] == [page_axes[i] for i in same]
    if sizes[-inner:] != page_sizes or not lettered:
        has = f"axes {describe(axes, sizes)}, pages {describe(page_axes, page_sizes)}"
        raise InputError(path, f"pages that do not fit the series ({has})", "pages of y and x")
    count = math.prod(sizes[:-inner])
    others = _written_otherwise(series)
    raw = key.is_final and not others
    offset = series.dataoffset if raw else None
    if offset is not None:
        pages = _contiguous(path, offset, count, key.nbytes)
    else:
        pages = _listed(path, series, count, raw, others)
    _check_claims(path, key, pages, raw)
    return Planes(axes, sizes, inner, pages, raw)


def _written_otherwise(series):
    """Pages that the description of the first does not decode, by their place in the series.

    tifffile takes the first page's description for all of them; a file to which another program
    appended, or a set of which a part was saved again, holds pages of another byte order, codec,
    predictor or strips.
    """
    key, others, alike = series.keyframe, {}, {}
    for number, page in enumerate(series.pages):
        if page is None or page is key:
            continue
        own = _described(page)
        if own is not None and own.hash != key.hash:
            _check_alike(own, key, number)
            others[number] = alike.setdefault((own.hash, own.parent.filehandle.path), own)
    return others


def _described(page):
    """A page with its own tags; None if it has none, as planes that follow ImageJ's first."""
    if isinstance(page, tifffile.TiffPage):
        return page
    if page.is_virtual:
        return None
    file = page.parent.filehandle
    if file.closed:
        file.open()
    return page.aspage()


def _check_alike(page, key, number):
    """Refuse a page of another size or data type."""
    here, first = (f"{describe(p.axes, p.shape)} of {p.dtype}" for p in (page, key))
    if here != first:
        raise InputError(
            f"{page.parent.filehandle.path}, plane {number}",
            f"{here}, where the first plane is {first}",
            "planes of one size and data type",
        )


def _check_claims(path, key, pages, raw):
    """Compare what the pages claim with what is stored of them."""
    piece = math.prod(key.chunks) * key.dtype.itemsize
    stored = sum(file.stat().st_size for file in {page.path for page in pages})
    check_claims(path, 0 if raw else piece, len(pages) * key.nbytes, stored)


def _kept(axes, sizes):
    """Axes longer than one, and Y and X."""
    pairs = [(a, n) for a, n in zip(axes, sizes, strict=True) if n > 1 or a in "YX"]
    return "".join(a for a, _ in pairs), tuple(n for _, n in pairs)


def _contiguous(path, offset, count, nbytes):
    _require(path, path.stat().st_size, offset + count * nbytes)
    return tuple(Page(path, (offset + i * nbytes,), (nbytes,)) for i in range(count))


def _listed(path, series, count, raw, others):
    if len(series) != count:
        raise InputError(path, f"{len(series)} planes where {count} are promised", "all planes")
    sizes, pages = {}, []
    for number, page in enumerate(series):
        if page is None:
            raise InputError(
                path,
                f"plane {number} of {count} is missing (its metadata promise more planes than "
                "the file, or the files beside it, hold)",
                "a file with all its planes, beside the other files of its set",
            )
        pages.append(_page(page, number, sizes, raw, others.get(number)))
    return tuple(pages)


def _page(page, number, sizes, raw, written):
    path = Path(page.parent.filehandle.path)
    size = sizes.setdefault(path, path.stat().st_size)
    offsets, counts = page.dataoffsets, page.databytecounts
    if raw:
        offsets, counts = offsets[:1], (page.nbytes,)
    ends = [o + c for o, c in zip(offsets, counts, strict=True)]
    _require(f"{path}, plane {number}", size, max(ends, default=0))
    empty = sum(1 for o, c in zip(offsets, counts, strict=True) if not o or not c)
    expected = 1 if raw else math.prod((written or page).chunked)
    if empty or len(offsets) != expected:
        raise InputError(
            f"{path}, plane {number}",
            f"{expected - len(offsets) + empty} of {expected} strips or tiles hold no data",
            "a file that was written to its end",
        )
    return Page(path, tuple(offsets), tuple(counts), page.jpegtables, written)


def _require(where, found, needed):
    if needed > found:
        raise InputError(
            where, f"truncated: {found} bytes found, {needed} needed", "an intact TIFF"
        )


class _Files:
    """Descriptors of the files of a series, opened at the first read of each."""

    def __init__(self, planes: Planes, series: Any):
        self.planes, self.lock = planes, threading.Lock()
        self.descriptors: dict[Path, int] = {}

    def fill(self, page: Page, buffer: np.ndarray, offset: int) -> None:
        """Fill an array with the bytes of the file from `offset`."""
        if page.path not in self.descriptors:
            self.descriptors[page.path] = os.open(page.path, os.O_RDONLY)
        view, done = buffer.reshape(-1).view(np.uint8).data, 0
        while done < len(view):
            got = os.preadv(self.descriptors[page.path], [view[done:]], offset + done)
            if not got:
                raise OSError(f"the file ends at {offset + done}, {len(view) - done} bytes missing")
            done += got

    def read(self, index: tuple) -> np.ndarray:
        """Pixels at an index of the series, whose last two axes are cut."""
        with self.lock:
            return self._read(*self.planes.locate(index))

    def _read(self, number: int, index: tuple) -> np.ndarray:
        """The rectangle `index` of a page."""
        raise NotImplementedError

    def close(self) -> None:
        """Free the descriptors."""
        while self.descriptors:
            os.close(self.descriptors.popitem()[1])


class RawReader(_Files):
    """Uncompressed pages: reads the bytes of the rectangle and no others.

    Not a memory map, whose pages count as the memory of the job.
    """

    def __init__(self, planes: Planes, series: Any):
        super().__init__(planes, series)
        self.dtype, sizes = series.dtype, planes.sizes[-planes.inner :]
        self.dtype = self.dtype.newbyteorder(series.keyframe.parent.byteorder)
        self.y = planes.axes[-planes.inner :].index("Y")
        self.sizes = sizes

    def _read(self, number, index):
        page, y = self.planes.pages[number], self.y
        row, samples = math.prod(self.sizes[y + 1 :]), math.prod(self.sizes[y + 2 :])
        before = int(np.ravel_multi_index(index[:y], self.sizes[:y])) if y else 0
        rows, cols = index[y], index[y + 1]
        out = np.empty((rows.stop - rows.start, cols.stop - cols.start, samples), self.dtype)
        start = before * self.sizes[y] * row + rows.start * row + cols.start * samples
        whole = out.shape[1] == self.sizes[y + 1]
        for i, part in enumerate([out] if whole and out.size else out):
            self.fill(page, part, page.offsets[0] + (start + i * row) * self.dtype.itemsize)
        return out.reshape(*out.shape[:2], *self.sizes[y + 2 :])[:, :, *index[y + 2 :]]


class SegmentReader(_Files):
    """Compressed or tiled pages: decodes the strips or tiles that meet the rectangle."""

    def __init__(self, planes: Planes, series: Any):
        super().__init__(planes, series)
        self.key, self.decoded = series.keyframe, Recent(CACHE_BYTES)
        self.axes = planes.axes[-planes.inner :]

    def _read(self, number, index):
        # tifffile's normal form of a page: separate sample, depth, row, column, joint sample.
        at, written = self._normal(index), self._written(number)
        step, counts = _grid(written)
        keys = [(number, s) for s in self._meeting(at, step, counts)]
        out = np.empty([s.stop - s.start for s in at], self.key.dtype)
        for (_, segment), values in zip(keys, self.decoded.get(keys, self._decode), strict=True):
            place = np.unravel_index(segment, counts)
            self._paste(out, at, [int(i) * s for i, s in zip(place, step, strict=True)], values)
        return out[0, 0, :, :, 0]

    def _written(self, number):
        """Page whose tags say how a page is decoded."""
        return self.planes.pages[number].written or self.key

    def _normal(self, index):
        named = dict(zip(self.axes, index, strict=True))
        spans = [slice(0, 1)] * 5
        spans[2], spans[3] = named.pop("Y"), named.pop("X")
        long = [i for i in (0, 1, 4) if self.key.shaped[i] > 1]
        for i, value in zip(long, named.values(), strict=True):
            spans[i] = slice(value, value + 1)
        return spans

    @staticmethod
    def _meeting(at, step, counts):
        """Numbers of the segments that a rectangle meets."""
        spans = [
            range(a.start // s, math.ceil(a.stop / s)) for a, s in zip(at[:4], step, strict=True)
        ]
        return [int(np.ravel_multi_index(i, counts)) for i in itertools.product(*spans)]

    def _decode(self, key):
        number, segment = key
        page = self.planes.pages[number]
        data = np.empty(page.counts[segment], np.uint8)
        self.fill(page, data, page.offsets[segment])
        decode = self._written(number).decode
        values, *_ = decode(data.tobytes(), segment, jpegtables=page.tables)
        return values

    @staticmethod
    def _paste(out, at, corner, values):
        """Copy the part of a segment that lies in the rectangle."""
        corner, sizes = [*corner, 0], (1, *values.shape)
        low = [max(c, a.start) for c, a in zip(corner, at, strict=True)]
        high = [min(c + n, a.stop) for c, n, a in zip(corner, sizes, at, strict=True)]
        spans = list(zip(low, high, strict=True))
        to = tuple(slice(p - a.start, q - a.start) for (p, q), a in zip(spans, at, strict=True))
        part = tuple(slice(p - c, q - c) for (p, q), c in zip(spans, corner, strict=True))
        out[to] = values[None][part]


def _grid(page):
    """Size of the segments of a page along its axes, and how many there are."""
    if page.is_tiled:
        step = (1, page.tiledepth, page.tilelength, page.tilewidth)
    else:
        step = (1, 1, page.rowsperstrip, page.imagewidth)
    pairs = list(zip(step, page.shaped[:4], strict=True))
    return tuple(min(p) for p in pairs), tuple(math.ceil(n / s) for s, n in pairs)

"""Rectangles of planes of a level; what is damaged or gone is noticed."""

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import tensorstore
import zarr
from zarr.core.sync import sync
from zarr.storage import LocalStore

from pssrflow.errors import InputError
from pssrflow.volumes.blocks import Region, spans
from pssrflow.volumes.intensity import Pixels

# (plane, rows, cols) -> pixels (y, x): a plane is t, c, z; rows and columns have start and stop.
Reader = Callable[[tuple[int, ...], slice, slice], Pixels]
# What tensorstore does at once.
CONCURRENCY = ("data_copy_concurrency", "file_io_concurrency")
# What of a rectangle lies in one shard, and a row and a column of that shard.
Part = tuple[tuple[slice, slice], int, int]
# What a damaged file makes zarr, zarrs and tensorstore raise.
UNREADABLE = (RuntimeError, ValueError, OSError)


class DamagedShard(InputError):
    """A shard is missing, cannot be decoded or holds other pixels than were written.

    Attributes
    ----------
    region : Region
        Of level 0.
    """

    def __init__(self, store: object, region: Region, found: str, accepted: str | None = None):
        super().__init__(f"{store}/0 at t,c,z,y,x = {region.start}", found, accepted)
        self.store, self.region = store, region

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.store, self.region, self.found, self.accepted)


class Rectangles:
    """Reads rectangles of planes of one level.

    A chunk holds a checksum of its pixels. A shard of nothing but zeros is no file, and a file that
    is gone reads as zeros: what reads as zeros must be a file, or known to be empty.

    Parameters
    ----------
    array : zarr.Array
        TCZYX.
    path : str
        Of the store.
    noted : callable (str) -> JSON, optional
        What the store notes of level 0; see `done.finish`. None for other levels.
    """

    def __init__(self, array: zarr.Array[Any], path: str, noted: Callable[[str], Any] | None):
        self.array, self.path, self.noted = array, path, noted
        self.shard = array.shards or array.chunks
        self._get = _opened(array)
        self._empty: list[tuple[int, int]] | None = None

    def read(self, plane: tuple[int, ...], rows: slice, cols: slice) -> Pixels:
        """Pixels of a rectangle; see `Reader`.

        Raises
        ------
        DamagedShard
        """
        try:
            values = np.asarray(self._get(*plane, rows, cols))
        except UNREADABLE as error:
            raise self._damaged(plane, rows, cols, error) from error
        for part, y, x in self._parts(rows, cols):
            if not (values[part][:1].any() or values[part].any()):
                self._check_there(plane, y, x)
        return values

    def _parts(self, rows: slice, cols: slice) -> Iterator[Part]:
        height, width = self.shard[3:]
        pieces = (spans(s.start, s.stop, n) for s, n in ((rows, height), (cols, width)))
        for (top, bottom), (left, right) in itertools.product(*pieces):
            inside = (top, bottom, rows.start), (left, right, cols.start)
            y, x = (slice(a - start, b - start) for a, b, start in inside)
            yield (y, x), top, left

    def _check_there(self, plane: tuple[int, ...], y: int, x: int) -> None:
        number = self._number(plane, y, x)
        if self.noted is None or sync((self.array.store_path / self._key(number)).exists()):
            return
        if self._empty is None:
            self._empty = self.noted("empty") or []
        if not any(first <= number < first + count for first, count in self._empty):
            raise self._damage(number, "its file is missing")

    def _number(self, plane: tuple[int, ...], y: int, x: int) -> int:
        place = [n // s for n, s in zip((*plane, y, x), self.shard)]
        return int(np.ravel_multi_index(place, self._grid()))

    def _grid(self) -> tuple[int, ...]:
        return tuple(-(-n // s) for n, s in zip(self.array.shape, self.shard))

    def _place(self, number: int) -> tuple[int, ...]:
        return tuple(map(int, np.unravel_index(number, self._grid())))

    def _key(self, number: int) -> str:
        return self.array.metadata.encode_chunk_key(self._place(number))

    def _damage(self, number: int, found: str) -> DamagedShard:
        place = self._place(number)
        start = tuple(i * s for i, s in zip(place, self.shard))
        stop = tuple(min(a + s, n) for a, s, n in zip(start, self.shard, self.array.shape))
        region = Region(start, stop)
        return DamagedShard(self.path, region, f"{self._key(number)}: {found}", self._mended())

    def _mended(self) -> str:
        files = (self.noted and self.noted("remade_without")) or ["its done file"]
        return f"the store made anew, by the same command after: rm {' '.join(files)}"

    def _damaged(
        self, plane: tuple[int, ...], rows: slice, cols: slice, error: Exception
    ) -> DamagedShard:
        """Names the shard of a rectangle that cannot be read."""
        parts = list(self._parts(rows, cols))
        _, y, x = next((p for p in parts if not self._readable(plane, p, rows, cols)), parts[0])
        said = f"this shard cannot be read ({str(error).splitlines()[0]})"
        return self._damage(self._number(plane, y, x), said)

    def _readable(self, plane: tuple[int, ...], part: Part, rows: slice, cols: slice) -> bool:
        (y, x), *_ = part
        inside = (slice(s.start + o.start, s.stop + o.start) for s, o in ((y, rows), (x, cols)))
        try:
            self._get(*plane, *inside)
        except UNREADABLE:
            return False
        return True


def _opened(array: zarr.Array[Any]) -> Callable[..., Any]:
    if not isinstance(array.store, LocalStore):
        return lambda *place: array[place]
    workers = {"limit": zarr.config.get("threading.max_workers") or os.cpu_count()}
    context = tensorstore.Context({name: workers for name in CONCURRENCY})
    folder = {"driver": "file", "path": str(array.store.root / array.path)}
    spec = {"driver": "zarr3", "kvstore": folder}
    opened = tensorstore.open(spec, context=context).result()
    return lambda *place: opened[place].read().result()


def ranges(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Ascending numbers as (first, how many), shortest where many follow each other."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        first, count = found[-1] if found else (number, 0)
        if found and first + count == number:
            found[-1] = first, count + 1
        else:
            found.append((number, 1))
    return found

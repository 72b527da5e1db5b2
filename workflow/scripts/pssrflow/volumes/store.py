"""OME-Zarr volumes (OME-NGFF 0.5, Zarr v3): create, read, fill shard by shard.

Reference: https://ngff.openmicroscopy.org/0.5/
"""

import hashlib
import itertools
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import tensorstore
import zarr
from zarr.codecs import ZstdCodec
from zarr.core.sync import sync
from zarr.storage import LocalStore

from pssrflow.errors import InputError
from pssrflow.run.remote import is_remote, storage_options
from pssrflow.volumes.blocks import Region, spans
from pssrflow.volumes.intensity import Pixels
from pssrflow.volumes.ngff import attributes, volume_of
from pssrflow.volumes.volume import AXES, Volume

Array = zarr.Array[Any]

# (plane, rows, cols) -> pixels (y, x): a plane is t, c, z; rows and columns have start and stop.
Reader = Callable[[tuple[int, ...], slice, slice], Pixels]
# What tensorstore does at once.
CONCURRENCY = ("data_copy_concurrency", "file_io_concurrency")
# What of a rectangle lies in one shard, and a row and a column of that shard.
Part = tuple[tuple[slice, slice], int, int]
# What a damaged file makes zarr, zarrs and tensorstore raise.
UNREADABLE = (RuntimeError, ValueError, OSError)
# Attribute of what only this pipeline reads.
OWN = "pssrflow"
# benchmarks/codec_pipeline.py measures the pipelines; this one reads and writes shards fastest.
# zarr writes chunks of nothing but zeros too; zarrs leaves them out, and they read as zeros.
zarr.config.set(
    {"codec_pipeline.path": "zarrs.ZarrsCodecPipeline", "array.write_empty_chunks": True}
)


class Store:
    """An OME-Zarr volume of this pipeline; what is opened of it stays open.

    Parameters
    ----------
    path : path-like or str
        A folder or a URI.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        self.options = storage_options(path)
        self._volume: Volume | None = None
        self._arrays: dict[tuple[int, str], Array] = {}
        self._readers: dict[int, Reader] = {}

    def __reduce__(self) -> tuple[type, tuple[str]]:
        # Arrays and readers are opened anew in another process.
        return Store, (self.path,)

    def __str__(self) -> str:
        return self.path

    @property
    def volume(self) -> Volume:
        """What the metadata say."""
        if self._volume is None:
            group = zarr.open_group(self.path, mode="r", storage_options=self.options)
            self._volume = volume_of(dict(group.attrs), self.level())
        return self._volume

    def create(self, volume: Volume, run: str = "") -> None:
        """Make it empty, with all its levels; an earlier one of the same run is removed first.

        Parameters
        ----------
        volume : Volume
        run : str
            The run that the store belongs to; empty for one that is nobody's.

        Raises
        ------
        InputError
            Something else stands there, or the store of another run.
        """
        self.discard(run)
        group = zarr.open_group(
            self.path,
            mode="w",
            zarr_format=3,
            attributes={"pssrflow": {"run": run}},
            storage_options=self.options,
        )
        for level, shape in enumerate(volume.level_shapes()):
            group.create_array(
                str(level),
                shape=shape,
                dtype=volume.dtype,
                chunks=(1, 1, *volume.chunk),
                shards=volume.shard_shape(level),
                # A flipped byte is an error, not another grey level.
                compressors=[ZstdCodec(level=1, checksum=True)],
                dimension_names=AXES,
            )
        self.describe(volume)

    def describe(self, volume: Volume, **own: Any) -> None:
        """Write what the metadata say, and more that only this pipeline reads (JSON)."""
        group = zarr.open_group(self.path, mode="r+", storage_options=self.options)
        made = attributes(Path(self.path).name, volume)
        group.attrs.update(made | {OWN: noted(group) | made[OWN] | own})
        self._volume = volume

    def own(self, key: str) -> Any:
        """What the store says to this pipeline alone; None if nothing."""
        group = zarr.open_group(self.path, mode="r", storage_options=self.options)
        return noted(group).get(key)

    def discard(self, run: str = "") -> None:
        """Remove it, if it is there.

        Raises
        ------
        InputError
            Something else stands there, or the store of another run.
        """
        self._volume = None
        self._arrays.clear()
        self._readers.clear()
        if is_remote(self.path):
            self._discard_remote(run)
            return
        path = Path(self.path)
        # Renamed before it is removed: what a kill leaves must not look like a store.
        trash = path.with_name(f".{path.name}.removed")
        shutil.rmtree(trash, ignore_errors=True)
        if not path.exists():
            return
        if any(path.iterdir()):
            self._check_own(run)
        path.rename(trash)
        shutil.rmtree(trash)

    def _discard_remote(self, run: str) -> None:
        files, folder = fsspec.url_to_fs(self.path, **(self.options or {}))
        if not files.exists(folder):
            return
        self._check_own(run)
        # The root says whose it is, so it goes last: a kill leaves what can be removed again.
        for name in files.ls(folder, detail=False):
            if not name.endswith("/zarr.json"):
                files.rm(name, recursive=True)
        files.rm(folder, recursive=True)

    def _check_own(self, run: str) -> None:
        try:
            found = noted(zarr.open(self.path, mode="r", storage_options=self.options))
        except (FileNotFoundError, ValueError, KeyError):
            raise InputError(
                self.path, "something that PSSRflow did not write", "another `results` folder"
            ) from None
        owner = found.get("run")
        if owner and run and owner != run:
            raise InputError(
                self.path,
                f"the store of another run (results {owner.rpartition(' ')[0]!r})",
                "other `stores`, or remove this store if that run is over",
            )

    @property
    def levels(self) -> int:
        """Levels of its pyramid."""
        return len(self.volume.level_shapes())

    def level(self, number: int = 0, mode: str = "r") -> Array:
        """The array of one level of the pyramid, TCZYX."""
        if (number, mode) not in self._arrays:
            self._arrays[number, mode] = zarr.open_array(
                f"{self.path}/{number}", mode=mode, storage_options=self.options
            )
        return self._arrays[number, mode]

    def reader(self, level: int = 0) -> Reader:
        """Function that reads rectangles of planes of a level.

        By tensorstore where the store is a folder: rectangles of several shards are read four to
        ten times as fast as by zarr and zarrs (benchmarks/codec_pipeline.py). Raises `DamagedShard`
        where a shard cannot be decoded or, on level 0, is gone.
        """
        if level not in self._readers:
            noted = self.own if level == 0 else None
            self._readers[level] = Rectangles(self.level(level), self.path, noted).read
        return self._readers[level]

    def write(self, region: Region, values: Pixels, level: int = 0) -> str:
        """Write one whole shard of a level; see `write_shard`."""
        return write_shard(self.level(level, "r+"), region, values)


def noted(node: zarr.Group | Array) -> dict[str, Any]:
    """What only this pipeline reads of the attributes of a store; KeyError if it is not ours."""
    found: Any = node.attrs.asdict()[OWN]
    return dict(found)


def write_shard(array: Array, region: Region, values: Pixels) -> str:
    """Write one whole shard and return the digest of its pixels.

    One writer owns a shard: a smaller or shifted region would make zarr read the file, change it
    and write it again, which two writers cannot do at once.

    Raises
    ------
    InputError
        The disk is full, or nobody may write there.
    """
    shard = array.shards or array.chunks
    aligned = all(a % s == 0 for a, s in zip(region.start, shard))
    whole = all(
        b == min(a + s, n) for a, b, s, n in zip(region.start, region.stop, shard, array.shape)
    )
    if not (aligned and whole):
        raise AssertionError(f"{region} is not a whole shard of {shard} in {array.shape}")
    # What a killed job left may not decode, and zarr would read it where an edge cuts the shard.
    key = array.metadata.encode_chunk_key(tuple(a // s for a, s in zip(region.start, shard)))
    try:
        sync((array.store_path / key).delete())
        array[region.slices] = values
    except (RuntimeError, OSError) as error:
        raise InputError(
            array.store_path / key,
            f"this shard cannot be written ({error})",
            f"room and permission to write there (up to {array.nbytes / 1e6:.0f} MB for the whole "
            "volume, and a third more for its pyramid); the same command then goes on where it was",
        ) from error
    return digest(values)


def digest(values: Pixels) -> str:
    """SHA-256 of the pixels of `values`, in C order and little-endian."""
    values = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<"), copy=False)
    return hashlib.sha256(values.data).hexdigest()


# -- rectangles, of which damage is noticed --------------------------------------------------------


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

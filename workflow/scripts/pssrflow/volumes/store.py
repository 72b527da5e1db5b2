"""OME-Zarr volumes (OME-NGFF 0.5, Zarr v3): create, read, fill shard by shard.

Reference: https://ngff.openmicroscopy.org/0.5/
"""

import hashlib
import os
import shutil
from collections.abc import Callable
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
from pssrflow.volumes.blocks import Region
from pssrflow.volumes.intensity import Pixels
from pssrflow.volumes.ngff import attributes, volume_of
from pssrflow.volumes.volume import AXES, Volume

Array = zarr.Array[Any]
# (plane, rows, cols) -> pixels (y, x): a plane is t, c, z; rows and columns have start and stop.
Reader = Callable[[tuple[int, ...], slice, slice], Pixels]

# What tensorstore does at once.
CONCURRENCY = ("data_copy_concurrency", "file_io_concurrency")

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

    def create(self, volume: Volume) -> None:
        """Make it empty, with all its levels; an earlier one of this pipeline is removed first.

        Raises
        ------
        InputError
            Something else stands there.
        """
        self.discard()
        group = zarr.open_group(
            self.path,
            mode="w",
            zarr_format=3,
            attributes={"pssrflow": {}},
            storage_options=self.options,
        )
        for level, shape in enumerate(volume.level_shapes()):
            group.create_array(
                str(level),
                shape=shape,
                dtype=volume.dtype,
                chunks=(1, 1, *volume.chunk),
                shards=volume.shard_shape(level),
                compressors=[ZstdCodec(level=1)],
                dimension_names=AXES,
            )
        self.describe(volume)

    def describe(self, volume: Volume) -> None:
        """Write what the metadata say."""
        group = zarr.open_group(self.path, mode="r+", storage_options=self.options)
        group.attrs.update(attributes(Path(self.path).name, volume))
        self._volume = volume

    def discard(self) -> None:
        """Remove it, if it is there.

        Raises
        ------
        InputError
            Something else stands there.
        """
        self._volume = None
        self._arrays.clear()
        self._readers.clear()
        if is_remote(self.path):
            self._discard_remote()
            return
        path = Path(self.path)
        # Renamed before it is removed: what a kill leaves must not look like a store.
        trash = path.with_name(f".{path.name}.removed")
        shutil.rmtree(trash, ignore_errors=True)
        if not path.exists():
            return
        if any(path.iterdir()):
            self._check_own()
        path.rename(trash)
        shutil.rmtree(trash)

    def _discard_remote(self) -> None:
        files, folder = fsspec.url_to_fs(self.path, **(self.options or {}))
        if not files.exists(folder):
            return
        self._check_own()
        # The root says whose it is, so it goes last: a kill leaves what can be removed again.
        for name in files.ls(folder, detail=False):
            if not name.endswith("/zarr.json"):
                files.rm(name, recursive=True)
        files.rm(folder, recursive=True)

    def _check_own(self) -> None:
        try:
            found = zarr.open(self.path, mode="r", storage_options=self.options)
            own = "pssrflow" in found.attrs
        except (FileNotFoundError, ValueError):
            own = False
        if not own:
            raise InputError(
                self.path, "something that PSSRflow did not write", "another `results` folder"
            )

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
        ten times as fast as by zarr and zarrs (benchmarks/codec_pipeline.py). Raises InputError
        where the store is damaged.
        """
        if level not in self._readers:
            self._readers[level] = plane_reader(self.level(level))
        return self._readers[level]

    def write(self, region: Region, values: Pixels, level: int = 0) -> str:
        """Write one whole shard of a level; see `write_shard`."""
        return write_shard(self.level(level, "r+"), region, values)


def plane_reader(array: Array) -> Reader:
    """Function that reads rectangles of planes of an array TCZYX again and again."""
    if not isinstance(array.store, LocalStore):
        return _readable(array.store_path, lambda *place: array[place])
    folder = str(array.store.root / array.path)
    workers = {"limit": zarr.config.get("threading.max_workers") or os.cpu_count()}
    context = tensorstore.Context({name: workers for name in CONCURRENCY})
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": folder}}
    opened = tensorstore.open(spec, context=context).result()
    return _readable(folder, lambda *place: opened[place].read().result())


def _readable(where: object, read: Callable[..., Any]) -> Reader:
    def reader(plane: tuple[int, ...], rows: slice, cols: slice) -> Pixels:
        try:
            return np.asarray(read(*plane, rows, cols))
        except (RuntimeError, ValueError, OSError) as error:
            found = f"plane t,c,z = {tuple(plane)} cannot be read ({str(error).splitlines()[0]})"
            raise InputError(where, found, "a store made again, from its raw file") from error

    return reader


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
            "room and permission to write there; the same command then goes on where it was",
        ) from error
    return digest(values)


def digest(values: Pixels) -> str:
    """SHA-256 of the pixels of `values`, in C order and little-endian."""
    values = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<"), copy=False)
    return hashlib.sha256(values.data).hexdigest()

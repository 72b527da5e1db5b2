"""OME-Zarr volumes (OME-NGFF 0.5, Zarr v3): create, read, fill shard by shard.

Reference: https://ngff.openmicroscopy.org/0.5/
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import zarr
from zarr.codecs import ZstdCodec
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

from pssrflow.errors import InputError
from pssrflow.run.remote import is_remote, storage_options
from pssrflow.volumes.blocks import Region
from pssrflow.volumes.intensity import Pixels
from pssrflow.volumes.ngff import attributes, volume_of
from pssrflow.volumes.rectangles import Reader, Rectangles
from pssrflow.volumes.seal import LEVELS, METADATA, OWN, fingerprint, intact, sealed
from pssrflow.volumes.volume import AXES, Volume

Array = zarr.Array[Any]

# What zarr raises where metadata are no JSON, or say what cannot be.
UNREADABLE_METADATA = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
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
        # Of the metadata of each level.
        self._levels: dict[str, str] | None = None
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
            group = self._group()
            self._levels = noted(group).get(LEVELS, {})
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
        levels = {}
        group = zarr.open_group(
            self.path,
            mode="w",
            zarr_format=3,
            attributes={"pssrflow": {"run": run}},
            storage_options=self.options,
        )
        for level, shape in enumerate(volume.level_shapes()):
            array = group.create_array(
                str(level),
                shape=shape,
                dtype=volume.dtype,
                chunks=(1, 1, *volume.chunk),
                shards=volume.shard_shape(level),
                # A flipped byte is an error, not another grey level.
                compressors=[ZstdCodec(level=1, checksum=True)],
                dimension_names=AXES,
            )
            levels[str(level)] = fingerprint(_metadata(array))
        self.describe(volume, **{LEVELS: levels})

    def describe(self, volume: Volume, **own: Any) -> None:
        """Write what the metadata say, and more that only this pipeline reads (JSON)."""
        group = zarr.open_group(self.path, mode="r+", storage_options=self.options)
        made = attributes(Path(self.path).name, volume)
        known = made | {OWN: noted(group) | made[OWN] | own}
        # As they will be read: JSON knows no tuples.
        group.attrs.update(sealed(json.loads(json.dumps(known))))
        self._volume = volume

    def own(self, key: str) -> Any:
        """What the store says to this pipeline alone; None if nothing."""
        return noted(self._group()).get(key)

    def _group(self) -> zarr.Group:
        """The store, whose metadata are as they were written.

        Raises
        ------
        InputError
            They are damaged.
        """
        try:
            group = zarr.open_group(self.path, mode="r", storage_options=self.options)
            if intact(group.attrs.asdict()):
                return group
        except FileNotFoundError:
            raise
        except UNREADABLE_METADATA as error:
            raise self._damaged(METADATA) from error
        raise self._damaged(METADATA)

    def _damaged(self, name: str) -> InputError:
        done = self.path.removesuffix(".ome.zarr") + ".done.json"
        file = done if Path(done).is_file() else "its done file"
        return InputError(
            f"{self.path}/{name}",
            "damaged: it is not what was written",
            f"the store made anew, by the same command after: rm {file}",
        )

    def discard(self, run: str = "") -> None:
        """Remove it, if it is there.

        Raises
        ------
        InputError
            Something else stands there, or the store of another run.
        """
        self._volume = self._levels = None
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
            if self._is_cut():
                return
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

    def _is_cut(self) -> bool:
        """Whether a store, which has a level, has lost its own metadata, or they are no JSON."""
        if is_remote(self.path) or not Path(self.path, "0", METADATA).is_file():
            return False
        try:
            json.loads(Path(self.path, METADATA).read_bytes())
        except (FileNotFoundError, ValueError):
            return True
        return False

    @property
    def levels(self) -> int:
        """Levels of its pyramid."""
        return len(self.volume.level_shapes())

    def level(self, number: int = 0, mode: str = "r") -> Array:
        """The array of one level of the pyramid, TCZYX."""
        if (number, mode) not in self._arrays:
            self._arrays[number, mode] = self._opened(number, mode)
        return self._arrays[number, mode]

    def _opened(self, number: int, mode: Any) -> Array:
        path, found = f"{self.path}/{number}", None
        if self._levels is None:
            self._levels = self.own(LEVELS) or {}
        expected = self._levels.get(str(number))
        try:
            array = zarr.open_array(path, mode=mode, storage_options=self.options)
            found = fingerprint(_metadata(array))
        except FileNotFoundError:
            raise
        except UNREADABLE_METADATA as error:
            raise self._damaged(f"{number}/{METADATA}") from error
        if expected not in (None, found):
            raise self._damaged(f"{number}/{METADATA}")
        return array

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


def _metadata(array: Array) -> Any:
    """What the metadata file of an array holds."""
    written = array.metadata.to_buffer_dict(default_buffer_prototype())
    return json.loads(written[METADATA].to_bytes())


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

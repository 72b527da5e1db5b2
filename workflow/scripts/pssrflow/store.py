"""OME-Zarr volumes (OME-NGFF 0.5, Zarr v3): create, read, fill shard by shard.

Reference: https://ngff.openmicroscopy.org/0.5/
"""

import hashlib
import math
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import fsspec
import numpy as np
import tensorstore
import zarr
from zarr.core.sync import sync
from zarr.storage import LocalStore

from pssrflow.blocks import Region, cut
from pssrflow.errors import InputError
from pssrflow.intensity import Intensity
from pssrflow.remote import is_remote, storage_options

AXES = ("t", "c", "z", "y", "x")
DTYPES = ("uint8", "uint16", "int16", "float32")
# What tensorstore does at once.
CONCURRENCY = ("data_copy_concurrency", "file_io_concurrency")
COLOURS = ("FFFFFF", "00FF00", "FF00FF", "00FFFF", "FFFF00", "FF0000", "0000FF")

# benchmarks/codec_pipeline.py measures the pipelines; this one reads and writes shards fastest.
# zarr writes chunks of nothing but zeros too; zarrs leaves them out, and they read as zeros.
zarr.config.set(
    {"codec_pipeline.path": "zarrs.ZarrsCodecPipeline", "array.write_empty_chunks": True}
)


@dataclass(frozen=True)
class Volume:
    """What the metadata of one store say.

    Attributes
    ----------
    shape : tuple of int
        t, c, z, y, x.
    dtype : str
        uint8, uint16, int16 or float32.
    chunk, shard : tuple of int
        z, y, x of the inner chunks and of the files.
    pixel_size : tuple of (float or None)
        z, y, x in micrometer; None where it is not known.
    origin : tuple of float
        z, y, x of the centre of the first pixel, in pixels of this volume.
    channels : tuple of str
    intensity : Intensity
    """

    shape: tuple[int, ...]
    dtype: str
    chunk: tuple[int, ...]
    shard: tuple[int, ...]
    pixel_size: tuple[float | None, ...]
    channels: tuple[str, ...]
    intensity: Intensity
    origin: tuple[float, ...] = (0.0, 0.0, 0.0)

    def level_shapes(self):
        """Shapes of the pyramid: y and x halved, rounded up, until a level fits one chunk."""
        shapes = [self.shape]
        while any(n > c for n, c in zip(shapes[-1][3:], self.chunk[1:])):
            shapes.append((*shapes[-1][:3], *(max(1, math.ceil(n / 2)) for n in shapes[-1][3:])))
        return shapes

    def shard_shape(self, level=0):
        """TCZYX shape of one file: the configured shard, but no larger than the level needs."""
        zyx = (
            min(s, math.ceil(n / c) * c)
            for s, n, c in zip(self.shard, self.level_shapes()[level][2:], self.chunk)
        )
        return (1, 1, *zyx)

    def shards(self, level=0) -> list[Region]:
        return cut(self.level_shapes()[level], self.shard_shape(level))


def create(path, volume):
    """Make an empty store with all its levels; an earlier one of this pipeline is removed first.

    Parameters
    ----------
    path : path-like or str
        A folder or a URI.
    volume : Volume

    Raises
    ------
    InputError
        Something else stands at `path`.
    """
    discard(path)
    group = zarr.open_group(
        path,
        mode="w",
        zarr_format=3,
        attributes={"pssrflow": {}},
        storage_options=storage_options(path),
    )
    for level, shape in enumerate(volume.level_shapes()):
        group.create_array(
            str(level),
            shape=shape,
            dtype=volume.dtype,
            chunks=(1, 1, *volume.chunk),
            shards=volume.shard_shape(level),
            compressors=[zarr.codecs.ZstdCodec(level=1)],
            dimension_names=AXES,
        )
    describe(path, volume)


def discard(path):
    """Remove a store of this pipeline, if there is one.

    Raises
    ------
    InputError
        Something else stands there.
    """
    if is_remote(path):
        _discard_remote(path)
        return
    path = Path(path)
    # Renamed before it is removed: what a kill leaves must not look like a store.
    trash = path.with_name(f".{path.name}.removed")
    shutil.rmtree(trash, ignore_errors=True)
    if not path.exists():
        return
    if any(path.iterdir()):
        _check_own(path)
    path.rename(trash)
    shutil.rmtree(trash)


def _discard_remote(path):
    files, folder = fsspec.url_to_fs(str(path), **storage_options(path))
    if not files.exists(folder):
        return
    _check_own(path)
    # The root says whose it is, so it goes last: a kill leaves what can be removed again.
    for name in files.ls(folder, detail=False):
        if not name.endswith("/zarr.json"):
            files.rm(name, recursive=True)
    files.rm(folder, recursive=True)


def _check_own(path):
    try:
        own = "pssrflow" in zarr.open(path, mode="r", storage_options=storage_options(path)).attrs
    except (FileNotFoundError, ValueError):
        own = False
    if not own:
        raise InputError(path, "something that PSSRflow did not write", "another `results` folder")


def open_level(path, level=0, mode="r"):
    """The array of one pyramid level, TCZYX."""
    options = storage_options(path)
    return zarr.open_array(f"{path}/{level}", mode=mode, storage_options=options)


def read_volume(path) -> Volume:
    """Metadata of a store that this pipeline wrote."""
    attributes = zarr.open_group(path, mode="r", storage_options=storage_options(path)).attrs
    array, own = open_level(path), attributes["pssrflow"]
    return Volume(
        shape=array.shape,
        dtype=str(array.dtype),
        chunk=array.chunks[2:],
        shard=tuple(own["shard"]),
        pixel_size=tuple(own["pixel_size"]),
        channels=tuple(c["label"] for c in attributes["ome"]["omero"]["channels"]),
        intensity=Intensity.from_json(own),
        origin=tuple(own["origin"]),
    )


def plane_reader(array):
    """Function that reads rectangles of planes of an array again and again.

    By tensorstore where the store is a folder: rectangles of several shards are read four to ten
    times as fast as by zarr and zarrs (benchmarks/codec_pipeline.py).

    Parameters
    ----------
    array : zarr.Array
        TCZYX.

    Returns
    -------
    callable (plane, rows, cols) -> ndarray (y, x)
        `plane` is t, c, z; `rows` and `cols` are slices with start and stop, inside the plane.
        Raises InputError where the store is damaged.
    """
    if not isinstance(array.store, LocalStore):
        return _readable(array.store_path, lambda *place: array[place])
    folder = str(array.store.root / array.path)
    workers = {"limit": zarr.config.get("threading.max_workers") or os.cpu_count()}
    context = tensorstore.Context({name: workers for name in CONCURRENCY})
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": folder}}
    opened = tensorstore.open(spec, context=context).result()
    return _readable(folder, lambda *place: opened[place].read().result())


def _readable(where, read):
    def reader(plane, rows, cols):
        try:
            return read(*plane, rows, cols)
        except (RuntimeError, ValueError, OSError) as error:
            found = f"plane t,c,z = {tuple(plane)} cannot be read ({str(error).splitlines()[0]})"
            raise InputError(where, found, "a store made again, from its raw file") from error

    return reader


def read_plane(array, plane, rows, cols):
    """Read a rectangle of one plane, once; see `plane_reader`."""
    return plane_reader(array)(plane, rows, cols)


def write_shard(array, region, values):
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


def digest(values):
    """SHA-256 of the pixels of `values`, in C order and little-endian."""
    values = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<"), copy=False)
    return hashlib.sha256(values.data).hexdigest()


def describe(path, volume):
    """Write what the metadata of a store say."""
    zarr.open_group(path, mode="r+", storage_options=storage_options(path)).attrs.update(
        {
            "ome": {
                "version": "0.5",
                "multiscales": [_multiscale(Path(path).name, volume)],
                "omero": {"channels": _channels(volume)},
            },
            "pssrflow": {
                "pixel_size": list(volume.pixel_size),
                "origin": list(volume.origin),
                "shard": list(volume.shard),
                **volume.intensity.to_json(),
            },
        }
    )


def _multiscale(name, volume):
    levels = len(volume.level_shapes())
    return {
        "name": name.removesuffix(".ome.zarr"),
        "axes": [{"name": "t", "type": "time"}, {"name": "c", "type": "channel"}]
        + [_space_axis(n, s) for n, s in zip("zyx", volume.pixel_size)],
        "datasets": [
            {"path": str(k), "coordinateTransformations": _transformations(volume, 2**k)}
            for k in range(levels)
        ],
        "type": "mean",
    }


def _space_axis(name, size):
    axis = {"name": name, "type": "space"}
    return axis | {"unit": "micrometer"} if size else axis


def _transformations(volume, factor):
    """Scale and translation of a level; its first pixel covers `factor` pixels of level 0."""
    z, y, x = (size or 1.0 for size in volume.pixel_size)
    shift = (factor - 1) / 2
    oz, oy, ox = volume.origin
    return [
        {"type": "scale", "scale": [1.0, 1.0, z, y * factor, x * factor]},
        {
            "type": "translation",
            "translation": [0.0, 0.0, oz * z, (oy + shift) * y, (ox + shift) * x],
        },
    ]


def _channels(volume):
    intensity = volume.intensity
    return [
        {
            "label": name,
            "color": COLOURS[i % len(COLOURS)],
            "active": True,
            "window": {"min": intensity.black, "max": intensity.white, "start": low, "end": high},
        }
        for i, (name, (low, high)) in enumerate(zip(volume.channels, intensity.windows))
    ]

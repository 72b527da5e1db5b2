"""Existing OME-Zarr (0.4 on Zarr v2, 0.5 on Zarr v3), local or remote, and plain Zarr arrays."""

import math
import os
from pathlib import Path

import zarr

from pssrflow.errors import InputError
from pssrflow.ingest.readers.source import Source, check_claims, faults, only_scene, pick
from pssrflow.run.remote import storage_options
from pssrflow.volumes.regions import sane_size

RANK = 0
# An array with fewer chunks than one in so many is no image.
LEAST = 1000
NAMES = "OME-Zarr"

_MARKERS = ("zarr.json", ".zgroup", ".zarray")
_ACCEPTED = "an OME-Zarr image with `multiscales` metadata, or a Zarr array and `axes`"
_DEFAULT_AXES = [{"name": n} for n in "tczyx"]


def recognises(path: str) -> bool:
    """Whether it is a folder that is a Zarr group or array, or the URI of one."""
    if "://" in path:
        return ".zarr" in path
    folder = Path(path)
    return folder.is_dir() and (
        folder.suffix == ".zarr" or any((folder / marker).exists() for marker in _MARKERS)
    )


def open_file(path: str, scene: int | str | None = None) -> Source:
    """Open level 0 of an OME-Zarr image, or a Zarr array whose axes the user must name.

    Parameters
    ----------
    path : str
        Folder or URI.
    scene : int or str, optional
        Image of a collection (bioformats2raw layout).

    Raises
    ------
    InputError
        Not a Zarr, or a group without the metadata that tell its axes.
    """
    files = () if "://" in path else (Path(path),)
    with faults(path):
        node = _open(path)
        if isinstance(node, zarr.Array):
            return _plain(node, files)
        node, notes = _image(path, node, scene)
        return _multiscale(path, node, files, notes)


def _own_codecs():
    """Use zarr's own codecs: faster pipelines know fewer of the codecs of older files."""
    own = "zarr.core.codec_pipeline.BatchedCodecPipeline"
    return zarr.config.set({"codec_pipeline.path": own})


def _open(path):
    with _own_codecs():
        try:
            return zarr.open(str(path), mode="r", storage_options=storage_options(path))
        except FileNotFoundError as error:
            raise InputError(path, f"no Zarr here ({error})", _ACCEPTED) from error


def _plain(array, files):
    _check_stored(array, files)
    return Source(
        files=files,
        axes="Q" * (array.ndim - 2) + "YX",
        sizes=array.shape,
        dtype=array.dtype,
        read=lambda index: array[index],
        notes=tuple(_absent(array, files)),
        movable=True,
        unnamed=f"a Zarr array of {array.shape} without OME metadata",
    )


def _image(path, group, scene):
    """The group that holds `multiscales`: this one, or one of a collection."""
    if _ome(group).get("multiscales"):
        only_scene(scene, path)
        return group, ()
    names = sorted(n for n, g in group.groups() if _ome(g).get("multiscales"))
    if "plate" in _ome(group) or not names:
        found = "a plate" if "plate" in _ome(group) else "a Zarr group without `multiscales`"
        raise InputError(path, found, f"{_ACCEPTED}; of a plate, the path of one field")
    chosen = names[0 if scene is None else pick(names, scene, path, "scene")]
    several = len(names) > 1 and scene is None
    note = f"{len(names)} scenes, {chosen} is read (set `scene` for another)"
    return group[chosen], (note,) if several else ()


def _ome(group):
    attributes = dict(group.attrs)
    return attributes.get("ome", attributes)


def _multiscale(path, group, files, notes):
    ome = _ome(group)
    multiscale = ome["multiscales"][0]
    level = multiscale["datasets"][0]
    array = _level(path, group, level["path"])
    axes = _axes(path, multiscale, array)
    _check_stored(array, files)
    odd: list[str] = []
    both = (_numbers(node, "scale", len(axes), odd) for node in (level, multiscale))
    scale = [a * b for a, b in zip(*both, strict=True)]
    letters = "".join(_letter(a) for a in axes)
    units = [a.get("unit", "") for a in axes]
    sizes = {n: sane_size(s, unit) for n, s, unit in zip(letters, scale, units, strict=True)}
    corner = _begins(level, multiscale, len(axes), odd)
    begins = {n: _placed(b, unit) for n, b, unit in zip(letters, corner, units, strict=True)}
    return Source(
        files=files,
        axes=letters,
        sizes=array.shape,
        dtype=array.dtype,
        read=lambda index: array[index],
        pixel_size=tuple(sizes.get(a) for a in "ZYX"),
        begins=tuple(begins.get(a) for a in "ZYX"),
        channels=tuple(_label(c, i) for i, c in enumerate(_channels(ome))),
        notes=(*notes, *odd, *_absent(array, files)),
        movable=True,
    )


def _level(path, group, name):
    try:
        with _own_codecs():
            array = group[name]
    except KeyError as error:
        raise InputError(path, f"level {name!r} is missing", "all levels it lists") from error
    if not isinstance(array, zarr.Array):
        raise InputError(path, f"level {name!r} is not an array", _ACCEPTED)
    return array


def _axes(path, multiscale, array):
    named = multiscale.get("axes", _DEFAULT_AXES)
    if len(named) != array.ndim:
        raise InputError(path, f"{len(named)} axes for an array of {array.shape}", "one for each")
    return [a if isinstance(a, dict) else {"name": a} for a in named]


def _begins(level, multiscale, count, odd):
    """Where the first pixel lies: the translation of a level, then scale and translation of all."""
    inner, outer = (_numbers(n, "translation", count, odd) for n in (level, multiscale))
    scale = _numbers(multiscale, "scale", count, odd)
    return [a * s + b for a, s, b in zip(inner, scale, outer, strict=True)]


def _placed(begins, unit):
    """In micrometer; None in a unit that is not known."""
    micrometer = sane_size(1.0, unit)
    return micrometer and begins * micrometer


def _numbers(node, kind, count, odd):
    """Scale or translation along every axis, of a level or of all; what is odd is noted.

    One for fewer axes is that of the last ones, which are those of space.
    """
    neutral = {"scale": 1.0, "translation": 0.0}[kind]
    found = node.get("coordinateTransformations") or ()
    given = [t.get(kind) for t in found if isinstance(t, dict) and t.get("type") == kind]
    if not given:
        return [neutral] * count
    try:
        numbers = [float(number) for number in given[0]]
    except (TypeError, ValueError):
        odd.append(f"a {kind} that is no list of numbers was left out ({given[0]!r})")
        return [neutral] * count
    if not all(map(math.isfinite, numbers)):
        odd.append(f"a {kind} that is not finite was left out ({given[0]!r})")
        return [neutral] * count
    if len(numbers) != count:
        odd.append(
            f"a {kind} of {len(numbers)} numbers for {count} axes was taken from the last on"
        )
    return ([neutral] * count + numbers)[-count:]


def _label(channel, number):
    """Name of a channel, which some writers leave out or write as a number."""
    label = channel.get("label") if isinstance(channel, dict) else None
    return str(number if label in (None, "") else label)


def _letter(axis):
    by_type = {"time": "T", "channel": "C"}
    return by_type.get(axis.get("type"), str(axis["name"])[:1].upper())


def _channels(ome):
    return (ome.get("omero") or {}).get("channels") or ()


def _absent(array, files):
    """Note about chunks that were never written: Zarr reads them as the fill value."""
    if not files:
        return
    count, present = _stored(array)
    if present < count:
        yield (
            f"{count - present} of {count} chunks (or shards) are not stored and read as "
            f"{array.fill_value}; check that the copy is complete"
        )


def _stored(array):
    """Chunks or shards that the array has, and of how many there are files."""
    size = array.shards or array.chunks
    count = math.prod(-(-n // s) for n, s in zip(array.shape, size, strict=True))
    folder = Path(array.store.root, array.path)
    # Asking for each would take as long as the claim is large.
    files = (f for _, _, some in os.walk(folder) for f in some)
    return count, sum(1 for f in files if f != "zarr.json" and not f.startswith("."))


def _check_stored(array, files):
    """Refuse chunks larger than memory, and arrays of which next to nothing is stored."""
    where = f"{array.store_path}"
    check_claims(where, math.prod(array.chunks) * array.dtype.itemsize, 0, 0)
    if not files:
        return
    count, present = _stored(array)
    if present * LEAST < count:
        found = f"{present} of {count} chunks (or shards) of {tuple(array.shape)} are stored"
        raise InputError(where, found, "an array of which a thousandth is stored, at least")

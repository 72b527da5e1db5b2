"""The OME-NGFF 0.5 metadata of a store.

Reference: https://ngff.openmicroscopy.org/0.5/
"""

from collections.abc import Mapping
from typing import Any

from pssrflow.volumes.intensity import Intensity
from pssrflow.volumes.volume import Volume

COLOURS = ("FFFFFF", "00FF00", "FF00FF", "00FFFF", "FFFF00", "FF0000", "0000FF")


def attributes(name: str, volume: Volume) -> dict[str, Any]:
    """Attributes of the group of a store: the standard's, and what only this pipeline needs.

    Parameters
    ----------
    name : str
        Of the store.
    volume : Volume
    """
    return {
        "ome": {
            "version": "0.5",
            "multiscales": [_multiscale(name, volume)],
            "omero": {"channels": _channels(volume)},
        },
        "pssrflow": {
            "pixel_size": list(volume.pixel_size),
            "origin": list(volume.origin),
            "shard": list(volume.shard),
            **volume.intensity.to_json(),
        },
    }


def volume_of(attributes: Mapping[str, Any], array: Any) -> Volume:
    """What the attributes of a store and the array of its first level say."""
    own = attributes["pssrflow"]
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


def _multiscale(name: str, volume: Volume) -> dict[str, Any]:
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


def _space_axis(name: str, size: float | None) -> dict[str, str]:
    axis = {"name": name, "type": "space"}
    return axis | {"unit": "micrometer"} if size else axis


def _transformations(volume: Volume, factor: int) -> list[dict[str, Any]]:
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


def _channels(volume: Volume) -> list[dict[str, Any]]:
    intensity = volume.intensity
    return [
        {
            "label": name,
            "color": COLOURS[i % len(COLOURS)],
            "active": True,
            "window": {"min": lowest, "max": white, "start": low, "end": high},
        }
        for i, (name, (_, white, lowest), (low, high)) in enumerate(
            zip(volume.channels, intensity.ranges, intensity.windows)
        )
    ]

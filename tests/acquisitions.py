"""Acquisitions for the tests of readers: written, opened, read whole, refused."""

import numpy as np
import pytest
import tifffile
import zarr
from pssrflow.errors import InputError
from pssrflow.ingest.readers.acquisition import Overrides
from pssrflow.ingest.readers.open import open_acquisition


def texture(*shape, dtype="uint16"):
    return np.random.default_rng(0).integers(1, 250, shape).astype(dtype)


def whole(path, **overrides):
    """All pixels of an acquisition, TCZYX."""
    with open_acquisition(path, Overrides(**overrides)) as a:
        planes = np.ndindex(*a.shape[:3])
        rows, cols = slice(0, a.shape[3]), slice(0, a.shape[4])
        values = np.stack([a.read(*p, rows, cols) for p in planes]).reshape(a.shape)
        assert values.dtype == a.dtype and values.dtype.isnative
        return values


def refusal(path, **overrides):
    """What the user is told when an acquisition cannot be opened or read."""
    with pytest.raises(InputError) as caught:
        whole(path, **overrides)
    return str(caught.value)


def opened(path, **overrides):
    with open_acquisition(path, Overrides(**overrides)) as a:
        return a


def write_ome_zarr(path, values, version="0.5", names="tczyx", unit="nanometer", **array):
    group = zarr.open_group(path, mode="w", zarr_format=3 if version == "0.5" else 2)
    stored = group.create_array("0", shape=values.shape, dtype=values.dtype, **array)
    stored[:] = values
    types = {"t": "time", "c": "channel"}
    axes = [{"name": n, "type": types.get(n, "space")} for n in names]
    axes = [a | ({"unit": unit} if a["type"] == "space" else {}) for a in axes]
    scale = [{"z": 40.0, "y": 5.0, "x": 5.0}.get(n, 1.0) for n in names]
    transformations = [{"type": "scale", "scale": scale}]
    datasets = [{"path": "0", "coordinateTransformations": transformations}]
    channels = values.shape[names.index("c")] if "c" in names else 1
    ome = {
        "multiscales": [{"axes": axes, "datasets": datasets}],
        "omero": {"channels": [{"label": f"dye {i}"} for i in range(channels)]},
    }
    group.attrs.update({"ome": ome | {"version": "0.5"}} if version == "0.5" else ome)
    return group


def write_slices(folder, numbers, name="s_{}.tif", shape=(20, 30)):
    for n in numbers:
        tifffile.imwrite(folder / name.format(n), np.full(shape, int(n) % 250, "uint8"))

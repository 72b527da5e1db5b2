"""What is known of volumes and networks before any of them is made."""

import tempfile
from pathlib import Path

import numpy as np

from pssrflow.crappify import lr_volume
from pssrflow.intensity import Intensity
from pssrflow.networks import load_weights
from pssrflow.networks.ensemble import Ensemble
from pssrflow.packages.adopt import adopt_package
from pssrflow.readers import open_acquisition
from pssrflow.store import Volume
from pssrflow.train.stage import start


def expected_volume(row, chunk, shard, scale) -> Volume:
    """Metadata of an LR volume that is not made yet; its grey levels are not known.

    Parameters
    ----------
    row : dict
        `path` of the acquisition with its `overrides`, or `simulated`, its settings; and
        `crappified`, whether the acquisition is an HR image.
    chunk, shard : sequence of int
        z, y, x.
    scale : int
    """
    shape, dtype, pixel_size = _simulated(row["simulated"]) if row["simulated"] else _header(row)
    nothing = Intensity(0.0, 1.0, ((0.0, 1.0),) * shape[1])
    names = tuple(map(str, range(shape[1])))
    volume = Volume(shape, dtype, tuple(chunk), tuple(shard), pixel_size, names, nothing)
    return lr_volume(volume, scale, chunk, shard) if row["crappified"] else volume


def _header(row):
    with open_acquisition(row["path"], **row["overrides"]) as acquisition:
        return acquisition.shape, str(np.dtype(acquisition.dtype)), acquisition.pixel_size


def _simulated(settings):
    size = settings["step_nm"] / 1000
    dtype = "uint8" if settings["bits"] <= 8 else "uint16"
    return (1, 1, *settings["shape"]), dtype, (None, size, size)


def expected_network(name, models, weights, scale, percentiles):
    """A network of the configuration: as it was trained, or with fresh weights.

    Parameters
    ----------
    name : str
    models : dict
        The section `models` of the configuration.
    weights : dict of str to str
        Where the weights of each model are once it is trained.
    scale : int
    percentiles : sequence of float
        For packages; see `adopt_package`.
    """
    if name not in models:
        return load_weights(name)[0]
    if Path(weights[name]).exists():
        return load_weights(weights[name])[0]
    model = models[name]
    if model["arch"] == "ensemble":
        members = [
            expected_network(m, models, weights, scale, percentiles) for m in model["members"]
        ]
        return Ensemble(scale, members).eval()
    if model["arch"] == "package":
        return _packed(model["package"], scale, percentiles)
    return start(model, scale)[0].eval()


def _packed(package, scale, percentiles):
    with tempfile.TemporaryDirectory() as folder:
        adopt_package(package, scale, percentiles, folder, Path(folder, "done.json"))
        return load_weights(Path(folder, "best.safetensors"))[0]

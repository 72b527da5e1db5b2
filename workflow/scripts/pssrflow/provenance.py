"""What was made from what, by which code and which versions."""

import importlib.metadata
import platform
from pathlib import Path

import torch

import pssrflow
from pssrflow.devices import best_device, best_precision
from pssrflow.jobs import read_json, write_json
from pssrflow.rerun import code_hash

PACKAGES = (
    *("snakemake", "torch", "zarr", "zarrs", "tensorstore", "dask"),
    *("numpy", "scipy", "numba", "tifffile", "pandas"),
)


def write_provenance(path, results, rows, models, config):
    """Write input hashes, versions, parameters, seeds and code hashes as JSON; return them.

    Parameters
    ----------
    path : path-like
    results : str
    rows : list of dict
        `sample` and `role` of every row of the sample sheet.
    models : list of str
    config : dict
        With all defaults.
    """
    content = {
        "pssrflow": pssrflow.__version__,
        "machine": _machine(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "config": config,
        "code": {p.stem: code_hash(str(p)) for p in _scripts()},
        "samples": {row["sample"]: _sample(results, row, models) for row in rows},
        "models": {m: read_json(f"{results}/models/{m}/train.done.json") for m in models},
    }
    write_json(path, content)
    return content


def _machine():
    device = best_device()
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "device": torch.cuda.get_device_name() if device.type == "cuda" else device.type,
        "precision": best_precision(device),
    }


def _scripts():
    return sorted(Path(__file__).parent.parent.glob("*.py"))


def _sample(results, row, models):
    """Done files of the stores of one sample; files of an earlier role do not count."""
    folder = Path(results, row["sample"])
    stores = {"lr": folder / "lr.done.json"}
    if row["role"] != "predict":
        stores = {"hr": folder / "hr.done.json"} | stores
    if row["role"] != "train":
        stores |= {f"sr ({m})": folder / m / "sr.done.json" for m in models}
    if row["paired"]:
        stores["registration"] = folder / "registration.json"
    return {name: read_json(path) for name, path in stores.items()}

"""What was made from what, by which code and which versions."""

import importlib.metadata
import platform
from pathlib import Path

import torch

from pssrflow.run.devices import best_device, best_precision
from pssrflow.run.files import read_json, write_json
from pssrflow.run.rerun import code_hash
from pssrflow.run.version import __version__

# -- provenance -----------------------------------------------------------------------------------


def _notes(provenance):
    return [
        {"store": f"{sample} ({name})", "text": note}
        for sample, stores in provenance["samples"].items()
        for name, store in stores.items()
        for note in store.get("notes", [])
    ]


def _stores(provenance):
    return [
        {
            "name": f"{sample}: {name}",
            "shape": " × ".join(map(str, store["shape"])),
            "dtype": store["dtype"],
            "pixel_size": ", ".join(
                "?" if s is None else f"{s:.5g}" for s in store["pixel_size_um"]
            ),
            "content": store["content"],
            "source": _source(store),
        }
        for sample, stores in provenance["samples"].items()
        for name, store in stores.items()
        if "shape" in store
    ]


def _source(store):
    source = store.get("source")
    if not source:
        return "computed"
    return f"{source['path']} ({source['files']} files, sha256 {source['sha256'][:12]})"


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
        "pssrflow": __version__,
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

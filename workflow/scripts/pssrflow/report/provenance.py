"""What was made from what, by which code and which versions."""

import importlib.metadata
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from pssrflow.run.devices import best_device, best_precision
from pssrflow.run.files import read_json
from pssrflow.run.layout import Layout, Sample
from pssrflow.run.rerun import code_hash
from pssrflow.run.version import __version__

# Endings of what a microscope says, and the units that they stand for.
UNITS = {"kv": "kV", "us": "µs", "ms": "ms", "na": "nA", "nm": "nm", "mm": "mm"}
FORMAT = 1
SCRIPTS = Path(__file__).resolve().parents[2]
PACKAGES = (
    *("snakemake", "torch", "zarr", "zarrs", "tensorstore", "dask"),
    *("numpy", "scipy", "numba", "tifffile", "pandas"),
)


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes
    ----------
    layout : Layout
    samples : list of Sample
    models : list of str
    config : dict
        With all defaults.
    fit : str, optional
        The fitted crappifier, where this run's calibration made one.
    named : sequence of str
        Code that the configuration chooses by name: "module:Name".
    """

    layout: Layout
    samples: list[Sample]
    models: list[str]
    config: dict[str, Any]
    fit: str | None = None
    named: Sequence[str] = ()


@dataclass(frozen=True)
class Note:
    """A warning about the input, and the store that it is about."""

    store: str
    text: str


@dataclass(frozen=True)
class StoreFacts:
    """What is said of one store.

    Attributes
    ----------
    name : str
    shape : list of int
        t, c, z, y, x.
    dtype : str
    pixel_size_um : list of (float or None)
        z, y, x.
    content : str
        Hash of its pixels.
    source : str
        The acquisition; "computed" without one.
    microscope : str
        What the microscope says of the scan; empty if nothing.
    """

    name: str
    shape: list[int]
    dtype: str
    pixel_size_um: list[float | None]
    content: str
    source: str
    microscope: str


@dataclass(frozen=True)
class Provenance:
    """Input hashes, versions, parameters, seeds and code hashes of a run.

    Attributes
    ----------
    pssrflow : str
        The release.
    machine, packages : dict of str to str
    config : dict
        With all defaults.
    code : dict of str to str
        Hash of the code of every script.
    samples : dict of str to dict
        Done files of the stores of every sample, by what they are.
    models : dict of str to dict
        Done files of the models.
    """

    pssrflow: str
    machine: dict[str, str]
    packages: dict[str, str]
    config: dict[str, Any]
    code: dict[str, str]
    samples: dict[str, dict[str, Any]]
    models: dict[str, dict[str, Any]]

    @classmethod
    def of(cls, run: Run) -> "Provenance":
        """Of a finished run."""
        return cls(
            pssrflow=__version__,
            machine=_machine(),
            packages={name: importlib.metadata.version(name) for name in PACKAGES},
            config=run.config,
            code={p.stem: code_hash(str(p), *run.named) for p in sorted(SCRIPTS.glob("*.py"))},
            samples={s.name: _done(run.layout, s, run.models) for s in run.samples},
            models={model: read_json(run.layout.trained(model)) for model in run.models},
        )

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return {"format": FORMAT} | asdict(self)

    @property
    def versions(self) -> dict[str, str]:
        """Of the release, the machine and the packages."""
        return {"pssrflow": self.pssrflow, **self.machine, **self.packages}

    @property
    def notes(self) -> list[Note]:
        """Warnings about the input."""
        return [
            Note(f"{sample} ({kind})", text)
            for sample, kind, done in self._all()
            for text in done.get("notes", ())
        ]

    @property
    def stores(self) -> list[StoreFacts]:
        """What is said of every store."""
        return [
            StoreFacts(
                name=f"{sample}: {kind}",
                source=_source(done.get("source")),
                microscope=_microscope(done.get("microscope") or {}),
                **{key: done[key] for key in ("shape", "dtype", "pixel_size_um", "content")},
            )
            for sample, kind, done in self._all()
            if "shape" in done
        ]

    def _all(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        for sample, found in self.samples.items():
            for kind, done in found.items():
                yield sample, kind, done


def _machine():
    device = best_device()
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "device": torch.cuda.get_device_name() if device.type == "cuda" else device.type,
        "precision": best_precision(device),
    }


def _done(layout, sample, models):
    """Done files of one sample; files of an earlier role do not count."""
    files = {"hr": layout.done("hr", sample.name)} if sample.has_hr else {}
    files["lr"] = layout.done("lr", sample.name)
    if sample.predicted:
        files |= {f"sr ({m})": layout.map_done("sr", sample.name, m) for m in models}
    if sample.paired:
        files["registration"] = layout.registration(sample.name)
    return {kind: read_json(path) for kind, path in files.items()}


def _microscope(told):
    """What a microscope says, as text."""
    found = []
    for name, value in told.items():
        words, _, unit = name.rpartition("_")
        values = ", ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in _listed(value))
        known = f"{values} {UNITS[unit]}" if words and unit in UNITS else values
        found.append(f"{(words if unit in UNITS else name).replace('_', ' ')}: {known}")
    return "; ".join(found)


def _listed(value):
    return value if isinstance(value, list) else [value]


def _source(source):
    if not source:
        return "computed"
    return f"{source['path']} ({source['files']} files, sha256 {source['sha256'][:12]})"

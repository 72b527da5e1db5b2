"""What weights say of themselves, read without building what they name."""

import dataclasses
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Self

from pssrflow.networks.options import Common

# Bytes of a header of safetensors; more is no header of ours.
LARGEST = 64 << 20
# Their name in a model package.
WEIGHTS = "weights.safetensors"


@dataclass(frozen=True)
class Facts:
    """What is needed to use weights, and where they come from; kept in their file as JSON.

    Attributes
    ----------
    arch : str
    scale : int
        HR pixels per LR pixel.
    options : dict
        Of the architecture, as JSON; what is missing has its default.
    frames : int
        LR planes that are seen at once.
    intensity : str
        What of the acquisition is 0 to 1.
    trained_on : dict
        Done files of the training data.
    crappify : dict
        What made the LR images.
    seed : int
    code : str
        Hash of the code that trained.
    licence : str
        SPDX identifier.
    versions : dict
    step : int
    validation_psnr : float
    package : str
        Hash of the model package that the weights came in.
    other : dict
        What another version of PSSRflow noted.
    """

    arch: str
    scale: int
    options: dict[str, Any]
    frames: int = 1
    intensity: str = Common.model_fields["intensity"].default
    trained_on: dict[str, Any] | None = None
    crappify: dict[str, Any] | None = None
    seed: int | None = None
    code: str | None = None
    licence: str | None = None
    versions: dict[str, str] | None = None
    step: int | None = None
    validation_psnr: float | None = None
    package: str | None = None
    other: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, content: Any) -> Self | None:
        """Of what `to_json` gave; None if it says no network."""
        if not isinstance(content, dict):
            return None
        known = {f.name for f in dataclasses.fields(cls)} - {"other"}
        given = {name: value for name, value in content.items() if name in known}
        kinds = {"arch": str, "scale": int, "options": dict}
        if not all(isinstance(given.get(name), kind) for name, kind in kinds.items()):
            return None
        other = {name: value for name, value in content.items() if name not in known}
        return cls(**given, other=other)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self | None:
        """Of the beginning of a file of safetensors, its header at least."""
        try:
            length = int.from_bytes(data[:8], "little")
            header = json.loads(data[8 : 8 + length])
            return cls.from_json(json.loads(header["__metadata__"]["pssrflow"]))
        except (ValueError, KeyError, TypeError, RecursionError):
            return None

    @classmethod
    def read(cls, path: Path | str) -> Self | None:
        """Of a file of weights; None where PSSRflow did not save it."""
        try:
            with open(path, "rb") as stream:
                return cls._from_stream(stream)
        except OSError:
            return None

    @classmethod
    def of_package(cls, path: Path | str) -> Self | None:
        """Of a model package that PSSRflow made; None of any other."""
        try:
            with zipfile.ZipFile(path) as archive, archive.open(WEIGHTS) as stream:
                return cls._from_stream(stream)
        except (OSError, KeyError, zipfile.BadZipFile, NotImplementedError, RuntimeError):
            return None

    @classmethod
    def _from_stream(cls, stream: IO[bytes]) -> Self | None:
        length = stream.read(8)
        rest = stream.read(min(int.from_bytes(length, "little"), LARGEST))
        return cls.from_bytes(length + rest)

    def to_json(self) -> dict[str, Any]:
        """As JSON, without what is not known."""
        known = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        other = known.pop("other")
        return {name: value for name, value in known.items() if value is not None} | other

    @property
    def archs(self) -> set[str]:
        """Architectures of the network and of all its members, however deep."""
        return _archs(self.arch, self.options)

    @property
    def names_python(self) -> bool:
        """Whether the network, or a member of it, is a Python class that the weights name."""
        return "custom" in self.archs


def _archs(arch: Any, options: Any) -> set[str]:
    members = options.get("members", ()) if isinstance(options, dict) else ()
    members = members if isinstance(members, list | tuple) else ()
    inside = (_archs(m.get("arch"), m.get("options")) for m in members if isinstance(m, dict))
    return set().union(*inside, {arch} if isinstance(arch, str) else ())

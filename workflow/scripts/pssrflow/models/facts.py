"""What weights say of themselves, read without building what they name."""

import dataclasses
import functools
import json
import zipfile
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from pssrflow.errors import InputError
from pssrflow.keys import explain
from pssrflow.networks.frames import ONE, Frames
from pssrflow.networks.options import Common, Intensity
from pssrflow.networks.registry import names

# Bytes of a header of safetensors; more is no header of ours.
LARGEST = 64 << 20
# Networks in one, members of members too.
MOST_NETWORKS = 256
# Their name in a model package.
WEIGHTS = "weights.safetensors"
SAVED = "weights that PSSRflow saved (.safetensors)"
# Networks that are a program of somebody else's: Python, or a script of torch.
PYTHON, SCRIPT = "custom", "torchscript"
# What an archive raises that is none, is damaged, or needs a key or a method that is not here.
BAD_ZIP = (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError)

NEEDED = {"arch", "scale", "options"}

Count = Annotated[int, Field(ge=0)]


def _as_saved(frames: Any) -> Any:
    # What was saved before networks saw several planes says 1.
    return ONE if frames == 1 else frames


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
    frames : Frames
        LR planes that are seen at once.
    intensity : str
        What of the acquisition is 0 to 1.
    trained_on : dict
        Done files of the training data.
    crappify : dict
        What made the LR images.
    zoom : list of float
        Lowest and highest magnification of what it learnt from, where it was not 1.
    seed : int
    begun_with : list of str
        Hashes of the user's own files that went into the network: weights, a class.
    code : str
        Hash of the code that trained.
    licence : str
        SPDX identifier.
    versions : dict
    step : int
    extended : list of dict
        Steps at which a finished training went on, and how long it had been meant to be before.
    validation_psnr : float
    package : str
        Hash of the model package that the weights came in.
    other : dict
        What another version of PSSRflow noted.
    """

    # The types are those of the JSON, to the letter.
    __pydantic_config__: ClassVar = ConfigDict(strict=True, allow_inf_nan=False)

    arch: str
    scale: Annotated[int, Field(ge=1, le=64)]
    options: dict[str, Any]
    frames: Annotated[Frames, BeforeValidator(_as_saved)] = ONE
    intensity: Intensity = Common.model_fields["intensity"].default
    trained_on: dict[str, Any] | None = None
    crappify: dict[str, Any] | None = None
    zoom: list[float] | None = None
    seed: int | None = None
    begun_with: list[str] | None = None
    code: str | None = None
    licence: str | None = None
    versions: dict[str, str] | None = None
    step: Count | None = None
    extended: list[dict[str, Any]] | None = None
    validation_psnr: float | None = None
    package: str | None = None
    other: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def checked(cls, content: Any, where: Path | str) -> Self:
        """Of what `to_json` gave.

        Raises
        ------
        InputError
            Every fact that is none.
        """
        if not isinstance(content, dict) or not content.keys() >= NEEDED:
            raise InputError(where, "no facts of PSSRflow in the file", SAVED)
        known = {f.name for f in dataclasses.fields(cls)} - {"other"}
        given = {name: value for name, value in content.items() if name in known}
        other = {name: value for name, value in content.items() if name not in known}
        try:
            # As JSON, of which an object may become this class.
            made = _types().validate_json(json.dumps(given))
        except ValidationError as error:
            raise InputError(where, "\n  ".join(["facts refused", *explain(error)])) from None
        except RecursionError:
            raise InputError(where, "facts within facts without end", SAVED) from None
        facts = cls(**(vars(made) | {"other": other}))
        if sum(1 for _ in _named(facts.arch, facts.options)) > MOST_NETWORKS:
            raise InputError(where, f"more than {MOST_NETWORKS} networks in one", SAVED)
        return facts

    @classmethod
    def from_json(cls, content: Any) -> Self | None:
        """Of what `to_json` gave; None if it says no network."""
        try:
            return cls.checked(content, "facts")
        except InputError:
            return None

    @classmethod
    def from_bytes(cls, data: bytes) -> Self | None:
        """Of the beginning of a file of safetensors, its header at least."""
        return cls.from_json(_said(data))

    @classmethod
    def saved_in(cls, path: Path | str) -> Self:
        """Of a file of weights.

        Raises
        ------
        InputError
            PSSRflow did not save it, or its facts were changed to what they cannot be.
        """
        return cls.checked(_said_in(path), path)

    @classmethod
    def read(cls, path: Path | str) -> Self | None:
        """Of a file of weights; None where PSSRflow did not save it."""
        return cls.from_json(_said_in(path))

    @classmethod
    def of_package(cls, path: Path | str) -> Self | None:
        """Of a model package that PSSRflow made; None of any other."""
        try:
            with zipfile.ZipFile(path) as archive, archive.open(WEIGHTS) as stream:
                return cls.from_bytes(_header(stream))
        except (KeyError, ValueError, *BAD_ZIP):
            return None

    def to_json(self) -> dict[str, Any]:
        """As JSON, without what is not known."""
        known = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        other: dict[str, Any] = known.pop("other")
        known["frames"] = self.frames.plain() if self.frames != ONE else None
        return {name: value for name, value in known.items() if value is not None} | other

    @property
    def archs(self) -> set[str]:
        """Architectures of the network and of all its members, however deep."""
        return {arch for arch, _ in _named(self.arch, self.options) if isinstance(arch, str)}

    @property
    def classes(self) -> list[Any]:
        """Python classes that the network or a member of it names, however deep."""
        found = [options for arch, options in _named(self.arch, self.options) if arch == PYTHON]
        return [one.get("path") if isinstance(one, dict) else None for one in found]

    def refuse_python(self, python: Collection[str], where: Path | str) -> None:
        """Refuse Python that weights name and the configuration does not.

        Everything that builds a network of a file goes through here.

        Parameters
        ----------
        python : collection of str
            Classes that the configuration names, as "file.py:Class" or "package.module:Class".
        where : path-like
            The file.

        Raises
        ------
        InputError
        """
        if any(one not in python for one in self.classes):
            raise InputError(
                where,
                "weights of a Python class that they name themselves",
                "a model of arch: custom, whose class the configuration names",
            )

    @property
    def of_ours(self) -> bool:
        """Whether networks of ours are all that there is in it."""
        return self.archs <= set(names()) - {PYTHON, SCRIPT}


@functools.cache
def _types() -> TypeAdapter[Facts]:
    return TypeAdapter(Facts)


def _header(stream: IO[bytes]) -> bytes:
    length = stream.read(8)
    return length + stream.read(min(int.from_bytes(length, "little"), LARGEST))


def _said_in(path: Path | str) -> Any:
    try:
        with open(path, "rb") as stream:
            return _said(_header(stream))
    except (OSError, ValueError):
        return None


def _said(data: bytes) -> Any:
    """What the header of a file of safetensors says to PSSRflow; None if nothing."""
    try:
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])
        return json.loads(header["__metadata__"]["pssrflow"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _named(arch: Any, options: Any) -> Iterator[tuple[Any, Any]]:
    """What stands where architectures and their options do, however deep.

    Step by step, for it may be deeper than Python calls.
    """
    waiting = [(arch, options)]
    while waiting:
        arch, options = waiting.pop()
        yield arch, options
        members = options.get("members") if isinstance(options, dict) else None
        members = members if isinstance(members, list | tuple) else ()
        waiting += [(m.get("arch"), m.get("options")) for m in members if isinstance(m, dict)]

"""A network of the configuration."""

import functools
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, PlainValidator

from pssrflow.keys import Fault, Keys, OneOf, key
from pssrflow.models.facts import SCRIPT, Facts
from pssrflow.networks.frames import MOST, ONE, Frames
from pssrflow.networks.options import Common, Intensity, NetworkOptions, in_and_out
from pssrflow.networks.registry import names, network_symbol, options_of
from pssrflow.run.paths import PathText

# A script belongs to a package, which says how it must be used.
NOT_CONFIGURED = (SCRIPT,)


class Package(Keys):
    """The network of a bioimage.io model package, used as it is."""

    package: PathText = key(
        ...,
        "Path of a model package of bioimage.io (.zip) that PSSRflow made, or whose weights are "
        "TorchScript.",
        min_length=1,
    )
    weights: None = key(None, "null; the package holds them.")
    train: Literal[False] = key(False, "false; a package is used as it is.")


class Ensemble(Keys):
    """The mean of other models."""

    members: tuple[Annotated[str, key(..., "A member.", min_length=1)], ...] = key(
        ...,
        "Other models by name, or files of weights (.safetensors of PSSRflow), whose mean is "
        "taken.",
        min_length=2,
    )
    weights: None = key(None, "null; the members have them.")
    train: Literal[False] = key(False, "false; the members are trained.")

    def faults(self) -> Iterator[Fault]:
        if len(set(self.members)) < len(self.members):
            yield Fault("members", "one of them stands twice. Accepted: each once")


# Models that are made of what was trained elsewhere.
MADE: dict[str, type[Keys]] = {"package": Package, "ensemble": Ensemble}


def archs() -> tuple[str, ...]:
    """What the key `arch` accepts."""
    networks = (name for name in names() if name not in (*MADE, *NOT_CONFIGURED))
    return (*networks, *MADE)


class _Named(Keys):
    """What chooses the other keys of a model."""

    model_config = ConfigDict(extra="ignore")

    arch: Annotated[str, OneOf(archs)] = key(
        ...,
        "Architecture. unet is a residual U-Net at LR resolution; bicubic is no network, the "
        "baseline; custom is a class of your own; package is the network of a bioimage.io model "
        "package; ensemble is the mean of other models; the others are PSSR2's.",
    )


class _Alone(Keys):
    """Weights without an architecture: they say themselves what they are of."""

    model_config = ConfigDict(extra="ignore")

    weights: PathText = key(..., "Weights of PSSRflow.")

    def faults(self) -> Iterator[Fault]:
        return _absent("weights", self.weights, "a file of weights")


@functools.cache
def keys_of(arch: str) -> type[Keys]:
    """All keys of a model of that architecture, but `arch` itself."""
    if arch in MADE:
        return MADE[arch]
    options = options_of(arch)
    # Fields of the last base come first.
    return type(f"Model_{arch}", (options, Common), {"__module__": __name__})


@dataclass(frozen=True)
class Model:
    """A network of the configuration.

    Attributes
    ----------
    arch : str
    weights : str or None
        File to begin with.
    train : bool
        Whether it learns.
    intensity : str or None
        What of the acquisition it sees as 0 to 1; None where its parts say so.
    options : Keys
        Options of the architecture; of a package and an ensemble, what they are made of.
    frames : Frames
        Planes that it sees at once; of a package and an ensemble their parts say it.
    name : str
        How the configuration calls it.
    """

    arch: str
    weights: str | None
    train: bool
    intensity: Intensity | None
    options: Keys
    frames: Frames = ONE
    name: str = ""

    @classmethod
    def checked(cls, given: Any) -> Self:
        """From the keys of the configuration; raises as a class of `Keys` does."""
        if isinstance(given, cls):
            return given
        given = as_saved(given)
        arch = _Named.model_validate(given).arch
        flat = keys_of(arch).model_validate({k: v for k, v in given.items() if k != "arch"})
        own = MADE.get(arch) or options_of(arch)
        said = dict(flat)
        options = flat if arch in MADE else own.model_construct(**_of(flat, own))
        frames = said.get("frames") or _of_channels(options)
        return cls(arch, said["weights"], said["train"], said.get("intensity"), options, frames)

    @classmethod
    def from_params(cls, params: Mapping[str, Any], name: str = "") -> Self:
        """From what `plain` gave, as it comes with a job; hashes of files may be beside it."""
        made = cls.checked({k: v for k, v in params.items() if k != "files"})
        return replace(made, name=name)

    def plain(self) -> dict[str, Any]:
        """As JSON, flat as in the configuration."""
        given: dict[str, Any] = {"arch": self.arch, "weights": self.weights, "train": self.train}
        if self.intensity is not None:
            given["intensity"] = self.intensity
        if self.frames != ONE:
            given["frames"] = self.frames.plain()
        return given | self.options.plain()

    def files(self) -> list[str]:
        """Files that go into it, and models of the run that do."""
        made = (getattr(self.options, name, ()) for name in ("package", "members"))
        of_parts = [[part] if isinstance(part, str) else part for part in made]
        return [*([self.weights] if self.weights else []), *itertools.chain(*of_parts)]

    def archs(self, others: Mapping[str, Self]) -> set[str]:
        """Architectures whose code runs: its own, and those of its members or its package."""
        if isinstance(self.options, Package):
            facts = Facts.of_package(self.options.package)
            # What a package does with Python is not run; the script beside it is.
            return facts.archs if facts and facts.of_ours else {SCRIPT}
        found = {self.arch}
        for member in getattr(self.options, "members", ()):
            if member in others:
                found |= others[member].archs(others)
            elif facts := Facts.read(member):
                found |= facts.archs
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        # Options may be of a class that was declared without its module.
        return Model.from_params, (self.plain(), self.name)

    def faults(self, scale: int, others: Mapping[str, Self]) -> Iterator[Fault]:
        """What does not fit the scale of the run, its other models or the files that are there."""
        if isinstance(self.options, Package):
            yield from _absent("package", self.options.package, "a package of bioimage.io")
        elif isinstance(self.options, Ensemble):
            yield from _strangers(self.options.members, others)
        else:
            yield from self._weights_faults(scale)
            yield from self._option_faults(scale)

    def _option_faults(self, scale: int) -> Iterator[Fault]:
        channels, count = getattr(self.options, "channels", 1), self.frames.count
        if in_and_out(channels) not in ((1, 1), (count, 1)):
            found = list(channels) if isinstance(channels, tuple) else channels
            wanted = f"[{count}, 1], its frames and the plane that is made" if count > 1 else "1"
            yield Fault(
                "channels",
                f"found {found}. Accepted: {wanted} (channels of an acquisition are "
                "super-resolved one by one)",
            )
        if isinstance(self.options, NetworkOptions):
            yield from self.options.misfits(scale)

    def _weights_faults(self, scale: int) -> Iterator[Fault]:
        if self.weights:
            yield from _absent("weights", self.weights, "a file of weights")
            yield from self._unlike(Facts.read(self.weights), scale)
        elif not self.train and self.arch != "bicubic":
            yield Fault("train", "found false, but no weights. Accepted: weights to use, or true")

    def _unlike(self, facts: Facts | None, scale: int) -> Iterator[Fault]:
        """Where weights say that they are of another network."""
        if facts is None:
            return
        for name, found, wanted in (
            ("arch", facts.arch, self.arch),
            ("scale", facts.scale, scale),
            ("frames", facts.frames.plain(), self.frames.plain()),
        ):
            if found != wanted:
                yield Fault(
                    "weights",
                    f"found {name} {found} in {self.weights}. Accepted: weights of {name} {wanted}",
                )


def _of_channels(options: Keys) -> Frames:
    """Planes that networks of PSSR2 see by the number of their channels."""
    inputs, outputs = in_and_out(getattr(options, "channels", 1))
    if outputs == 1 and inputs % 2 and inputs <= MOST:
        return Frames.model_validate({"in": inputs})
    return ONE


def _absent(name: str, path: str, accepted: str) -> Iterator[Fault]:
    if not Path(path).is_file():
        yield Fault(name, f"found {path}, which is no file. Accepted: {accepted}")


def _of(flat: Keys, kind: type[Keys]) -> dict[str, Any]:
    return {name: getattr(flat, name) for name in kind.model_fields}


def _strangers(members: tuple[str, ...], others: Mapping[str, Model]) -> Iterator[Fault]:
    """Members of an ensemble that are no model, or whose weights name Python that would run."""
    named = [name for name, model in others.items() if not isinstance(model.options, Ensemble)]
    for member in members:
        if member in named:
            continue
        facts = Facts.read(member)
        if not Path(member).is_file():
            found = f"{member}, which is neither another model nor a file of weights"
        elif facts is not None and facts.classes:
            found = f"{member}, weights of a Python class that they name themselves"
        else:
            continue
        accepted = ", ".join(named) or "files of weights"
        yield Fault("members", f"found {found}. Accepted: {accepted}")


def network_symbols(model: Model, others: Mapping[str, Model]) -> tuple[str, ...]:
    """Where the networks of a model are written, such as ``pssrflow.networks.unet:Network``."""
    known = model.archs(others) & set(names())
    return tuple(network_symbol(arch) for arch in sorted(known))


def as_saved(given: Any) -> Any:
    """Keys of a model; where they name only weights, it is what these say.

    Python that runs is named by the configuration alone, never by a file of weights.
    """
    unnamed = isinstance(given, dict) and "arch" not in given
    if not unnamed or not isinstance(given.get("weights"), str):
        return given
    facts = Facts.read(_Alone.model_validate(given).weights)
    # An ensemble is configured by its members, and they are in these weights.
    if facts is None or not facts.of_ours or facts.arch in MADE:
        return given
    known = options_of(facts.arch).model_fields
    options = {name: value for name, value in facts.options.items() if name in known}
    seen = {"intensity": facts.intensity, "frames": facts.frames.plain()}
    return {"arch": facts.arch, **seen, **options, **given}


AnyModel = Annotated[Model, PlainValidator(Model.checked)]

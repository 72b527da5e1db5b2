"""Steps by name, without an import of any: a step that nobody names is in nobody's code hash."""

import functools
import importlib
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import ConfigDict, PlainValidator, ValidationError

from pssrflow.crappify.steps import Step
from pssrflow.errors import InputError
from pssrflow.keys import Keys, OneOf, explain, key

# Files of this folder whose steps the configuration may name.
FILES = ("noise", "scanner", "custom", "network")


@functools.cache
def steps() -> dict[str, type[Step]]:
    """Every step by the name that the configuration gives it, in the order of the files."""
    modules = [importlib.import_module(f"pssrflow.crappify.{file}") for file in FILES]
    return {
        kind.name: kind
        for module in modules
        for kind in vars(module).values()
        if _is_step(kind) and kind.__module__ == module.__name__
    }


def _is_step(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Step) and hasattr(kind, "name")


def step_symbol(name: str) -> str:
    """Where a step is written, such as ``pssrflow.crappify.noise:Poisson``."""
    kind = steps()[name]
    return f"{kind.__module__}:{kind.__name__}"


class _Named(Keys):
    """What chooses a step; its other keys are those of the step."""

    model_config = ConfigDict(extra="ignore")

    name: Annotated[str, OneOf(steps)] = key(..., "Which step.")


def checked_step(given: Any) -> Step:
    """Step of ``{"name": ..., ...}``, or the step itself; raises as a class of `Keys` does."""
    if isinstance(given, Step):
        return given
    kind = steps()[_Named.model_validate(given).name]
    return kind.model_validate({key: value for key, value in given.items() if key != "name"})


AnyStep = Annotated[Step, PlainValidator(checked_step)]


def make_step(given: Mapping[str, Any] | Step) -> Step:
    """Step of ``{"name": ..., ...}``.

    Raises
    ------
    InputError
        No such step or key, or a number outside its meaning.
    """
    try:
        return checked_step(given)
    except ValidationError as error:
        raise InputError("crappify step", "\n  ".join(explain(error))) from None

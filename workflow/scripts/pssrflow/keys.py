"""One key of the configuration: its default, its meaning, its bounds, and our sentence about it.

A section of the configuration is a class of `Keys`; each of its keys is written there and nowhere
else. Checks, `config.yaml` and the schema for editors are made from these classes.
"""

import difflib
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
)
from pydantic import model_validator as _model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError, core_schema

from pssrflow.errors import InputError
from pssrflow.plugins import load

# Whole numbers beyond this are not exact as floats.
EXACT = 2**53
# Kind of an error that holds a sentence of ours.
OURS = "ours"
# What is accepted where a value is of another type, in the words of JSON.
TYPES = {
    **dict.fromkeys(("int_type", "int_from_float", "int_parsing"), "integer"),
    **dict.fromkeys(("float_type", "float_parsing"), "number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "boolean"),
    **dict.fromkeys(("tuple_type", "list_type"), "array"),
    **dict.fromkeys(("dict_type", "model_type", "mapping_type"), "object"),
    "string_type": "string",
    "none_required": "null",
    "model_attributes_type": "object",
}
BOUNDS: dict[str, Callable[[dict], str]] = {
    "greater_than_equal": lambda c: f"at least {_short(c['ge'])}",
    "less_than_equal": lambda c: f"at most {_short(c['le'])}",
    "greater_than": lambda c: f"more than {_short(c['gt'])}",
    "less_than": lambda c: f"less than {_short(c['lt'])}",
    "too_short": lambda c: f"{c['min_length']} values",
    "too_long": lambda c: f"{c['max_length']} values",
    "string_too_short": lambda c: f"a text of {c['min_length']} characters or more",
    "string_too_long": lambda c: f"a text of {c['max_length']} characters or less",
    "string_pattern_mismatch": lambda c: f"text that matches {c['pattern']}",
    "finite_number": lambda c: "a finite number",
    "accepted": lambda c: c["accepted"],
}


class Fault(NamedTuple):
    """What is wrong with keys that are right one by one."""

    key: str
    says: str


class Keys(BaseModel):
    """Some keys of the configuration that belong together.

    Types are taken at their word: a text is no number, true is no number, and 4.0 is 4. Unknown
    keys, NaN and infinity are refused. Objects never change.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        validate_default=True,
        regex_engine="python-re",
        protected_namespaces=(),
        arbitrary_types_allowed=True,
        # Of most classes only the keys are asked for: steps that nobody names are never built.
        defer_build=True,
    )

    def faults(self) -> Iterator[Fault]:
        """What no single key shows to be wrong; subclasses say what they find."""
        return iter(())

    @_model_validator(mode="wrap")
    @classmethod
    def _in_our_words(cls, given: Any, check: Callable[[Any], Self]) -> Self:
        given = _as_json_means(given)
        try:
            made = check(given)
        except ValidationError as error:
            raise _refusal(cls, list(_told(cls, error, given))) from None
        found = [_ours((fault.key,) if fault.key else (), fault.says) for fault in made.faults()]
        if found:
            raise _refusal(cls, found)
        return made

    @classmethod
    def parse(cls, given: Any, where: str, what: str = "") -> Self:
        """From what a user wrote.

        Parameters
        ----------
        given : mapping of str to JSON
        where : str
            File or key, for messages.
        what : str
            Said before the list of faults.

        Raises
        ------
        InputError
            Every key that is wrong, what was found there and what is accepted.
        """
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise InputError(where, "\n  ".join(filter(None, [what, *explain(error)]))) from None

    def plain(self) -> dict[str, Any]:
        """As JSON, with every key in the order of the class."""
        return {name: _plain(getattr(self, name)) for name in type(self).model_fields}

    def changed(self, **values: Any) -> Self:
        """Copy with other values of some keys, checked as a whole."""
        return type(self).model_validate(dict(self) | values)

    def __reduce__(self) -> tuple:
        # By what it says: its class may have been declared without the module around it.
        return _again, (type(self).__module__, type(self).__qualname__, Keys.plain(self))


def _again(module: str, name: str, values: dict) -> Keys:
    return load(f"{module}:{name}").model_validate(values)


def key(default: Any, meaning: str, **bounds: Any) -> Any:
    """A key of a section.

    Parameters
    ----------
    default
        Ellipsis where a user must say.
    meaning : str
        One sentence.
    **bounds
        `ge`, `gt`, `le`, `lt` of numbers; `min_length` and `max_length` of lists and texts;
        `pattern` of texts.
    """
    return Field(default, description=meaning, **bounds)


@dataclass(frozen=True)
class OneOf:
    """Annotation of a text that is one of some names; they are asked for when one is checked."""

    names: Callable[[], Iterable[str]]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self._known)

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.names())}

    def _known(self, name: Any) -> str:
        known = tuple(self.names())
        if not isinstance(name, str) or name not in known:
            raise PydanticCustomError("one_of", "{names}", {"names": known})
        return name


def not_accepted(accepted: str) -> PydanticCustomError:
    """What a validator of a single key raises, with what it would take instead."""
    return PydanticCustomError("accepted", "{accepted}", {"accepted": accepted})


def _finite_json(value: Any) -> Any:
    if isinstance(value, dict) and all(isinstance(name, str) for name in value):
        return {name: _finite_json(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite_json(one) for one in value]
    if isinstance(value, str | int | None) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise not_accepted("texts, finite numbers, true, false, null, and lists and mappings of them")


# What a class of the user's own is made with; it alone knows what these keys mean.
JsonObject = Annotated[dict[str, Any], AfterValidator(_finite_json)]


def listed(names: Iterable[Any], like: Any) -> str:
    """Names as text, with the one that the user may have meant."""
    names = [str(name) for name in names]
    return ", ".join(names) + _hint(names, like)


def _hint(names: list[str], like: Any) -> str:
    close = difflib.get_close_matches(str(like), names, 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def explain(error: ValidationError) -> list[str]:
    """What is wrong: key, what was found, what is accepted; one text per fault, in order."""
    faults = [
        (one["loc"], one["ctx"]["says"] if one["type"] == OURS else _about([_raw(one)], None))
        for one in error.errors(include_url=False)
    ]
    faults.sort(key=lambda fault: [str(part) for part in fault[0]])
    return [f"{_name(loc) or 'row'}: {says}" for loc, says in faults]


def _name(path: Iterable[str | int]) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _as_json_means(given: Any) -> Any:
    """Lists as tuples and whole floats as integers, but for what lies in mappings."""
    if not isinstance(given, dict):
        return given
    return {name: _exact(value) for name, value in given.items()}


def _exact(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return tuple(map(_exact, value))
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT:
        return int(value)
    return value


def _plain(value: Any) -> Any:
    if hasattr(value, "plain"):
        return value.plain()
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return value


# -- sentences ------------------------------------------------------------------------------------


def _ours(path: tuple, says: str, found: Any = None) -> InitErrorDetails:
    kind = PydanticCustomError(OURS, "{says}", {"says": says})
    return InitErrorDetails(type=kind, loc=path, input=found)


def _refusal(kind: type[Keys], faults: list[InitErrorDetails]) -> ValidationError:
    return ValidationError.from_exception_data(kind.__name__, faults)


@dataclass(frozen=True)
class _Raw:
    """One finding of pydantic, at the place in what the user wrote that it is about."""

    path: tuple[str | int, ...]
    type: str
    found: Any
    context: dict[str, Any]
    of_a_name: bool = False

    @property
    def inside(self) -> bool:
        """Whether it is about a part of a value of the right type."""
        return len(self.path) > 1 or self.of_a_name

    @property
    def of_type(self) -> bool:
        """Whether another alternative of the key may have been meant."""
        return self.type in TYPES or bool(self.names)

    @property
    def names(self) -> list[str]:
        if self.type == "literal_error":
            expected = self.context["expected"]
            return re.findall(r"'([^']*)'", expected) or [expected.lower()]
        return list(self.context["names"]) if self.type == "one_of" else []

    @property
    def accepted(self) -> str:
        if self.names:
            return ", ".join(self.names)
        if self.type in BOUNDS:
            return BOUNDS[self.type](self.context)
        return TYPES.get(self.type, "see the description")


def _raw(error: Mapping[str, Any], given: Any = None) -> _Raw:
    loc, found, of_a_name = error["loc"], error["input"], error["loc"][-1:] == ("[key]",)
    if of_a_name:
        loc, found = loc[:-2], loc[-2]
    return _Raw(_walked(given, loc), error["type"], found, error.get("ctx", {}), of_a_name)


def _walked(given: Any, loc: tuple) -> tuple:
    """Path of `loc` in what was given, without the names of the alternatives of a type."""
    path = []
    for part in loc:
        inside = isinstance(given, Mapping) and part in given
        if inside or (isinstance(given, tuple | list) and isinstance(part, int)):
            given = given[part]
            path.append(part)
    return tuple(path)


def _told(kind: type[Keys], error: ValidationError, given: Any) -> Iterator[InitErrorDetails]:
    """Findings of one class as sentences of ours; what its parent knows more of stays as it is."""
    of_field: dict[Any, list[_Raw]] = {}
    for one in error.errors(include_url=False):
        loc = one["loc"]
        if one["type"] == OURS:
            yield _ours(loc, one["ctx"]["says"], one["input"])
        elif not loc:
            yield InitErrorDetails(type=one["type"], loc=loc, input=one["input"], ctx=one["ctx"])
        elif len(loc) == 1 and one["type"] in ("extra_forbidden", "invalid_key"):
            known = listed(kind.model_fields, loc[0])
            yield _ours((str(loc[0]),), f"unknown key. Accepted: {known}")
        elif len(loc) == 1 and one["type"] == "missing":
            yield _ours((), _missing(kind, str(loc[0])))
        else:
            of_field.setdefault(loc[0], []).append(_raw(one, given))
    for name, found in of_field.items():
        yield from _of_field(kind.model_fields[name], found)


def _missing(kind: type[Keys], name: str) -> str:
    needed = [n for n, field in kind.model_fields.items() if field.is_required()]
    about = f" ({kind.model_fields[name].description})"
    return f"{name!r} is a required property. Accepted: the keys {', '.join(needed)}{about}"


def _of_field(field: Any, found: list[_Raw]) -> Iterator[InitErrorDetails]:
    """Sentences about one key, of which pydantic may have tried several types."""
    inside = [one for one in found if one.inside]
    meant = inside or [one for one in found if not one.of_type]
    for path, one in {one.path: one for one in reversed(meant)}.items():
        yield _ours(path, _about([one], field), one.found)
    if not meant:
        yield _ours(found[0].path, _about(found, field), found[0].found)


def _about(errors: list[_Raw], field: Any) -> str:
    """``found ... Accepted: ... (the meaning)`` of the alternatives that one value does not fit."""
    first = errors[0]
    accepted = list(dict.fromkeys(one.accepted for one in errors))
    if field is not None and first.of_type and type(None) in get_args(field.annotation):
        accepted.append("null")
    names = [name for one in errors for name in one.names]
    text = " or ".join(accepted) + _hint(names, first.found)
    meaning = f" ({field.description})" if field is not None and field.description else ""
    return f"found {_shown(first)}. Accepted: {text}{meaning}"


def _shown(error: _Raw) -> str:
    found = error.found
    if isinstance(found, float) and not math.isfinite(found):
        return f"{found}"
    try:
        text = json.dumps(found, default=str)
    except (TypeError, ValueError):
        text = repr(found)
    if error.type in TYPES and _is_number(found):
        text += f", a text (YAML takes 1e-3 for one); write {float(found)!r}"
    return text


def _is_number(text: Any) -> bool:
    try:
        return isinstance(text, str) and math.isfinite(float(text))
    except ValueError:
        return False


def _short(number: float) -> str:
    whole = isinstance(number, float) and number.is_integer() and abs(number) < EXACT
    return str(int(number) if whole else number)

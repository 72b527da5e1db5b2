"""Schemas: defaults filled in, and what is wrong said in words that a user can act on."""

import difflib
import json
import math
from pathlib import Path

import jsonschema
import yaml


def load_schema(path):
    """A JSON schema written as YAML."""
    return yaml.safe_load(Path(path).read_text())


def with_defaults(config, schema):
    """Copy of `config` with the schema's default wherever a key is missing, at any depth."""
    if not isinstance(config, dict):
        return config
    filled = {}
    for key, part in schema.get("properties", {}).items():
        if key in config or "default" in part:
            filled[key] = _filled(config.get(key, part.get("default")), part)
    other = schema.get("additionalProperties")
    # Not a set of keys: their order would differ from run to run, and with it Snakemake's params.
    for key in [key for key in config if key not in filled]:
        filled[key] = _filled(config[key], other if isinstance(other, dict) else {})
    for branch in schema.get("allOf", []):
        if jsonschema.Draft202012Validator(branch.get("if", {})).is_valid(filled):
            filled = {**with_defaults(config, {"properties": _options(branch)}), **filled}
    return filled


def explain(schema, content):
    """What is wrong with `content`: key, what was found, what is accepted; one text per error."""
    errors = sorted(_leaves(schema, content), key=lambda e: list(map(str, e.absolute_path)))
    return [f"{_key(e) or 'row'}: {_found(e)}. Accepted: {_accepted(e)}" for e in errors]


def listed(names, like):
    """Names as text, with the one that the user may have meant."""
    close = difflib.get_close_matches(str(like), list(map(str, names)), 1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return ", ".join(map(str, names)) + hint


def _filled(value, schema):
    kinds = schema.get("type", ())
    if isinstance(value, float) and value.is_integer() and "integer" in kinds:
        return int(value)
    if isinstance(value, list) and "items" in schema:
        return [_filled(item, schema["items"]) for item in value]
    return with_defaults(value, schema)


def _options(branch):
    return branch.get("then", {}).get("properties", {})


def _leaves(schema, content):
    """Errors at the keys themselves, not at the branch of the schema that found them."""
    for error in jsonschema.Draft202012Validator(schema).iter_errors(content):
        yield from error.context or [error]


def _key(error):
    key = ""
    for part in error.absolute_path:
        key += f"[{part}]" if isinstance(part, int) else f".{part}" if key else str(part)
    if error.validator == "additionalProperties":
        extra = _unknown(error)
        return f"{key}.{extra}" if key else extra
    return key


def _unknown(error):
    known = error.schema.get("properties", {})
    return next((k for k in error.instance if k not in known), "?")


def _found(error):
    if error.validator == "additionalProperties":
        return "unknown key"
    if error.validator == "required":
        return error.message
    found = f"found {json.dumps(error.instance, default=str)}"
    if error.validator == "type" and _is_number(error.instance):
        found += f", a text (YAML takes 1e-3 for one); write {float(error.instance)!r}"
    return found


def _is_number(text):
    try:
        return isinstance(text, str) and math.isfinite(float(text))
    except ValueError:
        return False


def _accepted(error):
    describe = {
        "additionalProperties": lambda v: listed(
            error.schema.get("properties", {}), _unknown(error)
        ),
        "enum": lambda v: ", ".join(map(str, v)),
        "const": str,
        "type": lambda v: " or ".join(v) if isinstance(v, list) else v,
        "minimum": lambda v: f"at least {v}",
        "maximum": lambda v: f"at most {v}",
        "exclusiveMinimum": lambda v: f"more than {v}",
        "minItems": lambda v: f"{v} values",
        "maxItems": lambda v: f"{v} values",
        "pattern": lambda v: f"text that matches {v}",
        "required": lambda v: "the keys " + ", ".join(v),
    }
    text = describe.get(error.validator, lambda v: "see the description")(error.validator_value)
    about = error.schema.get("description") if isinstance(error.schema, dict) else None
    return f"{text} ({about})" if about else text

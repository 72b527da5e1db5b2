"""What the user writes: configuration and sample sheet, checked before anything runs."""

import difflib
import glob
import json
import re
from pathlib import Path

import jsonschema
import pandas as pd
import yaml

from pssrflow.errors import InputError

SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
SIMULATED = "simulate:"
OVERRIDES = ("pixel_size", "axes", "scene", "channels", "crop")


def load_schema(path):
    """A JSON schema written as YAML."""
    return yaml.safe_load(Path(path).read_text())


def check_config(config, schema, where):
    """Fill in the defaults of a configuration and check it.

    Parameters
    ----------
    config : dict
        As the user wrote it.
    schema : dict
    where : str
        The files it came from, for messages.

    Returns
    -------
    dict
        With every key of the schema.

    Raises
    ------
    InputError
        Names the key, what was found and what is accepted; all errors at once.
    """
    config = with_defaults(config, schema)
    problems = [
        f"{_key(error)}: {_found(error)}. Accepted: {_accepted(error)}"
        for error in sorted(_leaves(schema, config), key=lambda e: list(map(str, e.absolute_path)))
    ] or list(_impossible(config))
    if problems:
        raise InputError(where, "\n  ".join(["configuration refused", *problems]))
    config["train"]["max_time"] = seconds(config["train"]["max_time"])
    return config


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


def seconds(text):
    """Seconds of a duration such as ``90``, ``"90s"``, ``"10m"`` or ``"2h"``; None stays None."""
    if text is None or isinstance(text, int | float):
        return text
    number, unit = re.fullmatch(r"([0-9.]+) *([smhd]?)", text).groups()
    return float(number) * SECONDS[unit]


def read_samples(path, schema, config):
    """Read and check the sample sheet.

    Returns
    -------
    pandas.DataFrame
        Indexed by `sample`; every column of the schema, missing values as None.

    Raises
    ------
    InputError
        Names the row and column, what was found and what is accepted; all errors at once.
    """
    table = _read_table(path)
    unknown = [c for c in table.columns if c not in schema["properties"]]
    if unknown:
        raise InputError(
            path, f"unknown column {unknown[0]!r}", _listed(schema["properties"], unknown[0])
        )
    missing = [c for c in schema["required"] if c not in table.columns]
    if missing:
        raise InputError(
            path, f"no column {missing[0]!r}", f"columns {', '.join(schema['required'])}"
        )
    table = table.reindex(columns=list(schema["properties"])).astype(object)
    table = table.where(table.notna() & (table != ""), None)
    # The header is line 1, so the first row of the table is line 2.
    problems = [
        f"line {line}, {problem}"
        for line, row in enumerate(table.to_dict("records"), start=2)
        for problem in _row_problems(row, schema, config)
    ]
    problems += _duplicates(table["sample"])
    if problems:
        raise InputError(path, "\n  ".join(["sample sheet refused", *problems]))
    if not len(table):
        raise InputError(path, "no rows", "one acquisition a row")
    return table.set_index("sample", drop=False)


def check_roles(table, where):
    """Refuse a sheet from which no target can be made.

    Parameters
    ----------
    table : pandas.DataFrame
        From `read_samples`.
    where : str
    """
    if not (table["role"] == "train").any():
        raise InputError(
            where, "no row has the role train", "at least one HR acquisition to learn from"
        )


def input_paths(text):
    """Files and folders that a path of the sample sheet names; a glob may name many."""
    if any(c in text for c in "*?[") and not Path(text).exists():
        return [Path(p) for p in sorted(glob.glob(text))]
    return [Path(text)] if Path(text).exists() else []


def _read_table(path):
    try:
        return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, comment="#")
    except FileNotFoundError:
        raise InputError(path, "no such sample sheet", "a TSV file (key `samples`)") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, OSError) as error:
        raise InputError(
            path, f"not a table ({error})", "a tab-separated file with a header"
        ) from None


def _row_problems(row, schema, config):
    given = {k: v for k, v in row.items() if v is not None}
    errors = list(_leaves(schema, given))
    if errors:
        yield from (f"{_key(e) or 'row'}: {_found(e)}. Accepted: {_accepted(e)}" for e in errors)
        return
    for column in ("path", "lr_path"):
        if row[column]:
            yield from _path_problems(column, row[column], config["simulate"])
    if row["role"] == "predict" and row["lr_path"]:
        yield "lr_path: a predict row has no HR image to compare. Accepted: the LR image as `path`"
    if row["lr_path"] and row["crop"]:
        yield (
            "crop: would cut the HR and the LR image at different places. "
            "Accepted: no crop in a row with an lr_path"
        )


def _path_problems(column, text, simulated):
    if text.startswith(SIMULATED):
        name = text.removeprefix(SIMULATED)
        if name not in simulated:
            yield (
                f"{column}: no simulated acquisition {name!r}. "
                f"Accepted: {_listed(simulated, name) if simulated else 'names under `simulate`'}"
            )
    elif not input_paths(text):
        yield (
            f"{column}: nothing at {text!r} (looked in {Path.cwd()}). "
            "Accepted: a file, a folder of slices, a glob or an OME-Zarr"
        )


def _duplicates(names):
    # File systems of some users do not tell upper from lower case.
    folded = names.dropna().str.lower()
    for name in folded[folded.duplicated()].unique():
        lines = ", ".join(str(i + 2) for i in folded.index[folded == name])
        yield f"lines {lines}, sample: {name!r} stands more than once. Accepted: one name a row"


def _filled(value, schema):
    if isinstance(value, list) and "items" in schema:
        return [with_defaults(item, schema["items"]) for item in value]
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
    return f"found {json.dumps(error.instance, default=str)}"


def _accepted(error):
    describe = {
        "additionalProperties": lambda v: _listed(
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


def _listed(names, like):
    close = difflib.get_close_matches(str(like), list(names), 1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return ", ".join(names) + hint


def _impossible(config):
    """Combinations that no single key shows to be wrong."""
    ingest, crappify = config["ingest"], config["crappify"]
    pairs = list(zip("zyx", ingest["chunk"], ingest["shard"]))
    for axis, chunk, shard in pairs:
        if shard % chunk:
            yield (
                f"ingest.shard: {shard} pixels along {axis} are no multiple of the chunk, {chunk}. "
                f"Accepted: {chunk}, {2 * chunk}, {3 * chunk} ..."
            )
    low, high = ingest["percentiles"]
    if low >= high:
        yield f"ingest.percentiles: found {low} and {high}. Accepted: a low, then a higher one"
    if crappify["scale"] == 1 and not crappify["noise"]:
        yield "crappify: scale 1 and no noise leave nothing to restore. Accepted: either of them"

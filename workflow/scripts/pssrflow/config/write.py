"""Writes `config.yaml` and the schemas for editors from the keys themselves: `make config`."""

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic.fields import FieldInfo

from pssrflow.config.samples import Row
from pssrflow.config.settings import Settings
from pssrflow.crappify.registry import steps
from pssrflow.crappify.steps import Step
from pssrflow.evaluate.tasks import TASKS, task_symbol
from pssrflow.keys import Keys, OneOf
from pssrflow.models.model import archs, keys_of
from pssrflow.plugins import load

ROOT = Path(__file__).resolve().parents[4]
SCHEMAS = Path("workflow/schemas")
DIALECT = "https://json-schema.org/draft/2020-12/schema"
WIDTH = 100
HEAD = f"""\
# yaml-language-server: $schema={SCHEMAS}/config.schema.json
# The embedded demo, and the default of every key; written by `make config`, so do not edit it. For
# your own data write only what differs to a file of your own:
#   snakemake --configfile mine.yaml
"""


def main() -> None:
    """Write the files, each where it belongs."""
    for name, text in files(ROOT).items():
        (ROOT / name).write_text(text)


def files(root: Path) -> dict[str, str]:
    """Text of every file that is made from the keys, by its path below `root`."""
    schemas = {"config.schema.json": config_schema(), "samples.schema.json": samples_schema()}
    texts = {name: json.dumps(schema, indent=2) + "\n" for name, schema in schemas.items()}
    demo = (root / "resources/demo/simulate.yaml").read_text()
    return {"config.yaml": config_yaml(demo)} | {
        (SCHEMAS / name).as_posix(): text for name, text in texts.items()
    }


# -- config.yaml -----------------------------------------------------------------------------------


def config_yaml(demo: str) -> str:
    """The configuration of the demo, with what every key means.

    Parameters
    ----------
    demo : str
        Acquisitions of the section `simulate`, as YAML.
    """
    parts: list[list[str]] = []
    for name, field in Settings.model_fields.items():
        lines = [*_comment(field, ""), *_section(name, field, demo)]
        # Sections stand apart; single keys do not.
        parts.append([*([] if _is_scalar(field) and parts else [""]), *lines])
    return HEAD + "\n".join(line for part in parts for line in part) + "\n"


def _is_scalar(field: FieldInfo) -> bool:
    return not isinstance(field.default, Keys | dict)


def _section(name: str, field: FieldInfo, demo: str) -> Iterator[str]:
    if name == "simulate":
        yield f"{name}:"
        yield from textwrap.indent(demo.rstrip(), "  ").splitlines()
    elif name == "models":
        yield f"{name}:"
        for model, given in field.default.items():
            yield f"  {model}:"
            yield from _model(given["arch"], "    ")
    elif isinstance(field.default, Keys):
        yield f"{name}:"
        yield from _keys(type(field.default), "  ")
    else:
        yield from _key(name, field.default, "")


def _model(arch: str, indent: str) -> Iterator[str]:
    yield from _wrapped(f"Architecture. One of: {', '.join(archs())}.", indent)
    yield f"{indent}arch: {arch}"
    yield from _keys(keys_of(arch), indent)


def _keys(kind: type[Keys], indent: str) -> Iterator[str]:
    for name, field in kind.model_fields.items():
        yield from _comment(field, indent)
        if isinstance(field.default, Keys):
            yield f"{indent}{name}:"
            yield from _keys(type(field.default), indent + "  ")
        else:
            yield from _key(name, field.default, indent)


def _key(name: str, value: Any, indent: str) -> Iterator[str]:
    value = json.loads(json.dumps(value))
    if isinstance(value, list) and value and isinstance(value[0], dict):
        text = yaml.safe_dump({name: value}, sort_keys=False)
        yield from textwrap.indent(text.rstrip().replace("\n", "\n  "), indent).splitlines()
    else:
        flow = yaml.safe_dump(value, default_flow_style=True, width=10**6).removesuffix("...\n")
        yield f"{indent}{name}: {flow.strip()}"


def _comment(field: FieldInfo, indent: str) -> Iterator[str]:
    return _wrapped(f"{field.description}{_listed(field)}", indent)


def _listed(field: FieldInfo) -> str:
    """Names that a key accepts, where its sentence does not say them all."""
    names = list(dict.fromkeys(name for kind in _kinds(field) for name in _names(kind)))
    said = all(name in (field.description or "") for name in names)
    return "" if said else f" One of: {', '.join(names)}."


def _kinds(field: FieldInfo) -> Iterator[Any]:
    """Alternatives and parts of the type of a key, with what is annotated on them."""
    waiting = [field.annotation, *field.metadata]
    while waiting:
        kind = waiting.pop(0)
        yield kind
        waiting += getattr(kind, "__metadata__", ())
        waiting += get_args(kind) if get_origin(kind) is not Literal else ()


def _names(kind: Any) -> Iterable[str]:
    if isinstance(kind, OneOf):
        return kind.names()
    if kind is Step:
        return steps()
    return map(str, get_args(kind)) if get_origin(kind) is Literal else ()


def _wrapped(text: str, indent: str) -> Iterator[str]:
    start = f"{indent}# "
    yield from textwrap.wrap(
        text,
        WIDTH,
        initial_indent=start,
        subsequent_indent=start,
        break_long_words=False,
        break_on_hyphens=False,
    )


# -- schemas for editors ---------------------------------------------------------------------------


def config_schema() -> dict[str, Any]:
    """JSON Schema of the configuration, with the keys of every step and network."""
    schema = _for_editors(Settings.model_json_schema())
    parts = schema["$defs"]
    parts["Step"] = _chosen_by("name", steps(), parts)
    parts["Model"] = _chosen_by("arch", {arch: keys_of(arch) for arch in archs()}, parts)
    # Weights that PSSRflow saved say which network they are of.
    parts["Model"]["anyOf"] = [{"required": ["arch"]}, {"required": ["weights"]}]
    del parts["Model"]["required"]
    parts["Task"] = _chosen_by("name", {name: load(task_symbol(name)) for name in TASKS}, parts)
    evaluate = parts[schema["properties"]["evaluate"]["$ref"].rpartition("/")[2]]
    evaluate["properties"]["tasks"]["items"] = {"$ref": "#/$defs/Task"}
    crappify = parts[schema["properties"]["crappify"]["$ref"].rpartition("/")[2]]
    for name in ("before", "noise"):
        crappify["properties"][name]["items"] = {"$ref": "#/$defs/Step"}
    for pattern in schema["properties"]["models"]["patternProperties"]:
        schema["properties"]["models"]["patternProperties"][pattern] = {"$ref": "#/$defs/Model"}
    return {"$schema": DIALECT, **schema, "title": "PSSRflow configuration"}


def samples_schema() -> dict[str, Any]:
    """JSON Schema of a row of the sample sheet."""
    schema = _for_editors(Row.model_json_schema())
    return {"$schema": DIALECT, **schema, "title": "PSSRflow sample sheet"}


def _chosen_by(key: str, kinds: Mapping[str, type[Keys]], parts: dict[str, Any]) -> dict[str, Any]:
    """An object whose other keys depend on one of its own; `parts` receives what these refer to."""
    branches = []
    for name, kind in kinds.items():
        own = _for_editors(kind.model_json_schema())
        parts |= own.pop("$defs", {})
        own["properties"] = {key: {"const": name}, **own.get("properties", {})}
        chosen = {"properties": {key: {"const": name}}, "required": [key]}
        branches.append({"if": chosen, "then": own})
    return {
        "type": "object",
        "required": [key],
        "properties": {key: {"enum": list(kinds)}},
        "allOf": branches,
    }


def _for_editors(schema: Any) -> Any:
    """Without what editors do not need or do not read."""
    if isinstance(schema, list):
        return [_for_editors(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {name: _for_editors(value) for name, value in schema.items()}
    if isinstance(kept.get("title"), str):
        del kept["title"]
    if isinstance(kept.get("pattern"), str):
        # Python's end of a text, in the words of JavaScript.
        kept["pattern"] = kept["pattern"].replace(r"\Z", "$")
    if "patternProperties" in kept:
        patterns = kept["patternProperties"].items()
        kept["patternProperties"] = {name.replace(r"\Z", "$"): kind for name, kind in patterns}
        kept["additionalProperties"] = False
    if "$ref" in kept:
        kept.pop("default", None)
    return kept


if __name__ == "__main__":
    main()

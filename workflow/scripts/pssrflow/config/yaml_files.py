"""What YAML reads otherwise than it was meant, found in the files before their values are used.

Of a key that stands twice the first is dropped; no, off and 010 are false, false and 8, and 1:30 is
90: https://yaml.org/type/. Nobody says so.
"""

import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from pssrflow.errors import InputError

# Minutes and hours by 60, and numbers by 8, as YAML 1.1 reads them.
SEXAGESIMAL, OCTAL = r"[-+]?\d+(:\d+)+(\.\d*)?", r"[-+]?0\d+"
ODD = (
    (SEXAGESIMAL, "{0!r} is read as a number by 60. Accepted: 90s, 10m, 2h, or quotes"),
    (OCTAL, "{0!r} is read as a number by 8. Accepted: quotes around a name, or no leading 0"),
)


def check_files(files: Iterable[str]) -> None:
    """Refuse keys that stand twice, and what YAML turns into something else.

    Parameters
    ----------
    files : iterable of str
        Configuration files; JSON is YAML too.

    Raises
    ------
    InputError
        Names file and line of each; all at once.
    """
    found = [f"{file}, {fault}" for file in files for fault in _faults(file)]
    if found:
        raise InputError(found[0].split(",")[0], "\n  ".join(["configuration refused", *found]))


def _faults(file: str) -> Iterator[str]:
    try:
        document = yaml.compose(Path(file).read_text(encoding="utf-8-sig"), yaml.SafeLoader)
    except OSError:
        # Snakemake says so.
        return
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        yield f"no YAML: {error}. Accepted: UTF-8 text in YAML"
        return
    yield from _of(document, (), set())


def _of(node: yaml.Node | None, path: tuple[str, ...], seen: set[int]) -> Iterator[str]:
    """Faults of a node and below; what anchors repeat is looked at once."""
    if node is None or id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        yield from _of_mapping(node, path, seen)
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield from _of(item, (*path, str(number)), seen)
    else:
        yield from _of_scalar(node, path)


def _of_mapping(node, path, seen):
    lines: dict[str, int] = {}
    for key, value in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        where = (*path, name)
        if name in lines:
            first = lines[name]
            yield f"line {line}: {'.'.join(where)} stands in line {first} already. Accepted: once"
        lines[name] = line
        if key.tag.endswith((":bool", ":null")):
            meant = key.tag.rpartition(":")[2]
            yield f"line {line}: the key {name!r} is read as a {meant}. Accepted: quotes around it"
        yield from itertools.chain(_of_scalar(key, path), _of(value, where, seen))


def _of_scalar(node, path):
    if not isinstance(node, yaml.ScalarNode) or not node.tag.endswith((":int", ":float")):
        return
    for pattern, said in ODD:
        if node.style is None and re.fullmatch(pattern, node.value):
            line = node.start_mark.line + 1
            yield f"line {line}: {'.'.join(path)}: {said.format(node.value)}"


def check_command(arguments: Iterable[str]) -> None:
    """Refuse an option for configuration files that stands twice: the first one would be dropped.

    Raises
    ------
    InputError
    """
    options = [a for a in arguments if a.split("=")[0] in ("--configfile", "--configfiles")]
    if len(options) > 1:
        found = f"it stands {len(options)} times, of which only the last one counts"
        raise InputError("--configfile", found, "once, with all files: --configfile a.yaml b.yaml")

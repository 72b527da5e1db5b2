"""Whether two results folders hold the same pixels and the same weights, to the byte.

Compared are the content hashes of all volumes and simulated acquisitions, as the `*.done.json`
beside them say, and the tensors of every `models/*/best.safetensors`. Facts and reports may differ.
Ends with 1 where anything differs or is missing.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import safetensors

from benchmarks.machine import heading, parser
from benchmarks.tables import print_table

EQUAL = "equal"


def contents(results: Path) -> dict[str, str]:
    """Hash of every volume and simulated acquisition, by the path of its done file."""
    found = {}
    for path in sorted(results.rglob("*.done.json")):
        facts = json.loads(path.read_text())
        # The hash of a file of weights is one of its facts, too; its tensors are compared instead.
        if "weights" not in facts:
            found[str(path.relative_to(results))] = facts.get("content") or facts["sha256"]
    return found


def tensors(results: Path) -> dict[tuple[str, str], tuple]:
    """Type, shape and bytes of every tensor, by the path of its file and by its name."""
    found = {}
    for path in sorted(results.glob("models/*/best.safetensors")):
        for name, tensor in safetensors.deserialize(path.read_bytes()):
            key = str(path.relative_to(results)), name
            found[key] = tensor["dtype"], tuple(tensor["shape"]), bytes(tensor["data"])
    return found


def compared(first: dict, second: dict) -> dict[Any, str]:
    """What is equal, different, or there once only; by the key of each."""
    return {key: _verdict(key, first, second) for key in sorted(first | second)}


def _verdict(key, first, second):
    if key not in second:
        return "only in the first"
    if key not in first:
        return "only in the second"
    return EQUAL if first[key] == second[key] else "DIFFERENT"


def rows(volumes: dict[str, str], weights: dict[tuple[str, str], str]) -> Iterator[tuple[str, str]]:
    """Every volume, every tensor that is not equal, and how many tensors of a file are."""
    yield from volumes.items()
    for file in dict.fromkeys(file for file, _ in weights):
        own = {name: verdict for (where, name), verdict in weights.items() if where == file}
        yield from ((f"{file}: {n}", verdict) for n, verdict in own.items() if verdict != EQUAL)
        yield file, f"{list(own.values()).count(EQUAL)} of {len(own)} tensors equal"


def main() -> None:
    """Compare, and print."""
    arguments = parser(__doc__)
    arguments.add_argument("first", type=Path, help="results folder")
    arguments.add_argument("second", type=Path, help="results folder")
    options = arguments.parse_args()
    pair = options.first, options.second
    volumes, weights = (compared(*map(read, pair)) for read in (contents, tensors))
    print(heading())
    print_table(["what", "verdict"], rows(volumes, weights))
    verdicts = [*volumes.values(), *weights.values()]
    same = verdicts.count(EQUAL)
    print(f"\n{same} of {len(verdicts)} equal")
    sys.exit(not verdicts or same < len(verdicts))


if __name__ == "__main__":
    main()

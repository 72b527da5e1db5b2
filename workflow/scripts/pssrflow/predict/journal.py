"""What a part has finished, line by line, so that a killed one goes on where it was."""

import contextlib
import json
import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

# Digest of every shard, by the map's name and the shard's place.
Digests = dict[str, dict[str, str]]


class Journal:
    """Lines of JSON beside the marker of a part; one for each block that is written.

    Parameters
    ----------
    path : path-like
    key : str
        Names everything that decides what the blocks hold; lines of another key are not trusted.
    """

    def __init__(self, path: str | Path, key: str) -> None:
        self.path, self.key = Path(path), key

    def read(self) -> dict[int, Digests]:
        """What was said of every finished block, by its number."""
        found: dict[int, Digests] = {}
        with contextlib.suppress(FileNotFoundError):
            for line in self.path.read_text().splitlines():
                # The last line may have been cut short by a kill.
                with contextlib.suppress(json.JSONDecodeError):
                    entry = json.loads(line)
                    if entry["key"] == self.key:
                        found[entry["block"]] = entry["digests"]
        return found

    def add(self, block: int, digests: Digests) -> None:
        """Say that a block is written; on disk when this returns."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "a") as stream:
            # A line of its own, even after one that a kill cut short.
            line = json.dumps({"key": self.key, "block": block, "digests": digests})
            stream.write(f"\n{line}\n")
            stream.flush()
            os.fsync(stream.fileno())


def merged(found: Iterable[Digests]) -> Digests:
    """Digests of several blocks or parts in one."""
    together: Digests = defaultdict(dict)
    for digests in found:
        for name, by_place in digests.items():
            together[name] |= by_place
    return together

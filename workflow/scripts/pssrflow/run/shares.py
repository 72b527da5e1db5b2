"""What jobs that share the work on one result tell the job that puts it together."""

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pssrflow.errors import InputError
from pssrflow.run.files import read_json, read_made, write_json
from pssrflow.run.layout import MARKER, SHARES

FORMAT = 1


def made_of(content: Iterable[str | Path], *deciding: Any) -> str:
    """Hash of all that decides a result.

    Parameters
    ----------
    content : iterable of path-like
        Done files of what it is made of.
    *deciding
        Parameters (JSON), and hashes of code.
    """
    told = [list(map(read_made, content)), *deciding]
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=list).encode()).hexdigest()


@dataclass(frozen=True)
class Shares:
    """The folder in which they tell it; what is there for another result is nobody's.

    Attributes
    ----------
    folder : Path
    made_of : str
        Hash of all that decides the result.
    """

    folder: Path
    made_of: str

    def begin(self, parts: int) -> None:
        """Say that there will be so many parts, none of which is finished."""
        shutil.rmtree(self.folder, ignore_errors=True)
        write_json(self.folder / SHARES, {"format": FORMAT, "made_of": self.made_of, "of": parts})

    @property
    def parts(self) -> int:
        """Parts that make this result, as the first job or the first part said; 0 of none."""
        for path in (self.folder / SHARES, self._marker(0)):
            with contextlib.suppress(OSError, InputError, KeyError):
                agreed = read_json(path, FORMAT)
                if agreed["made_of"] == self.made_of:
                    return int(agreed["of"])
        return 0

    def report(self, part: int, content: Mapping[str, Any], parts: int | None = None) -> None:
        """Say that a part is finished, of how many, and what it made."""
        told = {"format": FORMAT, "made_of": self.made_of, "of": parts or self.parts}
        write_json(self._marker(part), {**told, **content})

    def _marker(self, part: int) -> Path:
        return self.folder / MARKER.format(part=part)

    def reports(self, fill: Callable[[int], None]) -> Iterator[dict[str, Any]]:
        """What every part said, in order.

        Parameters
        ----------
        fill : callable (part)
            Makes a part of which nobody has said anything.
        """
        parts = self.parts
        for part in range(parts):
            said = self._said(part, parts)
            if said is None:
                fill(part)
                said = self._said(part, parts)
            yield said or {}

    @contextlib.contextmanager
    def putting_together(self) -> Iterator[None]:
        """Forget all reports where what they say is not so, for the next run to begin anew."""
        try:
            yield
        except InputError:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def _said(self, part: int, parts: int) -> dict[str, Any] | None:
        with contextlib.suppress(OSError, InputError):
            told: dict[str, Any] = read_json(self._marker(part), FORMAT)
            if (told.get("made_of"), told.get("of")) == (self.made_of, parts):
                return told
        return None

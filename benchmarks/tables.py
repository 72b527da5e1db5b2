"""Figures as a Markdown table, and ways of doing a thing timed in turns."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any


def print_table(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table, each row as soon as it is there."""
    print(_line(names))
    print("|---" * len(names) + "|", flush=True)
    for row in rows:
        print(_line(row), flush=True)


def _line(cells):
    return f"| {' | '.join(map(str, cells))} |"


def spread(values: Iterable[float], digits: int = 0) -> str:
    """Lowest to highest."""
    low, high = min(values), max(values)
    return f"{low:.{digits}f} to {high:.{digits}f}"


def seconds(way: Callable[[], Any]) -> float:
    """How long a way takes."""
    start = time.perf_counter()
    way()
    return time.perf_counter() - start


def in_turns(
    ways: Mapping[str, Callable[[], Any]],
    rounds: int,
    figure: Callable[[Callable[[], Any]], Any] = seconds,
) -> dict[str, list]:
    """A figure of every way in every round: a slow moment of the machine meets all of them."""
    found = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            found[name].append(figure(way))
    return found

"""The order of slices by their names: as people count, with signs and decimals."""

import re
from collections.abc import Sequence
from pathlib import Path

from natsort import natsorted, ns

# A sign stands after nothing, or after what is neither letter nor digit: z_-10, but not run-10.
SIGN = re.compile(r"(?<![A-Za-z0-9])-\d")
DECIMAL = re.compile(r"(?<![\d.])\d+\.(\d+)(?![\d.])")


def in_order(paths: Sequence[Path]) -> list[Path]:
    """Slices in natural order of their names."""
    stems = [path.stem for path in paths]
    decimal = ns.FLOAT if _are_decimals(stems) else ns.INT
    signed = ns.SIGNED if any(map(SIGN.search, stems)) else ns.UNSIGNED
    # By name first: folders of a glob come second.
    return natsorted(paths, key=lambda p: (p.stem, p.name, str(p)), alg=decimal | signed)


def _are_decimals(stems: Sequence[str]) -> bool:
    """Whether two numbers with a dot between them are one.

    1.25 lies before 1.5, but slice 10 of stack 1 (1.10) after slice 9 (1.9). Where digits after the
    dot are as many in all names both orders are the same; where they count up one by one they are
    numbers of their own.
    """
    found = [match[1] for stem in stems if (match := DECIMAL.search(stem))]
    if len(found) < len(stems) or len({len(digits) for digits in found}) < 2:
        return False
    numbers = sorted(set(map(int, found)))
    return numbers != list(range(numbers[0], numbers[0] + len(numbers)))

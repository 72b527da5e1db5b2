"""Loops over pixels, compiled to machine code."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])

# numba keeps what it compiled beside the source; where a user may not write, each job compiles
# for itself (a few seconds), for numba would else fail.
_KEPT = os.access(Path(__file__).parent, os.W_OK)


def compiled(function: Function) -> Function:
    """Compile a function; it runs without Python's lock. Sums are never reordered."""
    return cast(Function, numba.njit(nogil=True, cache=_KEPT)(function))

"""A user's own crappifier as a step: a Python class."""

from typing import Any, ClassVar

import numpy as np

from pssrflow.crappify.steps import Halo, Inner, Step, around
from pssrflow.errors import InputError
from pssrflow.keys import JsonObject, key
from pssrflow.plugins import foreign, instance

CONTRACT = (
    "a callable (grey, rng) that takes a float32 array (y, x) of grey levels from 0 to 255, which "
    "it does not write to, and a numpy Generator and returns finite real numbers of the same shape"
)


class Custom(Step):
    """A user's own class.

    Its objects are called with grey levels and a random generator, as `CONTRACT` says, always on
    the same squares of a plane; an attribute `halo` says how many pixels around each it looks at.
    """

    name: ClassVar[str] = "custom"
    path: str = key(..., "A Python class, as package.module:Class or file.py:Class.", min_length=3)
    options: JsonObject = key({}, "Keyword arguments of the class.")

    @property
    def _made(self) -> Any:
        return instance(self.path, self.options, CONTRACT)

    @property
    def halo(self) -> Halo:
        found = getattr(self._made, "halo", 0)
        if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found <= 1024:
            raise InputError(self.path, f"halo is {found!r}", "a whole number from 0 to 1024")
        return around(found)

    def apply(self, window: np.ndarray, inner: Inner, rng: np.random.Generator) -> np.ndarray:
        given = window.copy()
        given.flags.writeable = False
        with foreign(self.path, "raised", CONTRACT):
            found = np.asarray(self._made(given, rng))
        return checked(self.path, found, window.shape, CONTRACT)[inner]


def checked(where: str, found: np.ndarray, shape: tuple[int, ...], accepted: str) -> np.ndarray:
    """Grey levels that a foreign crappifier returned, or what is wrong with them."""
    if found.shape != shape:
        raise InputError(where, f"returned shape {found.shape} for {shape}", accepted)
    if found.dtype.kind not in "fiu":
        raise InputError(where, f"returned dtype {found.dtype}", accepted)
    if not np.isfinite(found).all():
        raise InputError(where, "returned NaN or infinity", accepted)
    return found.astype(np.float32)

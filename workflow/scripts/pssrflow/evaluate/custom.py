"""A user's own task: a Python class."""

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from pssrflow.errors import InputError
from pssrflow.evaluate.tasks import Task
from pssrflow.keys import JsonObject, key
from pssrflow.plugins import foreign, instance

CONTRACT = (
    "a callable (image, pixel_um) that takes a float32 array (y, x) of grey levels, which it does "
    "not write to, and the pixel size in micrometers or None, and returns labels (whole numbers, 0 "
    "where there is no object) of the same shape, or a count that is not negative"
)


class Custom(Task):
    """A user's own class, whose objects are called as `CONTRACT` says."""

    name: ClassVar[str] = "custom"
    path: str = key(..., "A Python class, as package.module:Class or file.py:Class.", min_length=3)
    options: JsonObject = key({}, "Keyword arguments of the class.")

    @property
    def title(self) -> str:
        return self.path.rpartition(":")[2]

    def __call__(self, image: npt.NDArray[np.float32], pixel: float | None) -> Any:
        given = image.copy()
        given.flags.writeable = False
        made = instance(self.path, self.options, CONTRACT)
        with foreign(self.path, "raised", CONTRACT):
            found = np.asarray(made(given, pixel))
        return _checked(self.path, found, image.shape)


def _checked(where: str, found: np.ndarray, shape: tuple[int, ...]) -> Any:
    if found.ndim == 0:
        if found.dtype.kind not in "fiub" or not np.isfinite(found) or found < 0:
            raise InputError(where, f"returned {found!r}", CONTRACT)
        return float(found)
    if found.shape != shape:
        raise InputError(where, f"returned shape {found.shape} for {shape}", CONTRACT)
    if found.dtype.kind not in "iub" or found.min() < 0:
        raise InputError(where, f"returned dtype {found.dtype} from {found.min()}", CONTRACT)
    return found.astype(np.int64)

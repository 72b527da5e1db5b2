"""Paths that a user writes, where no shell stands between the file and this pipeline."""

import os
import re
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError


def _as_a_shell_would(path: str) -> str:
    """A path with home and variables in it: no shell stands between a file and this pipeline."""
    if "://" in path:
        return path
    found = os.path.expandvars(os.path.expanduser(path))
    unknown = re.search(r"\$\{?(\w+)\}?", found)
    if unknown and not os.path.exists(found):
        accepted = f"a path; the variable {unknown[1]} is not set"
        raise PydanticCustomError("accepted", "{accepted}", {"accepted": accepted})
    return found


# Extensions of files that hold arrays at paths of their own.
HDF5 = (".h5", ".hdf5", ".he5", ".hdf")


def parted(path: str) -> tuple[str, str | None]:
    """The file of a path such as ``file.h5:/raw``, and the path in it; None where there is none."""
    file, colon, inside = path.partition(":/")
    if colon and "://" not in path and file.lower().endswith(HDF5):
        return file, f"/{inside}"
    return path, None


# A path that a user writes: ~ and $VARIABLE are understood.
PathText = Annotated[str, AfterValidator(_as_a_shell_would)]

"""MRC, REC, ST and their relatives, read from the file in place.

Reference: MRC2014, https://www.ccpem.ac.uk/mrc_format/mrc2014.php; IMOD's bytes,
https://bio3d.colorado.edu/imod/doc/mrc_format.txt
"""

import warnings
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np

from pssrflow.errors import InputError
from pssrflow.ingest.readers.source import Source, faults, only_scene
from pssrflow.volumes.regions import sane_size

RANK = 6
NAMES = "MRC, REC, ST"

_SUFFIXES = (".mrc", ".mrcs", ".rec", ".st", ".ali", ".preali", ".map", ".ccp4")
# IMOD's mark, and its flag of signed bytes.
_IMOD, _SIGNED = 1146047817, 1


def recognises(path: str) -> bool:
    """Whether the extension is one of MRC."""
    return Path(path).suffix.lower() in _SUFFIXES


def open_file(path: str, scene: int | str | None = None) -> Source:
    """Map a file into memory, of which only what is read is held.

    Raises
    ------
    InputError
        Truncated, no MRC, or of a mode without grey levels.
    """
    only_scene(scene, path)
    with faults(path), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        # Permissive: many writers leave out the mark of the standard; what matters is checked here.
        file = mrcfile.mmap(path, mode="r", permissive=True)
    values = file.data
    if values is None or values.ndim < 2:
        file.close()
        found = "; ".join(str(one.message) for one in said) or "no pixels"
        raise InputError(path, f"no intact MRC ({found})", "the whole file, uncompressed")
    unsigned = values.dtype == np.int8 and _imod_bytes(file.header)
    planes = _Mapped(path, values, 1024 + int(file.header.nsymbt))
    stacked = values.ndim == 3 and file.is_image_stack()
    voxel = file.voxel_size
    z, y, x = (sane_size(float(voxel[axis]), "angstrom") for axis in "zyx")
    file.close()
    return Source(
        files=(Path(path),),
        axes="TZYX"[-len(planes.shape) :],
        sizes=planes.shape,
        dtype=np.dtype(np.uint8) if unsigned else planes.dtype,
        # A view, for 255 is stored as -1.
        read=lambda index: planes.read(index).view(np.uint8) if unsigned else planes.read(index),
        pixel_size=(None if stacked else z, y, x),
        notes=("bytes of IMOD, which are not signed",) if unsigned else (),
    )


class _Mapped:
    """Reads rectangles through a map of its own for each, which ends with it.

    What is read through a map stays in memory as long as the map does.
    """

    def __init__(self, path: str, values: np.ndarray, offset: int):
        self.path, self.offset = path, offset
        self.shape, self.dtype = values.shape, values.dtype

    def read(self, index: tuple) -> np.ndarray:
        return np.array(np.memmap(self.path, self.dtype, "r", self.offset, self.shape)[index])


def _imod_bytes(header: Any) -> bool:
    """Whether IMOD wrote bytes before its flag said that they are signed."""
    # Two words that the standard leaves free, in the byte order of the mode.
    stamp, flags = np.frombuffer(header.tobytes()[152:160], header.mode.dtype)
    return bool(stamp == _IMOD and not flags & _SIGNED)

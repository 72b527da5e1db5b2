"""Make one simulated acquisition: what it was asked for, and a done file beside it."""

import logging
from pathlib import Path

from pssrflow.run.files import describe_source, write_json
from pssrflow.simulate.microscope import acquire, discard
from pssrflow.simulate.settings import Microscope

log = logging.getLogger(__name__)


def simulate(path, done, seed, format, shape, tissue, origin_nm, shift_nm, draw, **microscope):
    """Scan simulated tissue to `path`.

    Parameters
    ----------
    path : str
        OME-TIFF, or a folder of slices, as `format` says.
    done : path-like
        JSON written last; holds the hash of the files, so a change of any setting is passed on.
    seed, tissue, draw : int
        Of the project, of the tissue, and of the scan's noise.
    shape : tuple of int
        z, y, x.
    origin_nm, shift_nm : tuple of float
        y, x.
    **microscope
        Fields of `Microscope`.
    """
    log.info("scan %s pixels to %s", shape, path)
    discard(Path(path))
    acquire(
        path,
        seed=1000 * seed + tissue,
        microscope=Microscope(**microscope),
        shape=tuple(shape),
        shift_nm=tuple(shift_nm),
        origin_nm=tuple(origin_nm),
        draw=draw,
    )
    write_json(done, describe_source(path, [path]) | {"format": format})

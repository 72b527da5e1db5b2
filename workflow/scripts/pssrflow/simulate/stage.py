"""Make one simulated acquisition: what it was asked for, and a done file beside it."""

import logging
from pathlib import Path

from pssrflow.run.files import describe_source, write_json
from pssrflow.simulate.files import discard
from pssrflow.simulate.microscope import Place, acquire
from pssrflow.simulate.settings import Acquisition

log = logging.getLogger(__name__)

# Of the done file.
FORMAT = 1


def simulate(path: Path | str, done: Path | str, seed: int, acquisition: Acquisition) -> None:
    """Scan simulated tissue to `path`.

    Parameters
    ----------
    path : path-like
        OME-TIFF, or a folder of slices, as `acquisition.format` says.
    done : path-like
        JSON written last; holds the hash of the files, so a change of any setting is passed on.
    seed : int
        Of the project.
    acquisition : Acquisition
        The microscope, and where it scans.
    """
    log.info("scan %s pixels to %s", acquisition.shape, path)
    discard(Path(path))
    place = Place(
        1000 * seed + acquisition.tissue,
        acquisition.origin_nm,
        acquisition.shift_nm,
        acquisition.draw,
    )
    acquire(path, acquisition.microscope, place, acquisition.shape)
    about = {"format": FORMAT, "written_as": acquisition.format}
    write_json(done, about | describe_source(path, [path]))

"""A folder as a model package, which passes the test of bioimage.io before it has its name."""

import io
import zipfile
from pathlib import Path

from bioimageio.core import test_model

from pssrflow.errors import InputError
from pssrflow.models.description import told
from pssrflow.run.files import replacing


def pack(folder: Path, package: Path) -> None:
    """Zip a folder, test what was written, and only then give it its name.

    Raises
    ------
    InputError
        The package does not pass its test; the message says what that found.
    """
    with replacing(package) as scratch:
        scratch.write_bytes(_zipped(folder))
        _check(scratch, package)


def _zipped(folder: Path) -> bytes:
    """Bytes of a zip without time stamps, so that equal content makes equal bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.writestr(zipfile.ZipInfo(path.name), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def _check(path: Path, named: Path) -> None:
    summary = test_model(path, devices=["cpu"])
    if summary.status != "passed":
        raise InputError(
            named,
            f"the package does not pass its test: {told(summary) or summary.status}",
            "see section export of the configuration",
        )

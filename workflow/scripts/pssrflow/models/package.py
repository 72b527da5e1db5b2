"""Take in a model package of bioimage.io as a trained network; no Python in it is executed."""

import io
import logging
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from pssrflow.errors import InputError
from pssrflow.models.archive import Archive, refuse
from pssrflow.models.description import Shape, misfits, read_description, read_shape
from pssrflow.models.facts import SCRIPT, WEIGHTS, Facts
from pssrflow.models.folder import ModelFolder
from pssrflow.models.weights import load_weights
from pssrflow.networks.contract import SRNetwork
from pssrflow.networks.registry import build
from pssrflow.run.files import file_hash

log = logging.getLogger(__name__)


def adopt_package(
    package: Path | str, scale: int, percentiles: Sequence[float], folder: ModelFolder
) -> None:
    """Take in the network of a package, as a training leaves it; see `read_package`."""
    folder.keep(*read_package(package, scale, percentiles))


def read_package(
    package: Path | str, scale: int, percentiles: Sequence[float]
) -> tuple[SRNetwork, Facts]:
    """Verify a package and build its network.

    Parameters
    ----------
    package : path-like
        The zip.
    scale : int
        SR pixels per LR pixel of the configuration.
    percentiles : sequence of float
        That acquisitions are scaled by.

    Raises
    ------
    InputError
        Something of the package cannot be used; names the file and the keys.
    """
    archive = Archive.read(package)
    model, ours = read_description(archive), _own_facts(archive)
    refuse(package, misfits(model, scale, percentiles, ours.frames.count if ours else 1))
    shape = read_shape(model, scale)
    network, facts = _own_network(archive, shape) or _scripted_network(archive, shape)
    log.info("%s: %s, %s", package, model.name, facts.arch)
    return network, replace(facts, package=file_hash(package))


def _own_facts(archive: Archive) -> Facts | None:
    """What weights of PSSRflow in a package say; None if Python or a script is part of them."""
    facts = Facts.from_bytes(archive.files.get(WEIGHTS, b""))
    return facts if facts is not None and facts.of_ours else None


def _own_network(archive: Archive, shape: Shape) -> tuple[SRNetwork, Facts] | None:
    """Network of a package that PSSRflow made; None if Python or a script is part of it."""
    facts, where = _own_facts(archive), f"{archive.path}: {WEIGHTS}"
    if facts is None:
        return None
    if facts.scale != shape.scale:
        raise InputError(where, f"scale {facts.scale}", f"{shape.scale}")
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, WEIGHTS)
        path.write_bytes(archive.files[WEIGHTS])
        try:
            return load_weights(path)
        except InputError as error:
            raise InputError(where, error.found, error.accepted) from error


def _scripted_network(archive: Archive, shape: Shape) -> tuple[SRNetwork, Facts]:
    """Network of any other package: its TorchScript."""
    weights = archive.content["weights"]
    script = weights.get("torchscript") or {}
    if not script.get("sha256") or script.get("source") not in archive.files:
        raise InputError(
            f"{archive.path}: weights",
            f"{', '.join(weights)}; Python in a package is never run",
            "torchscript with its sha256, or a package that PSSRflow made",
        )
    data = archive.files[script["source"]]
    sizes = {"stride": shape.stride, "minimum": shape.minimum, "halo": shape.halo}
    facts = Facts(SCRIPT, shape.scale, sizes | {"size": len(data)})
    network = build(facts.arch, facts.scale, facts.options)
    _try(network, data, shape, f"{archive.path}: weights.torchscript")
    return network, facts


def _try(network: Any, data: bytes, shape: Shape, where: str) -> None:
    """Put a script into its network; one small image shows whether it does what the axes say."""
    side = shape.minimum + shape.stride
    try:
        network.script.copy_(torch.frombuffer(bytearray(data), dtype=torch.uint8))
        # Loading checks the archive.
        torch.jit.load(io.BytesIO(data), map_location="cpu")
        with torch.no_grad():
            made = network(torch.rand(1, 1, side, side))
    except Exception as error:  # a script raises whatever it was written to raise
        said = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        raise InputError(where, f"does not run ({said})") from error
    expected = (1, 1, side * shape.scale, side * shape.scale)
    if made.shape != expected:
        raise InputError(
            where,
            f"{side} x {side} pixels became {tuple(made.shape)}",
            f"{expected}, as the axes say",
        )

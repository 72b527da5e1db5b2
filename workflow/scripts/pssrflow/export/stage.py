"""Write a trained network as a model package of bioimage.io, tested before it is named."""

import logging
import shutil
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml

from pssrflow.errors import InputError
from pssrflow.export.describe import README, TORCHSCRIPT, describe, readme, shareable
from pssrflow.export.example import EXAMPLE, check_room, choose_example, write_example
from pssrflow.export.packing import pack
from pssrflow.export.settings import Settings
from pssrflow.models.description import Shape
from pssrflow.models.facts import WEIGHTS, Facts
from pssrflow.models.halo import measure_halo
from pssrflow.models.input import Input
from pssrflow.models.weights import load_weights, save_weights
from pssrflow.networks.frames import Frames
from pssrflow.networks.receptive_field import receptive_halo
from pssrflow.run.files import file_hash, read_json
from pssrflow.run.layout import PROMISE
from pssrflow.volumes.store import Store

log = logging.getLogger(__name__)

# Sizes at which a traced network must agree with itself, besides the one it was traced at: odd
# ones, one below any stride, and one larger.
SIZES = ((1, 33, 21), (2, 64, 48), (1, 3, 150))


def export_package(
    weights: Path | str,
    done: Path | str,
    lr: Store,
    package: Path | str,
    percentiles: Sequence[float],
    about: Settings,
    threads: int = 1,
    python: Collection[str] = (),
) -> None:
    """Write a model package; nothing stands at `package` unless it passes its own test.

    Parameters
    ----------
    weights, done : path-like
        Of a trained network: `best.safetensors` and `train.done.json`. What is promised of its
        predictions goes along, where it lies beside them.
    lr : Store
        What the example is cut from and the halo is measured on.
    package : path-like
        The zip to write.
    percentiles : sequence of float
        That acquisitions are scaled by.
    about : Settings
    threads : int
    python : collection of str
        Classes that the configuration names; see `load_weights`.

    Raises
    ------
    InputError
        The network cannot be packed, or the example is too small.
    """
    torch.set_num_threads(threads)
    network, facts = load_weights(weights, python)
    _check_seen(weights, facts)
    trained = read_json(done)
    known = shareable(facts, trained.get("step"), trained.get("validation_psnr"))
    shape = _shape(network, facts.frames, lr)
    image = choose_example(lr, shape.stride, shape.halo, facts.frames)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        save_weights(folder / WEIGHTS, network, known)
        promise = Path(weights).with_name(PROMISE)
        if promise.is_file():
            shutil.copyfile(promise, folder / PROMISE)
        traced(network, weights).save(str(folder / TORCHSCRIPT))
        write_example(folder, network, image, percentiles)
        _describe(folder, about, shape, percentiles, known)
        pack(folder, Path(package))
    log.info("%s: %s, halo %d LR pixels", package, about.name, shape.halo)


def _check_seen(weights: Path | str, facts: Facts) -> None:
    if facts.intensity != "window":
        raise InputError(
            weights,
            f"a network that sees the {facts.intensity} of a detector as 0 to 1",
            "one with intensity: window; packages scale between percentiles",
        )


def _shape(network: Any, frames: Frames, lr: Store) -> Shape:
    """Sizes that a network takes, with the halo that it needs on an LR volume."""
    # A halo that the edges of a small plane cut off was not measured.
    check_room(lr, min(2 * receptive_halo(network) + network.stride, EXAMPLE))
    halo = measure_halo(network, lr, Input.of(lr.volume.intensity, frames=frames))
    return Shape(network.scale, network.stride, 2 * halo + network.stride, halo)


def traced(network: Any, where: Path | str) -> torch.jit.ScriptModule:
    """TorchScript of a network, checked at other sizes than it was traced at.

    Raises
    ------
    InputError
        Sizes are baked into the trace.
    """
    network, frames = network.cpu().eval(), network.frames
    with torch.inference_mode(False), torch.no_grad():
        script = torch.jit.trace(network, torch.rand(1, frames, 40, 56), check_trace=False)
        for batch, *size in SIZES:
            probe = torch.rand(batch, frames, *size)
            expected, found = network(probe), script(probe)
            if found.shape != expected.shape or not torch.allclose(found, expected, atol=1e-4):
                raise InputError(
                    where,
                    f"its TorchScript is wrong for images of {size[0]} x {size[1]} pixels",
                    "a network whose Python code does not depend on the size of the image",
                )
    return script


def _describe(
    folder: Path, about: Settings, shape: Shape, percentiles: Sequence[float], known: Facts
) -> None:
    """Write what is said of all other files of the folder."""
    (folder / README).write_text(readme(about, shape.halo, percentiles, known))
    hashes = {path.name: file_hash(path) for path in sorted(folder.iterdir())}
    content = describe(about, shape, percentiles, known, hashes)
    (folder / "rdf.yaml").write_text(yaml.safe_dump(content, sort_keys=False))

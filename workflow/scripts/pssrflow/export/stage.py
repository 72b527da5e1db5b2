"""Write a trained network as a model package of bioimage.io, tested before it is named."""

import io
import logging
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import torch
import yaml
from PIL import Image

from pssrflow.errors import InputError
from pssrflow.export import describe as d
from pssrflow.models.facts import Facts
from pssrflow.models.halo import measure_halo
from pssrflow.models.weights import load_weights, save_weights
from pssrflow.networks.receptive_field import receptive_halo
from pssrflow.run.files import file_hash, read_json
from pssrflow.volumes.store import Store

log = logging.getLogger(__name__)

# LR pixels of the example along y and x.
EXAMPLE = 128
# Sizes at which a traced network must agree with itself, besides the one it was traced at: odd
# ones, one below any stride, and one larger.
SIZES = ((1, 33, 21), (2, 64, 48), (1, 3, 150))
# Added to the distance of the percentiles; the default of the specification.
EPSILON = 1e-6


def export_package(weights, done, lr, package, percentiles, about, threads):
    """Write a model package; nothing stands at `package` unless it passes its own test.

    Parameters
    ----------
    weights, done : path-like
        Of a trained network: `best.safetensors` and `train.done.json`.
    lr : path-like
        OME-Zarr store that the example is cut from and the halo is measured on.
    package : path-like
        The zip to write.
    percentiles : sequence of float
        That acquisitions are scaled by.
    about : dict
        The section `export` of the configuration.
    threads : int

    Raises
    ------
    InputError
        The network cannot be packed, or the example is too small.
    """
    torch.set_num_threads(threads)
    network, facts = load_weights(weights)
    if facts.intensity != "window":
        raise InputError(
            weights,
            f"a network that sees the {facts.intensity} of a detector as 0 to 1",
            "one with intensity: window; packages scale between percentiles",
        )
    known = d.provenance(facts.to_json(), read_json(done))
    # A halo that the edges of a small plane cut off was not measured.
    check_room(lr, min(2 * receptive_halo(network) + network.stride, EXAMPLE))
    halo = measure_halo(network, Store(lr))
    image = example(lr, network.stride, halo)
    shape = {
        "scale": facts.scale,
        "stride": network.stride,
        "minimum": 2 * halo + network.stride,
    }
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        save_weights(folder / d.WEIGHTS, network, Facts.from_json(known))
        traced(network, weights).save(folder / d.TORCHSCRIPT)
        _examples(folder, network, image, percentiles)
        (folder / d.README).write_text(d.readme(about, halo, percentiles, known))
        hashes = {path.name: file_hash(path) for path in sorted(folder.iterdir())}
        content = d.describe(about, shape, halo, percentiles, known, hashes)
        (folder / "rdf.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
        _write(folder, Path(package))
    log.info("%s: %s, halo %d LR pixels", package, about["name"], halo)


def example(lr, stride, halo):
    """The most varied square of the middle plane of an LR store, (y, x) float32.

    Raises
    ------
    InputError
        The plane is smaller than a tile with its halo.
    """
    store, least = Store(lr), 2 * halo + stride
    array, read = store.level(), store.reader()
    check_room(lr, least)
    side = max(EXAMPLE, least)
    height, width = (min(side, n) // stride * stride for n in array.shape[3:])
    plane = (0, 0, array.shape[2] // 2)
    places = [
        (slice(top, top + height), slice(left, left + width))
        for top in range(0, array.shape[3] - height + 1, height)
        for left in range(0, array.shape[4] - width + 1, width)
    ]
    squares = (read(plane, *place) for place in places[:64])
    return max(squares, key=np.std).astype(np.float32)


def check_room(lr, least):
    """Refuse planes of fewer than `least` LR pixels along y or x."""
    height, width = Store(lr).volume.shape[3:]
    if min(height, width) < least:
        raise InputError(
            lr,
            f"{height} x {width} pixels are too few for an example",
            f"at least {least} LR pixels along y and x: the network's halo on both sides",
        )


def traced(network, where):
    """TorchScript of a network, checked at other sizes than it was traced at.

    Raises
    ------
    InputError
        Sizes are baked into the trace.
    """
    network = network.cpu().eval()
    with torch.inference_mode(False), torch.no_grad():
        script = torch.jit.trace(network, torch.rand(1, 1, 40, 56), check_trace=False)
        for batch, *size in SIZES:
            probe = torch.rand(batch, 1, *size)
            expected = network(probe)
            found = script(probe)
            if found.shape != expected.shape or not torch.allclose(found, expected, atol=1e-4):
                raise InputError(
                    where,
                    f"its TorchScript is wrong for images of {size[0]} x {size[1]} pixels",
                    "a network whose Python code does not depend on the size of the image",
                )
    return script


def normalised(image, percentiles):
    """An image (y, x) as the network sees it, by the formula of `scale_range`."""
    low, high = np.percentile(image, percentiles)
    return ((image - low) / (high - low + EPSILON)).astype(np.float32)


def _examples(folder, network, image, percentiles):
    """Test tensors, and the picture that shows them beside each other."""
    seen = normalised(image, percentiles)
    with torch.no_grad():
        made = network(torch.from_numpy(seen)[None, None]).numpy()
    np.save(folder / d.TEST_INPUT, image[None, None])
    np.save(folder / d.TEST_OUTPUT, made)
    scale = network.scale
    pair = np.hstack([seen.repeat(scale, 0).repeat(scale, 1), made[0, 0]])
    grey = np.clip(pair * 255, 0, 255).astype(np.uint8)
    Image.fromarray(grey).save(folder / d.COVER)


def _write(folder, package):
    """Zip the folder, test what was written, and only then give it its name."""
    package.parent.mkdir(parents=True, exist_ok=True)
    # The ending tells the tester that this is a package.
    scratch = package.with_name(f".scratch.{package.name}")
    try:
        scratch.write_bytes(_zipped(folder))
        check(scratch, package)
        scratch.replace(package)
    finally:
        scratch.unlink(missing_ok=True)


def _zipped(folder):
    """Bytes of a zip without time stamps, so that equal content makes equal bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.writestr(zipfile.ZipInfo(path.name), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def check(path, named):
    """Run the test of bioimageio.core on a package.

    Raises
    ------
    InputError
        It does not pass; the message says what it found.
    """
    # Only now: it loads for seconds.
    from bioimageio.core import test_model

    summary = test_model(path, devices=["cpu"])
    if summary.status != "passed":
        errors = [
            f"{'.'.join(map(str, e.loc))}: {e.msg}" for n in summary.details for e in n.errors
        ]
        raise InputError(
            named,
            "the package does not pass its test: " + ("; ".join(errors) or summary.status),
            "see section export of the configuration",
        )

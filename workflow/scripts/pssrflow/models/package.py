"""Take in a model package of bioimage.io as a trained network; no Python in it is executed."""

import hashlib
import io
import logging
import re
import stat
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path, PurePosixPath

import torch
import yaml
from bioimageio.spec import ValidationContext, build_description
from bioimageio.spec.model import v0_5

from pssrflow.errors import InputError
from pssrflow.models.facts import WEIGHTS, Facts
from pssrflow.models.folder import ModelFolder
from pssrflow.models.weights import load_weights
from pssrflow.networks.contract import SRNetwork
from pssrflow.networks.registry import build, names
from pssrflow.run.files import file_hash

log = logging.getLogger(__name__)

# Names of the files in a package.
TORCHSCRIPT, README, COVER = "network.pt", "README.md", "cover.png"

# Bytes that a package may hold unpacked; a zip can claim far more than it takes on the disk.
LARGEST = 4 << 30
# Architectures that a file of weights must not choose: they run Python or scripts it names.
RUN_FOREIGN_CODE = {"custom", "torchscript"}
DESCRIPTIONS = ("rdf.yaml", "bioimageio.yaml")


def read_package(package, scale, percentiles) -> tuple[SRNetwork, Facts]:
    """Verify a package and build its network.

    Parameters
    ----------
    package : path-like
        The zip.
    scale : int
        HR pixels per LR pixel of the configuration.
    percentiles : sequence of float
        That acquisitions are scaled by.

    Raises
    ------
    InputError
        Something of the package cannot be used; names the file and the key.
    """
    files = read_archive(package)
    content = _content(package, files)
    _check_hashes(package, content, files)
    model = _described(package, content)
    shape = read_shape(package, model, scale)
    check_scaling(package, model, percentiles)
    network, facts = _network(package, content, model, files, shape)
    log.info("%s: %s, %s", package, model.name, facts.arch)
    return network, replace(facts, package=file_hash(package))


def adopt_package(package, scale, percentiles, folder: ModelFolder) -> None:
    """Take in the network of a package, as a training leaves it; see `read_package`."""
    folder.keep(*read_package(package, scale, percentiles))


def read_archive(package):
    """Content of every file of a zip, by name, in memory; nothing is unpacked to the disk.

    Raises
    ------
    InputError
        Not a zip, too large, or with a path that leads out of it.
    """
    try:
        with zipfile.ZipFile(package) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            for entry in entries:
                _check_entry(package, entry)
            if sum(entry.file_size for entry in entries) > LARGEST:
                raise InputError(package, "more than 4 GiB unpacked", "a package of less")
            return {entry.filename: archive.read(entry) for entry in entries}
    except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError) as error:
        raise InputError(
            package, f"cannot be read as a package ({error})", "a zip of bioimage.io"
        ) from error


def _check_entry(package, entry):
    path = PurePosixPath(entry.filename)
    link = stat.S_ISLNK(entry.external_attr >> 16)
    if path.is_absolute() or ".." in path.parts or re.search(r"[\\:]", entry.filename) or link:
        raise InputError(
            package, f"{entry.filename!r} leads out of the package", "relative paths inside it"
        )


def _content(package, files):
    name = next((name for name in DESCRIPTIONS if name in files), None)
    if name is None:
        raise InputError(package, "no rdf.yaml in it", "a model package of bioimage.io")
    try:
        content = yaml.safe_load(files[name])
    except yaml.YAMLError as error:
        raise InputError(f"{package}: {name}", f"not YAML ({error})") from error
    version = str(content.get("format_version")) if isinstance(content, dict) else "nothing"
    if not version.startswith("0.5.") or content.get("type") != "model":
        raise InputError(
            f"{package}: {name}", f"format_version {version}", "type model, format_version 0.5"
        )
    return content


def _check_hashes(package, content, files, key=""):
    """Every file that the description names with a hash must be there and have it."""
    if isinstance(content, list):
        content = dict(enumerate(content))
    if not isinstance(content, dict):
        return
    source, expected = content.get("source"), content.get("sha256")
    if isinstance(source, str) and expected:
        if source not in files:
            raise InputError(f"{package}: {key}.source", f"no file {source!r} in the package")
        found = hashlib.sha256(files[source]).hexdigest()
        if found != expected:
            raise InputError(f"{package}: {key}.sha256", f"{source} has the hash {found}", expected)
    for name, part in content.items():
        _check_hashes(package, part, files, f"{key}.{name}" if key else str(name))


def _described(package, content):
    # Without file access: a description may name any path or address, and none is followed.
    context = ValidationContext(perform_io_checks=False, log_warnings=False)
    model = build_description(content, context=context)
    if isinstance(model, v0_5.ModelDescr):
        return model
    errors = [
        f"{'.'.join(map(str, error.loc))}: {error.msg}"
        for detail in model.validation_summary.details
        for error in detail.errors
    ]
    raise InputError(package, "; ".join(errors) or "no valid description", "bioimage.io model 0.5")


def read_shape(package, model, scale):
    """What the axes say of the network: `stride`, `minimum` and `halo`, LR pixels.

    Raises
    ------
    InputError
        Other tensors than one image in and one out, or another scale.
    """
    for kind in ("inputs", "outputs"):
        tensors = getattr(model, kind)
        if len(tensors) != 1:
            raise InputError(f"{package}: {kind}", f"{len(tensors)} tensors", "one")
        _check_axes(f"{package}: {kind}[0].axes", tensors[0].axes)
    pairs = list(zip(model.inputs[0].axes[2:], model.outputs[0].axes[2:]))
    found = [_read_axis(package, model.inputs[0].id, axis, made, scale) for axis, made in pairs]
    stride = max(one["stride"] for one in found)
    if any(stride % one["stride"] for one in found):
        raise InputError(f"{package}: inputs[0].axes", "steps of y and x that do not agree")
    minimum = max(one["minimum"] for one in found)
    halo = max(one["halo"] for one in found)
    return {"stride": stride, "minimum": minimum, "halo": -(-halo // stride) * stride}


def _check_axes(where, axes):
    kinds = [axis.type for axis in axes]
    names = [str(axis.id) for axis in axes]
    if kinds != ["batch", "channel", "space", "space"] or names[2:] != ["y", "x"]:
        raise InputError(where, ", ".join(names), "batch, channel, y, x")
    if axes[1].size != 1:
        raise InputError(f"{where}[1]", f"{axes[1].size} channels", "1 channel")


def _read_axis(package, tensor, axis, made, scale):
    size, where = axis.size, f"{package}: inputs[0].axes.{axis.id}.size"
    if not isinstance(size, v0_5.ParameterizedSize):
        raise InputError(where, f"{size}, which is fixed", "min and step, for images of any size")
    where = f"{package}: outputs[0].axes.{made.id}"
    size_of = made.size
    refers = isinstance(size_of, v0_5.SizeReference) and (size_of.tensor_id, size_of.axis_id) == (
        tensor,
        axis.id,
    )
    if not refers or size_of.offset:
        raise InputError(f"{where}.size", f"{size_of}", f"a reference to {axis.id}, offset 0")
    factor = axis.scale / made.scale
    if abs(factor - scale) > 1e-6:
        raise InputError(
            f"{where}.scale", f"a network for scale {factor:g}", f"{scale}, as crappify.scale"
        )
    return {
        "stride": size.step,
        "minimum": size.min,
        "halo": -(-getattr(made, "halo", 0) // scale),
    }


def check_scaling(package, model, percentiles):
    """Refuse grey levels that are not scaled as this pipeline does, once per acquisition."""
    where = f"{package}: inputs[0].preprocessing"
    steps = [s for s in model.inputs[0].preprocessing if s.id != "ensure_dtype"]
    low, high = percentiles
    accepted = f"scale_range from percentile {low:g} to {high:g} of y and x, as ingest.percentiles"
    if [s.id for s in steps] != ["scale_range"]:
        raise InputError(where, ", ".join(s.id for s in steps) or "none", accepted)
    given = steps[0].kwargs
    over = {"y", "x"} if given.axes is None else set(map(str, given.axes))
    if given.reference_tensor not in (None, model.inputs[0].id) or not {"y", "x"} <= over:
        raise InputError(where, f"scale_range over {', '.join(sorted(over))}", accepted)
    if (given.min_percentile, given.max_percentile) != (low, high):
        found = f"percentiles {given.min_percentile:g} and {given.max_percentile:g}"
        raise InputError(where, found, accepted)
    after = [s.id for s in model.outputs[0].postprocessing if s.id != "ensure_dtype"]
    if after:
        raise InputError(f"{package}: outputs[0].postprocessing", ", ".join(after), "none")


def _network(package, content, model, files, shape):
    """The network and its facts: ours by its name, any other as TorchScript."""
    own = _own_network(package, files, model) if WEIGHTS in files else None
    if own:
        return own
    weights = content["weights"].get("torchscript") or {}
    source = weights.get("source")
    if not weights.get("sha256") or source not in files:
        raise InputError(
            f"{package}: weights",
            f"{', '.join(content['weights'])}; Python in a package is never run",
            "torchscript with its sha256, or a package that PSSRflow made",
        )
    return _scripted(package, files[source], _scale(model), shape)


def _scale(model):
    return round(model.inputs[0].axes[2].scale / model.outputs[0].axes[2].scale)


def _own_network(package, files, model):
    """Network of a package that PSSRflow made; None if only Python or a script can build it."""
    known = Facts.from_bytes(files[WEIGHTS])
    if known is None or known.arch not in names() or known.archs & RUN_FOREIGN_CODE:
        return None
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, WEIGHTS)
        path.write_bytes(files[WEIGHTS])
        network, facts = load_weights(path)
    if facts.scale != _scale(model):
        raise InputError(f"{package}: {WEIGHTS}", f"scale {facts.scale}", f"{_scale(model)}")
    return network, facts


def _scripted(package, data, scale, shape):
    options = shape | {"size": len(data)}
    network: SRNetwork = build("torchscript", scale, options)
    network.script.copy_(torch.frombuffer(bytearray(data), dtype=torch.uint8))
    side = shape["minimum"] + shape["stride"]
    try:
        # Loading checks the archive; one small image checks what the axes promise.
        torch.jit.load(io.BytesIO(data), map_location="cpu")
        with torch.no_grad():
            made = network(torch.rand(1, 1, side, side))
    except RuntimeError as error:
        said = str(error).strip().splitlines()[-1]
        raise InputError(f"{package}: weights.torchscript", f"does not run ({said})") from error
    if made.shape != (1, 1, side * scale, side * scale):
        raise InputError(
            f"{package}: weights.torchscript",
            f"{side} x {side} pixels became {tuple(made.shape)}",
            f"(1, 1, {side * scale}, {side * scale}), as the axes say",
        )
    return network, Facts("torchscript", scale, options)

"""What a model package says of its network: the description (rdf.yaml) and its README.

Reference: bioimage.io model description 0.5, https://github.com/bioimage-io/spec-bioimage-io
"""

from pathlib import Path

import torch
from bioimageio.spec.model.v0_5 import ModelDescr

from pssrflow.models.facts import WEIGHTS
from pssrflow.models.package import COVER, README, TORCHSCRIPT
from pssrflow.run.version import __version__

INPUT, OUTPUT = "lr", "sr"

TEST_INPUT, TEST_OUTPUT = "test_input.npy", "test_output.npy"
PAPER = {
    "text": "Fang, L. et al. Deep learning-based point-scanning super-resolution imaging. "
    "Nature Methods 18, 406-416 (2021)",
    "doi": "10.1038/s41592-021-01080-z",
}
SOFTWARE = f"PSSRflow {__version__} (CITATION.cff in its repository)"


def describe(about, shape, halo, percentiles, facts, hashes):
    """The description of a package, ready for rdf.yaml.

    Parameters
    ----------
    about : dict
        `name`, `description`, `authors`, `license`, `cite` and `tags`.
    shape : dict
        `scale`, `stride` and `minimum` (LR pixels) of the network.
    halo : int
        LR pixels.
    percentiles : sequence of float
        What the network sees as 0 and as 1.
    facts : dict
        Where the weights come from.
    hashes : dict
        SHA-256 of every file by name.
    """
    files = {name: {"source": name, "sha256": value} for name, value in hashes.items()}
    torchscript = {"pytorch_version": torch.__version__.split("+")[0]}
    return {
        "format_version": ModelDescr.implemented_format_version,
        "type": "model",
        **{key: about[key] for key in ("name", "description", "license", "tags")},
        "authors": [{k: v for k, v in author.items() if v} for author in about["authors"]],
        "cite": [PAPER, *about["cite"]],
        "documentation": files[README],
        "covers": [files[COVER]],
        "inputs": [_input(shape, percentiles, files[TEST_INPUT])],
        "outputs": [_output(shape, halo, files[TEST_OUTPUT])],
        "weights": {"torchscript": files[TORCHSCRIPT] | torchscript},
        "attachments": [files[WEIGHTS]],
        "config": {"pssrflow": facts},
    }


def _input(shape, percentiles, test):
    low, high = percentiles
    scaling = {"axes": ["channel", "y", "x"], "min_percentile": low, "max_percentile": high}
    return {
        "id": INPUT,
        "description": "LR image, in grey levels of any detector",
        "axes": [
            {"type": "batch"},
            {"type": "channel", "channel_names": ["intensity"]},
            *(_input_axis(axis, shape) for axis in "yx"),
        ],
        "data": {"type": "float32"},
        "preprocessing": [{"id": "scale_range", "kwargs": scaling}],
        "test_tensor": test,
    }


def _input_axis(axis, shape):
    size = {"min": shape["minimum"], "step": shape["stride"]}
    return {"type": "space", "id": axis, "size": size, "scale": 1.0}


def _output(shape, halo, test):
    return {
        "id": OUTPUT,
        "description": "SR image; 0 and 1 are the two percentiles of the LR image",
        "axes": [
            {"type": "batch"},
            {"type": "channel", "channel_names": ["intensity"]},
            *(_output_axis(axis, shape["scale"], halo) for axis in "yx"),
        ],
        "data": {"type": "float32"},
        "test_tensor": test,
    }


def _output_axis(axis, scale, halo):
    """Size of the input times the scale: its pixels are 1 / scale as large."""
    size = {"tensor_id": INPUT, "axis_id": axis}
    made = {"type": "space", "id": axis, "size": size, "scale": 1 / scale}
    # In output pixels; the specification has no halo of 0.
    return made | ({"halo": halo * scale} if halo else {})


def readme(about, halo, percentiles, facts):
    """Documentation of a package, Markdown."""
    psnr = facts["validation_psnr"]
    rows = "\n".join(f"- `{name}`: `{value}`" for name, value in facts["trained_on"].items())
    quality = f"{psnr:.2f} dB on held-out patches" if psnr is not None else "not measured"
    low, high = percentiles
    authors = ", ".join(author["name"] for author in about["authors"])
    return f"""# {about["name"]}

{about["description"]}

By {authors}. Licence: {about["license"]}. Made with {SOFTWARE}.

## Use

One channel in, one out, {facts["scale"]} times as many pixels along y and x. Percentiles {low:g}
and {high:g} of the LR image are 0 and 1 to the network, and in what it returns: multiply by their
distance and add the lower one for grey levels. Take them from the whole acquisition; tiles scaled
by their own show seams. Tiles need {halo} LR pixels of surroundings.
`{TORCHSCRIPT}` runs with PyTorch alone. `{WEIGHTS}` is for PSSRflow and holds no code.

## Training and validation

Architecture: {facts["arch"]}. PSNR: {quality}. Trained on (content hashes):

{rows or "- not recorded"}

## Limits

A network invents plausible detail where the image holds none. It knows the specimens, the pixel
size and the noise that it was trained on; on others, validate it against acquired pairs before any
measurement, and never count or measure what only the super-resolved image shows.
"""


def provenance(facts, done):
    """What is known of the weights, without a path of the machine that made them.

    Parameters
    ----------
    facts : dict
        Of the weights.
    done : dict
        `train.done.json`.
    """
    trained = facts.get("trained_on") or {}
    crappify = facts.get("crappify") or {}
    return {
        "version": __version__,
        **{key: facts[key] for key in ("arch", "scale", "options")},
        "versions": facts.get("versions"),
        "seed": facts.get("seed"),
        "code": facts.get("code"),
        "crappify": {k: v for k, v in crappify.items() if isinstance(v, int | float | str | list)},
        "trained_on": {
            "/".join(Path(path).parts[-2:]): content.get("content", "")
            if isinstance(content, dict)
            else content
            for path, content in trained.items()
        },
        "step": done.get("step"),
        "validation_psnr": done.get("validation_psnr"),
    }

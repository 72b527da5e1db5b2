"""What a model package says of its network: the description (rdf.yaml) and its README.

Reference: bioimage.io model description 0.5, https://github.com/bioimage-io/spec-bioimage-io
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from bioimageio.spec.model.v0_5 import ModelDescr

from pssrflow.export.settings import Author, Settings
from pssrflow.models.description import Shape
from pssrflow.models.facts import WEIGHTS, Facts
from pssrflow.networks.frames import Frames
from pssrflow.run.layout import PROMISE
from pssrflow.run.version import __version__

# Part of a description, as YAML.
Yaml = dict[str, Any]

INPUT, OUTPUT = "lr", "sr"
# Names of the files in a package, besides the weights.
TORCHSCRIPT, README, COVER = "network.pt", "README.md", "cover.png"
TEST_INPUT, TEST_OUTPUT = "test_input.npy", "test_output.npy"
# What a description says of the weights, besides the version that wrote it.
KNOWN = (
    *("arch", "scale", "options", "versions", "seed", "code", "crappify", "trained_on"),
    *("begun_with", "extended"),
)
MEASURED = ("step", "validation_psnr")
PAPER = {
    "text": "Fang, L. et al. Deep learning-based point-scanning super-resolution imaging. "
    "Nature Methods 18, 406-416 (2021)",
    "doi": "10.1038/s41592-021-01080-z",
}
SOFTWARE = f"PSSRflow {__version__} (CITATION.cff in its repository)"
# Of the facts of weights, what goes into a package as it is.
AS_IT_IS = ("versions", "seed", "code", "begun_with", "extended")


def shareable(facts: Facts, step: int | None, validation_psnr: float | None) -> Facts:
    """What is known of the weights, without a path of the machine that made them.

    Parameters
    ----------
    facts : Facts
        Of the weights.
    step : int or None
        Optimiser steps of the training.
    validation_psnr : float or None
        dB, on held-out patches.
    """
    known = {name: getattr(facts, name) for name in AS_IT_IS}
    crappify, trained_on = facts.crappify or {}, facts.trained_on or {}
    return Facts(
        facts.arch,
        facts.scale,
        facts.options,
        facts.frames,
        **known,
        crappify={k: v for k, v in crappify.items() if isinstance(v, int | float | str | list)},
        trained_on={_end(path): _content_hash(done) for path, done in trained_on.items()},
        step=step,
        validation_psnr=validation_psnr,
        other={"version": __version__},
    )


def _end(path: str) -> str:
    """Name of a file and of the folder around it."""
    return "/".join(Path(path).parts[-2:])


def _content_hash(done: Any) -> Any:
    """Hash of the pixels that a done file is about."""
    return done.get("content", "") if isinstance(done, dict) else done


def describe(
    about: Settings,
    shape: Shape,
    percentiles: Sequence[float],
    facts: Facts,
    hashes: Mapping[str, str],
) -> Yaml:
    """The description of a package, ready for rdf.yaml.

    Parameters
    ----------
    about : Settings
    shape : Shape
    percentiles : sequence of float
        What the network sees as 0 and as 1.
    facts : Facts
        Of the weights, shareable.
    hashes : mapping of str to str
        SHA-256 of every file by name.
    """
    files = {name: {"source": name, "sha256": value} for name, value in hashes.items()}
    torchscript = {"pytorch_version": torch.__version__.split("+")[0]}
    said = about.plain()
    return {
        "format_version": ModelDescr.implemented_format_version,
        "type": "model",
        **{key: said[key] for key in ("name", "description", "license", "tags")},
        "authors": [_author(author) for author in about.authors],
        "cite": [PAPER, *said["cite"]],
        "documentation": files[README],
        "covers": [files[COVER]],
        "inputs": [_input(shape, percentiles, facts.frames, files[TEST_INPUT])],
        "outputs": [_output(shape, files[TEST_OUTPUT])],
        "weights": {"torchscript": files[TORCHSCRIPT] | torchscript},
        "attachments": [files[name] for name in (WEIGHTS, PROMISE) if name in files],
        "config": {"pssrflow": _known(facts)},
    }


def _author(author: Author) -> Yaml:
    """Who made it; the specification has no empty keys."""
    return {key: value for key, value in author.plain().items() if value}


def _known(facts: Facts) -> Yaml:
    """What is known of the weights; null where nothing is."""
    return facts.other | {name: getattr(facts, name) for name in (*KNOWN, *MEASURED)}


def _input(shape: Shape, percentiles: Sequence[float], frames: Frames, test: Yaml) -> Yaml:
    low, high = percentiles
    scaling = {"axes": ["channel", "y", "x"], "min_percentile": low, "max_percentile": high}
    return {
        "id": INPUT,
        "description": "LR image, in grey levels of any detector"
        + "; neighbouring planes as channels" * (frames.count > 1),
        "axes": [
            {"type": "batch"},
            {"type": "channel", "channel_names": _channels(frames)},
            *(_input_axis(axis, shape) for axis in "yx"),
        ],
        "data": {"type": "float32"},
        "preprocessing": [{"id": "scale_range", "kwargs": scaling}],
        "test_tensor": test,
    }


def _seen(frames: Frames) -> str:
    """What goes in, in words."""
    if frames.count == 1:
        return "One channel in"
    ends = {"repeat": "the last one stands for those", "mirror": "those before stand for those"}
    return (
        f"{frames.count} channels in: planes {frames.stride} apart along {frames.axis}, in the "
        f"order {', '.join(_channels(frames))} (beyond the ends of a stack "
        f"{ends[frames.edge]} that are missing)"
    )


def _channels(frames: Frames) -> list[str]:
    """Names of the planes that are seen at once, by where they lie: z_minus_1, intensity, ..."""
    sign = {True: "minus", False: "plus"}
    return [
        "_".join(f"{n}_{sign[d < 0]}_{abs(d)}" for n, d in zip("tz", place) if d) or "intensity"
        for place in frames.offsets
    ]


def _input_axis(axis: str, shape: Shape) -> Yaml:
    size = {"min": shape.minimum, "step": shape.stride}
    return {"type": "space", "id": axis, "size": size, "scale": 1.0}


def _output(shape: Shape, test: Yaml) -> Yaml:
    return {
        "id": OUTPUT,
        "description": "SR image; 0 and 1 are the two percentiles of the LR image",
        "axes": [
            {"type": "batch"},
            {"type": "channel", "channel_names": ["intensity"]},
            *(_output_axis(axis, shape) for axis in "yx"),
        ],
        "data": {"type": "float32"},
        "test_tensor": test,
    }


def _output_axis(axis: str, shape: Shape) -> Yaml:
    """Size of the input times the scale: its pixels are 1 / scale as large."""
    size = {"tensor_id": INPUT, "axis_id": axis}
    made = {"type": "space", "id": axis, "size": size, "scale": 1 / shape.scale}
    # In output pixels; the specification has no halo of 0.
    return made | ({"halo": shape.halo * shape.scale} if shape.halo else {})


def readme(about: Settings, halo: int, percentiles: Sequence[float], facts: Facts) -> str:
    """Documentation of a package, Markdown."""
    psnr, trained_on = facts.validation_psnr, facts.trained_on or {}
    rows = "\n".join(f"- `{name}`: `{value}`" for name, value in trained_on.items())
    quality = f"{psnr:.2f} dB on held-out patches" if psnr is not None else "not measured"
    low, high = percentiles
    authors = ", ".join(author.name for author in about.authors)
    return f"""# {about.name}

{about.description}

By {authors}. Licence: {about.license}. Made with {SOFTWARE}.

## Use

{_seen(facts.frames)}, one out, {facts.scale} times as many pixels along y and x.
Percentiles {low:g} and {high:g} of the LR image are 0 and 1 to the network, and in what it returns:
multiply by their distance and add the lower one for grey levels. Take them from the whole
acquisition; tiles scaled by their own show seams. Tiles need {halo} LR pixels of surroundings.
`{TORCHSCRIPT}` runs with PyTorch alone. `{WEIGHTS}` is for PSSRflow and holds no code.

## Training and validation

Architecture: {facts.arch}. PSNR: {quality}. Trained on (content hashes):

{rows or "- not recorded"}

## Limits

A network invents plausible detail where the image holds none. It knows the specimens, the pixel
size and the noise that it was trained on; on others, validate it against acquired pairs before any
measurement, and never count or measure what only the super-resolved image shows.
"""

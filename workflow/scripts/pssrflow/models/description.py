"""What a model package of bioimage.io says of its network: axes, sizes and grey levels.

Reference: bioimage.io model description 0.5, https://github.com/bioimage-io/spec-bioimage-io
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bioimageio.spec import ValidationContext, ValidationSummary, build_description
from bioimageio.spec.model import v0_5

from pssrflow.errors import InputError
from pssrflow.keys import Fault
from pssrflow.models.archive import Archive

# How far a factor between pixel sizes may be from the scale.
NEAR = 1e-6


@dataclass(frozen=True)
class Shape:
    """Sizes of the images that a network takes and makes.

    Attributes
    ----------
    scale : int
        SR pixels per LR pixel.
    stride : int
        LR pixels by which sizes may differ from the least one.
    minimum : int
        LR pixels that the network takes at least.
    halo : int
        LR pixels that tiles need around them.
    """

    scale: int
    stride: int
    minimum: int
    halo: int


def read_description(archive: Archive) -> v0_5.ModelDescr:
    """The description of a package, as the specification has it.

    Raises
    ------
    InputError
        It does not keep to the specification.
    """
    # Without file access: a description may name any path or address, and none is followed.
    context = ValidationContext(perform_io_checks=False, log_warnings=False)
    model = build_description(archive.content, context=context)
    if isinstance(model, v0_5.ModelDescr):
        return model
    found = told(model.validation_summary)
    raise InputError(archive.path, found or "no valid description", "bioimage.io model 0.5")


def told(summary: ValidationSummary) -> str:
    """What a validation found wrong, with the keys; empty if it says nothing."""
    return "; ".join(f"{'.'.join(map(str, error.loc))}: {error.msg}" for error in summary.errors)


def misfits(
    model: v0_5.ModelDescr, scale: int, percentiles: Sequence[float], frames: int = 1
) -> Iterator[Fault]:
    """What of a network this pipeline cannot use.

    Parameters
    ----------
    model : ModelDescr
    scale : int
        SR pixels per LR pixel of the configuration.
    percentiles : sequence of float
        That acquisitions are scaled by.
    frames : int
        Planes that the network sees at once, as channels.
    """
    unlike = list(_tensor_faults(model, frames))
    yield from unlike or _size_faults(model, scale)
    yield from _scaling_faults(model, percentiles)


def read_shape(model: v0_5.ModelDescr, scale: int) -> Shape:
    """Sizes that a network without misfits takes; the halo is a multiple of the stride."""
    pairs = _axes(model)
    stride = max(axis.size.step for axis, _ in pairs)
    # The specification counts the halo in pixels of the output.
    halo = max(-(-getattr(made, "halo", 0) // scale) for _, made in pairs)
    minimum = max(axis.size.min for axis, _ in pairs)
    return Shape(scale, stride, minimum, -(-halo // stride) * stride)


def _axes(model: v0_5.ModelDescr) -> list[tuple[Any, Any]]:
    """Axes y and x of the input, each with that of the output."""
    return list(zip(model.inputs[0].axes[2:], model.outputs[0].axes[2:]))


def _tensor_faults(model: v0_5.ModelDescr, frames: int) -> Iterator[Fault]:
    """Where there are other tensors than one image in and one out."""
    for kind, channels in (("inputs", frames), ("outputs", 1)):
        tensors = getattr(model, kind)
        if len(tensors) != 1:
            yield Fault(kind, f"{len(tensors)} tensors. Accepted: one")
        else:
            yield from _axis_faults(f"{kind}[0].axes", tensors[0].axes, channels)


def _axis_faults(where: str, axes: Sequence[Any], channels: int) -> Iterator[Fault]:
    kinds = [axis.type for axis in axes]
    names = [str(axis.id) for axis in axes]
    if kinds != ["batch", "channel", "space", "space"] or names[2:] != ["y", "x"]:
        yield Fault(where, f"{', '.join(names)}. Accepted: batch, channel, y, x")
    elif axes[1].size != channels:
        yield Fault(f"{where}[1]", f"{axes[1].size} channels. Accepted: {channels}")


def _size_faults(model: v0_5.ModelDescr, scale: int) -> Iterator[Fault]:
    """Where images of any size do not become `scale` times as large."""
    pairs, sized = _axes(model), v0_5.ParameterizedSize
    for axis, made in pairs:
        if not isinstance(axis.size, sized):
            says = f"{axis.size}, which is fixed. Accepted: min and step, for images of any size"
            yield Fault(f"inputs[0].axes.{axis.id}.size", says)
        yield from _scale_faults(model.inputs[0].id, axis, made, scale)
    steps = [axis.size.step for axis, _ in pairs if isinstance(axis.size, sized)]
    if any(max(steps) % step for step in steps):
        yield Fault("inputs[0].axes", "steps of y and x that do not agree")


def _scale_faults(tensor: Any, axis: Any, made: Any, scale: int) -> Iterator[Fault]:
    where, size = f"outputs[0].axes.{made.id}", made.size
    refers = isinstance(size, v0_5.SizeReference)
    if not refers or (size.tensor_id, size.axis_id) != (tensor, axis.id) or size.offset:
        yield Fault(f"{where}.size", f"{size}. Accepted: a reference to {axis.id}, offset 0")
    factor = axis.scale / made.scale
    if abs(factor - scale) > NEAR:
        says = f"a network for scale {factor:g}. Accepted: {scale}, as crappify.scale"
        yield Fault(f"{where}.scale", says)


def _scaling_faults(model: v0_5.ModelDescr, percentiles: Sequence[float]) -> Iterator[Fault]:
    """Where grey levels are not scaled as this pipeline does, once per acquisition."""
    low, high = percentiles
    accepted = f"scale_range from percentile {low:g} to {high:g} of y and x, as ingest.percentiles"
    if found := _other_scaling(model, (low, high)):
        yield Fault("inputs[0].preprocessing", f"{found}. Accepted: {accepted}")
    after = _steps(model.outputs[0].postprocessing)
    if after:
        found = ", ".join(step.id for step in after)
        yield Fault("outputs[0].postprocessing", f"{found}. Accepted: none")


def _other_scaling(model: v0_5.ModelDescr, percentiles: tuple[float, float]) -> str | None:
    """What scales grey levels, unless it is these percentiles of whole planes."""
    tensor, steps = model.inputs[0], _steps(model.inputs[0].preprocessing)
    if [step.id for step in steps] != ["scale_range"]:
        return ", ".join(step.id for step in steps) or "none"
    given = steps[0].kwargs
    over = {"y", "x"} if given.axes is None else set(map(str, given.axes))
    if given.reference_tensor not in (None, tensor.id) or not {"y", "x"} <= over:
        return f"scale_range over {', '.join(sorted(over))}"
    if (given.min_percentile, given.max_percentile) != percentiles:
        return f"percentiles {given.min_percentile:g} and {given.max_percentile:g}"
    return None


def _steps(processing: Sequence[Any]) -> list[Any]:
    """Steps that change grey levels."""
    return [step for step in processing if step.id != "ensure_dtype"]

"""Section `crappify`: the crappifier that a configuration asks for."""

import copy
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pssrflow.crappify.presets import PRESETS
from pssrflow.crappify.registry import AnyStep
from pssrflow.crappify.scanner import Scan
from pssrflow.errors import InputError
from pssrflow.jobs import PARTS, Parts
from pssrflow.keys import Fault, Keys, OneOf, key, listed
from pssrflow.plugins import keys_of, source_file
from pssrflow.run.files import read_json
from pssrflow.run.paths import PathText

# Of the crappifier.json that a calibration writes.
FIT_FORMAT = 1
AUTO = "auto"
# What is no path of a fit.
OF_THIS_RUN = ("calibration", AUTO)
# What nobody measures for whom has changed it.
STATED = ("before", "scan", "noise")
# What a preset and a fit replace, and what it is where they do not name it.
REPLACED = {"before": (), "downsample": "bilinear", "width": None, "scan": None, "noise": ()}


def _kernels() -> tuple[str, ...]:
    return keys_of("pssrflow.crappify.kernels", "KERNELS")


class Settings(Keys):
    """How HR images are degraded: steps on HR pixels, downsampling, steps on LR pixels."""

    scale: int = key(4, "HR pixels per LR pixel along y and x; 1 only adds noise.", ge=1, le=16)
    preset: Annotated[str, OneOf(lambda: PRESETS)] | None = key(
        None,
        "A published crappifier by name, which replaces before, downsample, width, scan and noise; "
        "or null for what stands below.",
    )
    fit: PathText | None = key(
        AUTO,
        "`auto` measures it where before, scan and noise are not changed: on acquired pairs, else "
        "the noise of LR images, else that of HR images; `calibration` on pairs, whatever stands "
        "below (see calibrate); the path of another run's crappifier.json; null is what stands "
        "below.",
        min_length=1,
    )
    before: tuple[AnyStep, ...] = key((), "Steps on HR pixels, before the downsampling; as noise.")
    downsample: Annotated[str, OneOf(_kernels)] = key(
        "bilinear",
        "Kernel that makes an LR pixel of HR pixels: the first three average as Pillow does; probe "
        "samples with the microscope's spot at the larger step; linear and nearest pick one place.",
    )
    width: float | None = key(
        None,
        "Width of the kernel in LR pixels; null is the usual one. Of probe: full width at half "
        "maximum of the Gaussian by which the fast scan's spot is wider.",
        ge=0,
        le=16,
    )
    scan: Scan = key(
        Scan(), "How far the beam is beside its place, in LR pixels; lines run along x."
    )
    noise: tuple[AnyStep, ...] = key(
        ({"name": "poisson", "intensity": 1},),
        "Steps on LR pixels, in order, each with a name and its keys; in grey levels of 255 at any "
        "bit depth.",
    )
    clip: bool = key(True, "Clip to the detector's range between the steps, not only at the end.")
    realizations: int = key(
        1,
        "Draws of the noise that are written: lr.ome.zarr, lr.1.ome.zarr, lr.2.ome.zarr ...",
        ge=1,
        le=1000,
    )
    parts: Parts = key("auto", PARTS)
    cluster: str | None = key(
        None,
        "As dask.scheduler, for this stage alone.",
        pattern="^[a-z]+://",
    )

    @property
    def measured(self) -> bool:
        """Whether this run's calibration makes the crappifier."""
        return self.fit == "calibration" or (self.fit == AUTO and not self._stated)

    @property
    def _fitted(self) -> bool:
        """Whether a calibration makes the crappifier, this run's or another's."""
        return self.measured or self.fit not in (None, AUTO)

    @property
    def _stated(self) -> bool:
        """Whether somebody said what the crappifier is; a kernel is one where there is no pair."""
        default = type(self)()
        changed = (getattr(self, name) != getattr(default, name) for name in STATED)
        return self.preset is not None or any(changed)

    def faults(self) -> Iterator[Fault]:
        if self.preset and self.fit not in (None, AUTO):
            yield Fault("", "both preset and fit are given. Accepted: one of them, the other null")
        elif self.scale == 1 and not (self.before or self.noise or self.preset or self._fitted):
            yield Fault(
                "", "scale 1 and no noise leave nothing to restore. Accepted: either of them"
            )


def settings_of(
    crappify: Mapping[str, Any],
    calibration: Path | str | None = None,
    require_fit: bool = False,
) -> dict[str, Any]:
    """Keys that make the crappifier, after its preset or fit.

    Parameters
    ----------
    crappify : mapping
        The section of the configuration, as JSON.
    calibration : path-like, optional
        The `crappifier.json` that this run's calibration wrote, where it made the crappifier.
    require_fit : bool
        Refuse a fit that does not fit.

    Raises
    ------
    InputError
        No such preset, no fitted crappifier in that file, or one that does not fit.
    """
    used = {k: crappify[k] for k in ("scale", "clip", *REPLACED) if k in crappify}
    if crappify.get("preset") is not None:
        used |= REPLACED | _preset(crappify["preset"])
    path = crappify.get("fit")
    if path in OF_THIS_RUN and calibration is not None:
        path = calibration
    if path is not None and path != AUTO:
        fitted = read_fit(path, crappify["scale"], require_fit)
        _refuse_python(path, fitted, classes_of(crappify))
        used |= REPLACED | fitted
    return used


def detectors_of(crappify: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Keys that make crappifiers, of every detector that has its own."""
    return [crappify, *crappify.get("detectors", {}).values()]


def classes_of(crappify: Mapping[str, Any]) -> set[str]:
    """Python classes that steps name."""
    chains = [one.get(key, ()) for one in detectors_of(crappify) for key in ("before", "noise")]
    steps = itertools.chain.from_iterable(chains)
    return {str(step.get("path")) for step in steps if step.get("name") == "custom"}


def _refuse_python(path: Path | str, fitted: Mapping[str, Any], named: set[str]) -> None:
    """Python that runs is named by the configuration, never by the file of a calibration."""
    if others := classes_of(fitted) - named:
        found = f"a step of the Python class {min(others)}, which the configuration does not name"
        raise InputError(path, found, f"crappify.noise with a step of that class: {sorted(named)}")


def steps_named(crappify: Mapping[str, Any]) -> list[str]:
    """Names of the steps that run, after a preset or the fit of another run."""
    known = {**crappify, "fit": None if crappify["fit"] in OF_THIS_RUN else crappify["fit"]}
    used = settings_of(known, None, require_fit=False)
    return [step["name"] for step in (*used["before"], *used["noise"])]


def _preset(name: str) -> dict[str, Any]:
    if name not in PRESETS:
        raise InputError("crappify.preset", f"{name!r}", listed(PRESETS, name))
    return PRESETS[name]


def read_fit(path: Path | str, scale: int, require_fit: bool) -> dict[str, Any]:
    """Keys of a fitted crappifier; under `detectors` those of each that has its own, by its name.

    Raises
    ------
    InputError
        Not the file of a calibration, of another scale, or of one that does not fit.
    """
    content = _fitted(path)
    if content.get("scale") != scale:
        raise InputError(path, f"fitted at scale {content.get('scale')}", f"crappify.scale {scale}")
    if require_fit and content.get("verdict") != "fits":
        raise InputError(
            path,
            f"the verdict is {content.get('verdict')!r}: " + "; ".join(content.get("reasons", [])),
            "a fit whose verdict is 'fits', other pairs, crappify.fit: null, or "
            "calibrate.require_fit: false at your own risk",
        )
    detectors = content.get("detectors", {})
    for fitted in (content["crappifier"], *detectors.values()):
        if unknown := [key for key in fitted if key not in REPLACED]:
            raise InputError(path, f"unknown key {unknown[0]!r}", ", ".join(REPLACED))
    return content["crappifier"] | ({"detectors": detectors} if detectors else {})


def _fitted(path: Path | str) -> dict[str, Any]:
    accepted = "the crappifier.json that a calibration wrote"
    try:
        content = read_json(path)
    except OSError as error:
        raise InputError(path, f"cannot be read ({error})", accepted) from error
    except InputError as error:
        # What makes it anew is told where it is this run's.
        mends = f"{accepted}; if it is this run's: {error.accepted}"
        raise InputError(path, f"cannot be read ({error.found})", mends) from None
    detectors = content.get("detectors", {})
    known = detectors.values() if isinstance(detectors, dict) else [None]
    if not all(map(_is_crappifier, (content.get("crappifier"), *known))):
        raise InputError(path, "holds no fitted crappifier", accepted)
    # Calibrations that noted no format are of the first.
    if content.get("format", FIT_FORMAT) != FIT_FORMAT:
        raise InputError(path, f"format {content['format']!r}", f"format {FIT_FORMAT}: {accepted}")
    return dict(content)


def _is_crappifier(fitted: Any) -> bool:
    if not isinstance(fitted, dict):
        return False
    steps = [fitted.get(key, []) for key in ("before", "noise")]
    return all(isinstance(s, list) and all(isinstance(one, dict) for one in s) for s in steps)


def placed(settings: Mapping[str, Any], values: Mapping[str, float]) -> dict[str, Any]:
    """Copy of `settings` with values at keys such as ``noise.0.intensity``.

    Raises
    ------
    InputError
        There is no such key.
    """
    made = copy.deepcopy(dict(settings))
    for name, value in values.items():
        *path, last = (int(part) if part.isdigit() else part for part in name.split("."))
        place: Any = made
        try:
            for part in path:
                place = place[part]
            _ = place[last]
            place[last] = value
        except (KeyError, IndexError, TypeError) as error:
            raise InputError(
                f"calibrate.space.{name}",
                "no such key in crappify",
                "keys that crappify holds, such as width, scan.jitter or noise.0.intensity",
            ) from error
    return made


def own_steps(steps: Sequence[Mapping[str, Any]]) -> bool:
    """Whether any of the steps runs what is the user's own."""
    return any(step["name"] in ("custom", "network") for step in steps)


def foreign_files(crappify: Mapping[str, Any]) -> list[str]:
    """Files of a user's own that the steps run: classes and weights, to notice when they change.

    Raises
    ------
    InputError
        One of them is not there.
    """
    files = []
    for step in (*crappify["before"], *crappify["noise"]):
        if step["name"] == "custom":
            files.append(str(source_file(step["path"])))
        elif step["name"] == "network":
            if not Path(step["weights"]).is_file():
                raise InputError(step["weights"], "no such file", "weights (.safetensors)")
            files.append(step["weights"])
    return files

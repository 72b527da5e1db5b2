"""What goes into a calibration, and what comes out."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

# Of calibration.json.
FORMAT = 1

UNITS = {
    "dark": "HR grey",
    "kernel": "name",
    "width": "LR pixel",
    "gain": "LR grey per HR grey",
    "offset": "LR grey",
    "count_gain": "LR grey per count",
    "read_noise": "LR grey",
    "lag": "share",
    "saturation": "LR grey",
}


@dataclass(frozen=True)
class Pair:
    """A slow and a fast scan of one field.

    Attributes
    ----------
    name : str
    hr, lr : ndarray (y, x) of float32
        On a grey scale from 0, the detector's black, to 255, its white.
    hr_step, lr_step : float
        One grey level of each detector on that scale; 0 if it is not quantised.
    """

    name: str
    hr: np.ndarray
    lr: np.ndarray
    hr_step: float = 0.0
    lr_step: float = 0.0


@dataclass(frozen=True)
class Estimate:
    """A value and its 95 % interval; None where the images do not tell."""

    value: float | str | None = None
    low: float | None = None
    high: float | None = None


# Lowest and highest; None where there is none.
Bounds = tuple[float | None, float | None]
# Verdicts, best first; nothing could be compared where it "cannot be checked".
FITS, USABLE, UNCHECKED, UNFIT = VERDICTS = (
    "fits",
    "usable",
    "cannot be checked",
    "does not fit",
)


@dataclass(frozen=True)
class Check:
    """One comparison of the model with pixels that it was not fitted to.

    Attributes
    ----------
    name : str
    value : float
    accepted : tuple of float or None
        What a model that fits leaves.
    usable : tuple of float or None, optional
        What matters little for a network that learns from it; as `accepted` by default.
    """

    name: str
    value: float
    accepted: Bounds
    usable: Bounds | None = None

    @property
    def passed(self) -> bool:
        """Whether the value lies inside what is accepted; NaN does not."""
        return self._inside(self.accepted)

    @property
    def tolerated(self) -> bool:
        """Whether the value lies inside what matters little."""
        return self.passed or (self.usable is not None and self._inside(self.usable))

    def _inside(self, bounds: Bounds) -> bool:
        low, high = bounds
        return bool((low is None or self.value >= low) and (high is None or self.value <= high))

    def to_json(self) -> dict[str, Any]:
        """As the files of a calibration hold it."""
        told = {"name": self.name, "value": self.value, "accepted": self.accepted}
        return told | {"passed": self.passed, "tolerated": self.tolerated}


def verdict_of(checks: Sequence[Mapping[str, Any]]) -> str:
    """In a word, from checks as `Check.to_json` gives them."""
    if all(check["passed"] for check in checks):
        return FITS
    return USABLE if all(check["tolerated"] for check in checks) else UNFIT


@dataclass(frozen=True)
class Calibration:
    """How fast scans relate to slow scans.

    Attributes
    ----------
    pairs : tuple of dict
        Of each pair: name, shift (y, x in HR pixels, value and interval), correlation and
        significance of the match, whether it was used, and why not.
    parameters : dict of Estimate
        Keys and units as in `UNITS`.
    hr_noise, effective : dict
        Noise of the HR frame, and the noise that a crappifier must add to it after downsampling.
    response : dict of list of float, optional
        Keys of the step `response`, where no line relates the grey levels of both scans.
    grain : ndarray (y, x), optional
        Filter of the step `grain`, where neighbours share their noise.
    verdict : str
        `FITS`, `USABLE` (with what is off, and by how much), `UNFIT` or `UNCHECKED`.
    checks : tuple of Check
    notes : tuple of str
    curves : dict
        Lists of numbers, for plots.
    """

    pairs: tuple[dict[str, Any], ...] = ()
    parameters: dict[str, Estimate] = field(
        default_factory=lambda: {name: Estimate() for name in UNITS}
    )
    hr_noise: dict[str, float | None] = field(
        default_factory=lambda: {"count_gain": None, "read_variance": None}
    )
    effective: dict[str, float | None] = field(
        default_factory=lambda: {"count_gain": None, "read_noise": None}
    )
    response: dict[str, Sequence[float]] | None = None
    grain: np.ndarray | None = None
    verdict: str = UNCHECKED
    checks: tuple[Check, ...] = ()
    notes: tuple[str, ...] = ()
    curves: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As plain lists, dictionaries, numbers and None, for `json.dumps`."""
        parameters = {k: asdict(v) | {"unit": UNITS[k]} for k, v in self.parameters.items()}
        checks = [check.to_json() for check in self.checks]
        known = asdict(self) | {"parameters": parameters, "checks": checks}
        return {"format": FORMAT, **_plain(known)}


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value


def accepted_in_words(accepted: str | Sequence[float | None]) -> str:
    """What a check accepts, as text: of (low, high), either of which may be None, or of a text."""
    if isinstance(accepted, str):
        return accepted
    low, high = accepted
    if low is None:
        return f"at most {high:.3g}"
    return f"at least {low:.3g}" if high is None else f"{low:.3g} to {high:.3g}"

"""Does a prediction, degraded again, explain the LR image?

Blind to what the degradation removes: detail that an LR pixel averages away can be invented
without a trace. `benchmarks.trust` measures how blind.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pssrflow.compiled import compiled
from pssrflow.crappify.chain import Crappifier, Plane, crappify_region
from pssrflow.crappify.scanner import Readout, Scan
from pssrflow.crappify.squares import NoiseKey
from pssrflow.crappify.steps import GREY, Step
from pssrflow.volumes.intensity import Range

Array = npt.NDArray[np.floating]

# Of the residuals of a window; each is stranger the larger it is.
STATISTICS = ("mean", "power", "lag", "peak")
# Pixels along y and x over which `peak` adds residuals up: a vesicle or a gap in a membrane.
PEAK = 3
# Steps whose result is the same with every draw.
CERTAIN = ("blur", "response", "lag", "network", "custom")
# Steps that add noise of mean 0.
CENTRED = ("gaussian", "poisson", "local_gaussian", "grain")


def expected(crappifier: Crappifier) -> Crappifier:
    """A crappifier that makes the mean of what another one draws.

    Steps of the user's own, and networks, draw as they do.
    """
    scan = crappifier.scan
    still = Scan(
        flyback=scan.flyback,
        flyback_pixels=scan.flyback_pixels,
        bidirectional=scan.bidirectional,
    )
    return replace(
        crappifier,
        before=_means(crappifier.before),
        noise=_means(crappifier.noise),
        scan=still,
        # A mean is not where its draws were clipped.
        clip=False,
        detectors={name: expected(own) for name, own in crappifier.detectors.items()},
    )


def _means(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    made = (_mean(step) for step in steps)
    return tuple(step for step in made if step is not None)


def _mean(step: Step) -> Step | None:
    known = step.plain()
    if step.name in CENTRED:
        gain = known.get("gain", 0)
        return Readout(offset=gain) if gain else None
    if step.name == "counts":
        return Readout(offset=-known["dark"]) if known["dark"] else None
    if step.name == "salt_pepper":
        salted = known["intensity"] / 100
        offset = (1 - salted) * known["gain"] + salted * GREY / 2
        return Readout(gain=max(1 - salted, 1e-6), offset=offset)
    if step.name == "readout":
        return step.model_copy(update={"read_noise": 0.0, "bits": None})
    if step.name == "blur":
        return step.model_copy(update={"spread": 0.0})
    return step


def degraded(
    crappifier: Crappifier,
    read: Callable[[slice, slice], Array],
    shape: tuple[int, ...],
    levels: Range,
    rows: range,
    cols: range,
) -> Array:
    """LR image, grey levels, that would be expected of a prediction.

    Parameters
    ----------
    crappifier : Crappifier
        As `expected` gives it.
    read : callable (rows, cols) -> ndarray
        Reads the SR plane, float32 grey levels.
    shape : tuple of int
        y and x of the SR plane.
    levels : Range
        Of the detector.
    rows, cols : range
        LR pixels wanted.
    """
    plane = Plane(read, shape, levels)
    made = crappify_region(plane, crappifier, NoiseKey(0, "", 0, 0, 0, 0), rows, cols)
    return np.asarray(made, np.float32)


class Residuals:
    """How LR images scatter about what is expected of predictions, learnt from blocks.

    Attributes
    ----------
    line : tuple of (float, float)
        Offset and gain that bring what is expected closest to the LR image.
    variance : tuple of (float, float)
        Of what is left: without signal, and for each unit of it.
    """

    def __init__(self, line: tuple[float, float], variance: tuple[float, float]) -> None:
        self.line, self.variance = line, variance

    @classmethod
    def of(cls, seen: Array, made: Array) -> "Residuals":
        """Of LR pixels and what is expected of them, from 0 to 1, arrays of one shape."""
        x, y = made.ravel().astype(np.float64), seen.ravel().astype(np.float64)
        spread = x.var()
        gain = float(((x - x.mean()) * (y - y.mean())).mean() / spread) if spread > 0 else 1.0
        offset = float(y.mean() - gain * x.mean())
        square = (y - offset - gain * x) ** 2
        least = max(float(square.mean()) * 0.05, 1e-8)
        slope = float(((x - x.mean()) * square).mean() / spread) if spread > 0 else 0.0
        slope = max(slope, 0.0)
        return cls((offset, gain), (max(float(square.mean() - slope * x.mean()), least), slope))

    def standardised(self, seen: Array, made: Array) -> Array:
        """Residuals in units of their own deviation."""
        offset, gain = (np.float32(v) for v in self.line)
        fixed, slope = (np.float32(v) for v in self.variance)
        left = seen - offset - gain * made
        return np.asarray(left / np.sqrt(fixed + slope * np.maximum(made, 0)))


def statistics(windows: Array) -> Array:
    """What residuals of windows say, see `STATISTICS`.

    Parameters
    ----------
    windows : ndarray (..., y, x)

    Returns
    -------
    ndarray (..., 4)
    """
    flat = windows.reshape(-1, *windows.shape[-2:]).astype(np.float32)
    found = np.empty((len(flat), len(STATISTICS)))
    _measured(flat, min(PEAK, *flat.shape[1:]), found)
    return found.reshape(*windows.shape[:-2], -1)


@compiled
def _peak(window: Any, side: Any) -> Any:
    """The largest sum of neighbouring residuals."""
    found = 0.0
    for y in range(window.shape[0] - side + 1):
        for x in range(window.shape[1] - side + 1):
            box = 0.0
            for i in range(side):
                for j in range(side):
                    box += window[y + i, x + j]
            found = max(found, abs(box))
    return found


@compiled
def _measured(windows: Any, side: Any, found: Any) -> None:
    height, width = windows.shape[1:]
    pixels = height * width
    for n in range(len(windows)):
        window = windows[n]
        total, power, down, along = 0.0, 0.0, 0.0, 0.0
        for y in range(height):
            for x in range(width):
                value = window[y, x]
                total += value
                power += value * value
                if y:
                    down += value * window[y - 1, x]
                if x:
                    along += value * window[y, x - 1]
        power /= pixels
        # How much neighbours share, whatever the sign.
        shared = down / max((height - 1) * width, 1) + along / max(height * (width - 1), 1)
        found[n, 0] = abs(total) / np.sqrt(pixels)
        found[n, 1] = power
        found[n, 2] = shared / (2 * max(power, 1e-12))
        found[n, 3] = _peak(window, side) / side

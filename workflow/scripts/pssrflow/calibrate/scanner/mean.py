"""Fit of the mean: kernel, displacement and grey scale, HR noise taken off."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pssrflow.calibrate.scanner.noise import Line
from pssrflow.calibrate.scanner.optics import FieldOfView, Fraction, Optics, slopes
from pssrflow.crappify.scanner import along_curve

# Largest width in LR pixels that is looked for.
WIDEST = 2.0


@dataclass(frozen=True)
class Response:
    """Grey levels of the slow scan, and those that a line would take to the mean of the fast one.

    Attributes
    ----------
    levels, values : tuple of float
        HR grey above dark, ascending.
    """

    levels: tuple[float, ...]
    values: tuple[float, ...]

    def of(self, grey: np.ndarray) -> np.ndarray:
        """What becomes of grey levels, as the step of that name makes it."""
        return along_curve(grey, self.levels, self.values)


@dataclass(frozen=True)
class MeanModel:
    """What predicts the mean of an LR pixel.

    Attributes
    ----------
    gain, offset : float
    optics : Optics
    fractions : tuple of (float, float)
        Sub-pixel displacement (y, x) of each field, HR pixels.
    response : Response, optional
        Where no line relates the grey levels.
    """

    gain: float
    offset: float
    optics: Optics
    fractions: tuple[Fraction, ...]
    response: Response | None = None

    def vector(self) -> np.ndarray:
        """Gain, offset, square of the width, then the displacements."""
        return np.array([self.gain, self.offset, self.optics.square, *np.ravel(self.fractions)])

    def moved(self, step: np.ndarray) -> "MeanModel":
        """After a step of the vector; the width stays between what is looked for."""
        gain, offset, square, *rest = self.vector() + step
        square = float(np.clip(square, self.optics.narrowest, WIDEST**2))
        fractions = tuple(map(tuple, np.reshape(rest, (-1, 2)).tolist()))
        return replace(
            self,
            gain=float(gain),
            offset=float(offset),
            optics=replace(self.optics, square=square),
            fractions=fractions,
        )

    def seen(self, shown: np.ndarray) -> np.ndarray:
        """HR grey that gain and offset take to the mean of the LR frame."""
        return shown if self.response is None else self.response.of(shown)


@dataclass(frozen=True)
class Sums:
    """Of one field: what the fit of the mean needs, by block.

    Columns are gain, offset, square, displacement along y and x, and lag.

    Attributes
    ----------
    gram : ndarray (blocks, 6, 6)
        Products of the slopes.
    residual : ndarray (blocks, 6)
        Products of the slopes with the residual.
    noise : ndarray (6, 6)
        Products of the kernels of the slopes: the share of the HR noise's variance that is in
        `gram`, and with opposite sign in `residual`.
    pixels, signal : ndarray (blocks,)
        Number of pixels, and sum of HR grey above dark.
    squares : ndarray (blocks,)
        Sum of squared residuals.
    """

    gram: np.ndarray
    residual: np.ndarray
    noise: np.ndarray
    pixels: np.ndarray
    signal: np.ndarray
    squares: np.ndarray


def sums_of(
    field: FieldOfView, model: MeanModel, fraction: Fraction, keep: np.ndarray
) -> tuple[Sums, np.ndarray, np.ndarray]:
    """Sums of one field, and its residual and prediction before gain and offset."""
    found = slopes(field, model.optics, fraction)
    shown = found.images[0]
    if field.beside is not None:
        shown = shown + field.beside[0] * found.images[2] + field.beside[1] * found.images[3]
    shown = model.seen(shown)
    rest = field.lr - np.float32(model.gain) * shown - np.float32(model.offset)
    images = np.concatenate([shown[None], found.images[1:]])
    columns = _columns(images, np.float32(model.gain), np.ones_like(shown))
    columns = np.stack([*columns, rest], -1) * keep[..., None]
    kernels = np.stack(_columns(found.kernels, model.gain, 0 * found.kernels[0]), -1)
    parts = by_block(columns, field.block)
    products = np.stack([part.T.astype(np.float64) @ part for part in parts])
    sums = Sums(
        gram=products[:, :6, :6],
        residual=products[:, :6, 6],
        noise=kernels.T @ kernels,
        pixels=np.bincount(field.block.ravel(), keep.ravel()),
        signal=products[:, 0, 1],
        squares=products[:, 6, 6],
    )
    return sums, rest, shown


def _columns(slopes, gain, offset):
    """Slopes of the prediction with gain and offset: by gain, by offset, then the others."""
    return [slopes[0], offset, *(gain * slopes[1:])]


def by_block(columns: np.ndarray, block: np.ndarray) -> list[np.ndarray]:
    """Pixels (n, columns) of each block."""
    order = np.argsort(block.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(block.ravel()))[:-1]
    return np.split(columns.reshape(-1, columns.shape[-1])[order], ends)


def normal_equations(
    sums: Sequence[Sums], gain: float, hr_line: Line, shares: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Gradient and curvature of the corrected squares, over all fields.

    Errors in variables (Fuller 1987, Measurement Error Models): what the noise of the HR frame
    adds to products of slopes is taken off again.

    Parameters
    ----------
    sums : list of Sums
    gain : float
    hr_line : Line
        Of the HR frame's variance on its mean.
    shares : list of ndarray (blocks,)
        How often a block counts.

    Returns
    -------
    gradient : ndarray (3 + 2 fields,)
    curvature : ndarray (3 + 2 fields, 3 + 2 fields + 1)
        The last column is that of the lag.
    """
    size = 3 + 2 * len(sums)
    gradient, curvature = np.zeros(size), np.zeros((size, size + 1))
    for i, (s, share) in enumerate(zip(sums, shares)):
        variance = share @ (hr_line.summed(s.signal, s.pixels))
        rows = [0, 1, 2, 3 + 2 * i, 4 + 2 * i]
        gradient[rows] += (share @ s.residual + gain * variance * s.noise[0])[:5]
        gram = np.tensordot(share, s.gram, 1) - variance * s.noise
        curvature[np.ix_(rows, [*rows, size])] += gram[:5]
    return gradient, curvature


def solve(gradient: np.ndarray, curvature: np.ndarray, fixed: Sequence[int]) -> np.ndarray:
    """Newton step that leaves `fixed` places alone and never climbs."""
    free = np.setdiff1d(np.arange(len(gradient)), fixed)
    matrix = curvature[np.ix_(free, free)]
    scale = np.sqrt(np.maximum(np.abs(np.diag(matrix)), 1e-12))
    values, vectors = np.linalg.eigh(matrix / np.outer(scale, scale))
    values = np.maximum(np.abs(values), 1e-6)
    step = np.zeros(len(gradient))
    step[free] = (vectors @ ((vectors.T @ (gradient[free] / scale)) / values)) / scale
    return step


def fixed_places(optics: Optics) -> list[int]:
    """Places of the vector that a kernel does not have."""
    return [2] if optics.kernel == "linear" else []


def fit_mean(
    fields: Sequence[FieldOfView],
    model: MeanModel,
    hr_line: Line,
    keeps: Sequence[np.ndarray],
    shares: Sequence[np.ndarray],
    rounds: int = 25,
) -> MeanModel:
    """Kernel's width, displacements, gain and offset.

    Returns
    -------
    MeanModel
    """
    for _ in range(rounds):
        sums = [sums_of(f, model, d, k)[0] for f, d, k in zip(fields, model.fractions, keeps)]
        gradient, curvature = normal_equations(sums, model.gain, hr_line, shares)
        step = solve(gradient, curvature, fixed_places(model.optics))
        limit = np.array([np.inf, np.inf, 0.5 * model.optics.square + 0.02])
        limit = np.concatenate([limit, np.full(2 * len(fields), 0.7)])
        step = step * min(1.0, float(np.min(limit / np.maximum(np.abs(step), 1e-12))))
        model = model.moved(step)
        if np.abs(step[2:]).max() < 2e-4:
            break
    return model


def first_guess(
    fields: Sequence[FieldOfView],
    optics: Optics,
    fractions: Sequence[Fraction],
    hr_line: Line,
    keeps: Sequence[np.ndarray],
    shares: Sequence[np.ndarray],
) -> MeanModel:
    """Gain and offset of a kernel as it is."""
    model = MeanModel(1.0, 0.0, optics, tuple(fractions))
    sums = [sums_of(f, model, d, k)[0] for f, d, k in zip(fields, model.fractions, keeps)]
    gradient, curvature = normal_equations(sums, 1.0, hr_line, shares)
    return model.moved(solve(gradient, curvature, range(2, len(gradient))))


def corrected_squares(sums: Sequence[Sums], gain: float, hr_line: Line) -> np.ndarray:
    """Sum of squared residuals of each block of each field, without what HR noise adds."""
    return np.concatenate(
        [s.squares - gain**2 * s.noise[0, 0] * (hr_line.summed(s.signal, s.pixels)) for s in sums]
    )

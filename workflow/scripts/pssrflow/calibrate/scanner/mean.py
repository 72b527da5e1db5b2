"""Fit of the mean: kernel, displacement and grey scale, HR noise taken off."""

from dataclasses import dataclass, replace

import numpy as np

from pssrflow.calibrate.scanner.optics import Optics, slopes

# Largest width in LR pixels that is looked for.
WIDEST = 2.0


@dataclass(frozen=True)
class Theta:
    """What predicts the mean of an LR pixel.

    Attributes
    ----------
    gain, offset : float
    optics : Optics
    fractions : tuple of (float, float)
        Sub-pixel displacement (y, x) of each field, HR pixels.
    """

    gain: float
    offset: float
    optics: Optics
    fractions: tuple

    def vector(self):
        """Gain, offset, square of the width, then the displacements."""
        return np.array([self.gain, self.offset, self.optics.square, *np.ravel(self.fractions)])

    def moved(self, step):
        """After a step of the vector; the width stays between what is looked for."""
        gain, offset, square, *rest = self.vector() + step
        square = float(np.clip(square, self.optics.narrowest, WIDEST**2))
        fractions = tuple(map(tuple, np.reshape(rest, (-1, 2)).tolist()))
        return Theta(float(gain), float(offset), replace(self.optics, square=square), fractions)


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


def sums_of(field, theta, fraction, keep):
    """Sums of one field, and its residual and prediction before gain and offset."""
    found = slopes(field, theta.optics, fraction)
    shown = found.images[0]
    rest = field.lr - np.float32(theta.gain) * shown - np.float32(theta.offset)
    gain = np.float32(theta.gain)
    columns = np.stack([shown, np.ones_like(shown), *(gain * found.images[1:]), rest], -1)
    kernels = np.stack(
        [found.kernels[0], 0 * found.kernels[0], *(theta.gain * found.kernels[1:])], -1
    )
    products = np.stack(
        [
            part.T.astype(np.float64) @ part
            for part in by_block(columns * keep[..., None], field.block)
        ]
    )
    counts = np.bincount(field.block.ravel(), keep.ravel())
    return (
        Sums(
            products[:, :6, :6],
            products[:, :6, 6],
            kernels.T @ kernels,
            counts,
            products[:, 0, 1],
            products[:, 6, 6],
        ),
        rest,
        shown,
    )


def by_block(columns, block):
    """Pixels (n, columns) of each block."""
    order = np.argsort(block.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(block.ravel()))[:-1]
    return np.split(columns.reshape(-1, columns.shape[-1])[order], ends)


def normal_equations(sums, gain, hr_line, shares):
    """Gradient and curvature of the corrected squares, over all fields.

    Errors in variables (Fuller 1987, Measurement Error Models): what the noise of the HR frame
    adds to products of slopes is taken off again.

    Parameters
    ----------
    sums : list of Sums
    gain : float
    hr_line : tuple of float
        Slope and intercept of the HR frame's variance on its mean.
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
        variance = share @ (hr_line[0] * s.signal + hr_line[1] * s.pixels)
        rows = [0, 1, 2, 3 + 2 * i, 4 + 2 * i]
        gradient[rows] += (share @ s.residual + gain * variance * s.noise[0])[:5]
        gram = np.tensordot(share, s.gram, 1) - variance * s.noise
        curvature[np.ix_(rows, [*rows, size])] += gram[:5]
    return gradient, curvature


def solve(gradient, curvature, fixed):
    """Newton step that leaves `fixed` places alone and never climbs."""
    free = np.setdiff1d(np.arange(len(gradient)), fixed)
    matrix = curvature[np.ix_(free, free)]
    scale = np.sqrt(np.maximum(np.abs(np.diag(matrix)), 1e-12))
    values, vectors = np.linalg.eigh(matrix / np.outer(scale, scale))
    values = np.maximum(np.abs(values), 1e-6)
    step = np.zeros(len(gradient))
    step[free] = (vectors @ ((vectors.T @ (gradient[free] / scale)) / values)) / scale
    return step


def fixed_places(optics):
    """Places of the vector that a kernel does not have."""
    return [2] if optics.kernel == "linear" else []


def fit_mean(fields, theta, hr_line, keeps, shares, rounds=25):
    """Kernel's width, displacements, gain and offset.

    Returns
    -------
    Theta
    """
    for _ in range(rounds):
        sums = [sums_of(f, theta, d, k)[0] for f, d, k in zip(fields, theta.fractions, keeps)]
        gradient, curvature = normal_equations(sums, theta.gain, hr_line, shares)
        step = solve(gradient, curvature, fixed_places(theta.optics))
        limit = np.array([np.inf, np.inf, 0.5 * theta.optics.square + 0.02])
        limit = np.concatenate([limit, np.full(2 * len(fields), 0.7)])
        step = step * min(1.0, float(np.min(limit / np.maximum(np.abs(step), 1e-12))))
        theta = theta.moved(step)
        if np.abs(step[2:]).max() < 2e-4:
            break
    return theta


def first_guess(fields, optics, fractions, hr_line, keeps, shares):
    """Gain and offset of a kernel as it is."""
    theta = Theta(1.0, 0.0, optics, tuple(fractions))
    sums = [sums_of(f, theta, d, k)[0] for f, d, k in zip(fields, theta.fractions, keeps)]
    gradient, curvature = normal_equations(sums, 1.0, hr_line, shares)
    return theta.moved(solve(gradient, curvature, np.arange(2, len(gradient))))


def corrected_squares(sums, gain, hr_line):
    """Sum of squared residuals of each block of each field, without what HR noise adds."""
    return np.concatenate(
        [
            s.squares - gain**2 * s.noise[0, 0] * (hr_line[0] * s.signal + hr_line[1] * s.pixels)
            for s in sums
        ]
    )

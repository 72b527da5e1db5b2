"""The mean of an LR pixel: HR pixels through a kernel whose width and place are fitted."""

import math
from dataclasses import dataclass, replace

import numpy as np

from pssrflow.calibrate.result import Pair
from pssrflow.crappify.kernels import Downsampling

# Sub-pixel displacement along y and x, HR pixels.
Fraction = tuple[float, float]

# Kernels are cut at this many LR pixels from their centre; wider ones are not looked for.
REACH = 4
# Blocks along an axis of a field: what is drawn again by the bootstrap, and held out.
BLOCKS = 8
# Steps of numerical derivatives: displacement (HR pixels), and lag.
MOVE, LATE = 0.02, 0.01
# A detector remembers no more LR pixels than this, nor shares of signal below 0.1 %.
MEMORY = 12


@dataclass(frozen=True)
class Optics:
    """What one LR pixel sees, and what the detector still shows of those before it.

    Attributes
    ----------
    scale : int
    kernel : str
        A key of `pssrflow.crappify.kernels.KERNELS`.
    square : float
        Of the width in LR pixels: what a kernel does to an image is linear in it.
    lag : float
        Share a of an exponential lag along x: out[x] = (1 - a) sum a^k in[x - k].
    """

    scale: int
    kernel: str
    square: float
    lag: float = 0.0

    @property
    def narrowest(self) -> float:
        """Least square of a width: other kernels than the probe must span an HR pixel."""
        return 0.03**2 if self.kernel == "probe" else (1.25 / self.scale) ** 2

    @property
    def memory(self) -> int:
        """LR pixels that the detector remembers."""
        return min(MEMORY, math.ceil(math.log(1e-3) / math.log(self.lag))) if self.lag > 0 else 0

    def along(self, fraction: float, memory: int = 0) -> np.ndarray:
        """Filter along one axis, around the HR pixel at (or half a pixel before) the centre.

        Parameters
        ----------
        fraction : float
            Displacement in HR pixels.
        memory : int
            LR pixels of lag, whose weights come before the others.

        Returns
        -------
        ndarray of float64, sum 1
        """
        reach = REACH * self.scale + 2
        places = np.arange(-reach, reach + 1) - (self.scale - 1) / 2 % 1 - fraction
        width = math.sqrt(max(self.square, 0.0))
        weights = Downsampling(self.scale, self.kernel, width).weights(places)
        weights = weights / weights.sum()
        shares = self.lag ** np.arange(memory, -1.0, -1)
        late = np.zeros(len(weights) + memory * self.scale)
        for k, share in enumerate(shares / shares.sum()):
            late[k * self.scale : k * self.scale + len(weights)] += share * weights
        return late


@dataclass(frozen=True)
class FieldOfView:
    """A registered pair, cut to the LR pixels whose kernels lie inside the HR frame.

    Attributes
    ----------
    hr : ndarray (Y, X) of float32
        Grey above the detector's dark level.
    lr : ndarray (y, x) of float32
    scale : int
    corner : tuple of int
        HR pixel (y, x) under the centre of the first LR pixel, before its sub-pixel displacement.
    memory : int
        LR pixels of lag that kernels along x begin with.
    block : ndarray (y, x) of int
        Number of the block that an LR pixel belongs to.
    moved : tuple of int
        The part of `corner` that is the shift of the pair.
    beside : ndarray (2, y, x) of float32, optional
        Displacement along y and x at every LR pixel, HR pixels, besides that of the whole field.
    """

    hr: np.ndarray
    lr: np.ndarray
    scale: int
    corner: tuple[int, ...]
    memory: int
    block: np.ndarray
    moved: tuple[int, ...]
    beside: np.ndarray | None = None

    def through(self, *kernels: tuple[np.ndarray, np.ndarray]) -> list[np.ndarray]:
        """HR frame through kernels, each of weights along y and x.

        Returns
        -------
        list of ndarray (y, x) of float32
        """
        # Kernels of one image often share their weights along y.
        along_y = {y.tobytes(): y for y, _ in kernels}
        lines = {key: self._down(y) for key, y in along_y.items()}
        left = self.corner[1] - REACH * self.scale - 2 - self.memory * self.scale
        return [
            _strided(lines[y.tobytes()], x, left, self.scale, self.lr.shape[1]).T
            for y, x in kernels
        ]

    def _down(self, y):
        """HR frame through weights along y at the rows of LR pixels, transposed."""
        top = self.corner[0] - len(y) // 2
        return _strided(self.hr, y, top, self.scale, self.lr.shape[0]).T.copy()


def _strided(image, weights, start, step, length):
    """Weighted sums of rows, every `step` rows."""
    total = np.zeros((length, image.shape[1]), np.float32)
    for k in np.flatnonzero(np.abs(weights) > 1e-7):
        first = start + int(k)
        total += np.float32(weights[k]) * image[first : first + step * (length - 1) + 1 : step]
    return total


def cut(
    pair: Pair, scale: int, shift: tuple[int, ...], memory: int, dark: float
) -> FieldOfView | None:
    """Field of view of a pair whose HR frame lies `shift` (y, x, HR pixels) beside the LR frame.

    Returns
    -------
    FieldOfView or None
        None if less than two blocks of 8 LR pixels along an axis would be left.
    """
    reach = REACH * scale + 2
    starts, stops = [], []
    for length, wanted, move, before in zip(pair.hr.shape, pair.lr.shape, shift, (0, memory)):
        centre = (scale - 1) // 2 + move
        starts.append(max(0, math.ceil((reach - centre) / scale) + before))
        stops.append(min(wanted, (length - 1 - reach - centre) // scale + 1))
    if min(b - a for a, b in zip(starts, stops)) < 8 * 2:
        return None
    lr = np.ascontiguousarray(pair.lr[starts[0] : stops[0], starts[1] : stops[1]], np.float32)
    corner = tuple(scale * a + (scale - 1) // 2 + move for a, move in zip(starts, shift))
    hr = np.asarray(pair.hr, np.float32) - np.float32(dark)
    return FieldOfView(hr, lr, scale, corner, memory, blocks(lr.shape), tuple(shift))


def blocks(shape: tuple[int, ...]) -> np.ndarray:
    """Number of the block of every pixel: `BLOCKS` squared blocks of 8 pixels or more."""
    along = [np.arange(n) * max(1, min(BLOCKS, n // 8)) // n for n in shape]
    return along[0][:, None] * (along[1][-1] + 1) + along[1]


@dataclass(frozen=True)
class Slopes:
    """Prediction of a field before gain and offset, and how it changes.

    Attributes
    ----------
    images : ndarray (5, y, x) of float32
        The HR frame through the kernel, and its derivatives by square of the width, displacement
        along y and x, and lag.
    kernels : ndarray (5, n) of float64
        What makes each image out of HR pixels: says how much of their noise is in it.
    """

    images: np.ndarray
    kernels: np.ndarray


def slopes(field: FieldOfView, optics: Optics, fraction: Fraction) -> Slopes:
    """Prediction and derivatives of a field at a displacement (y, x) in HR pixels."""
    small = 0.02 * max(optics.square, 0.1)
    y, y_wide, y_move, _ = _axis(optics, fraction[0], 0, small)
    x, x_wide, x_move, x_late = _axis(optics, fraction[1], field.memory, small)
    pairs = [(y, x), (y_wide, x), (y, x_wide), (y_move, x), (y, x_move), (y, x_late)]
    found = field.through(*pairs)
    kernels = [np.outer(*p).ravel() for p in pairs]
    return Slopes(*(np.stack([f[0], f[1] + f[2], *f[3:]]) for f in (found, kernels)))


def _axis(optics, fraction, memory, small):
    """Weights along an axis, and their derivatives by square, displacement and lag."""
    low = max(optics.square - small, 0.9 * optics.narrowest)
    wide = [replace(optics, square=s).along(fraction, memory) for s in (optics.square + small, low)]
    move = [optics.along(fraction + d, memory) for d in (MOVE, -MOVE)]
    late = [replace(optics, lag=optics.lag + d).along(fraction, memory) for d in (LATE, 0.0)]
    return (
        optics.along(fraction, memory),
        (wide[0] - wide[1]) / (optics.square + small - low),
        (move[0] - move[1]) / (2 * MOVE),
        (late[0] - late[1]) / LATE,
    )

"""The crappifier: high-resolution planes made to look as if scanned fast at low resolution.

One implementation serves the Dask rule, the trainer and a single call on an array. Its result
depends on the pixels and on a `NoiseKey`, never on how the plane was cut.
"""

import math
from dataclasses import astuple, dataclass

import numpy as np
from scipy import ndimage

from pssrflow.blocks import spans
from pssrflow.intensity import to_dtype
from pssrflow.keyed import generator

# Random numbers are drawn for fixed squares of this many LR pixels, each with a generator of its
# own. A Poisson draw takes an unknown number of random words, so a square is always drawn whole.
NOISE_BLOCK = 256

# Noise is expressed on the grey scale of PSSR, whatever the detector's range.
GREY = 255.0

# Gaussian filters are cut at this many standard deviations.
TRUNCATE = 4.0


@dataclass(frozen=True)
class NoiseKey:
    """What a random number depends on: the same key gives the same bytes."""

    seed: int
    sample: str
    realisation: int | str
    t: int
    c: int
    z: int

    def generator(self, *place):
        """Counter-based generator for one step and one square of this plane."""
        return generator(*astuple(self), *place)


@dataclass(frozen=True)
class Step:
    """One noise step; `intensity` has the meaning of the step of that `name`.

    Attributes
    ----------
    name : str
        A key of `STEPS`.
    intensity : float
    gain : float
        Grey levels (of 255) added to every pixel.
    spread : float
        Standard deviation of the intensity, drawn anew for every plane.
    """

    name: str
    intensity: float
    gain: float = 0.0
    spread: float = 0.0


@dataclass(frozen=True)
class Crappifier:
    """Downsampling, then a chain of noise steps.

    Attributes
    ----------
    scale : int
        HR pixels per LR pixel, along y and x.
    downsample : str
        A key of `KERNELS`.
    noise : tuple of Step
    clip : bool
        Clip to the detector's range between steps, not only at the end.
    """

    scale: int
    downsample: str
    noise: tuple[Step, ...] = ()
    clip: bool = True

    @classmethod
    def from_config(cls, scale, downsample, noise, clip):
        """From the section `crappify` of the configuration."""
        return cls(scale, downsample, tuple(Step(**step) for step in noise), clip)

    @property
    def halo(self):
        """LR pixels around a region that reach into it through a filter of the chain."""
        return sum(blur_radius(step) for step in self.noise if step.name == "blur")

    @property
    def reach(self):
        """LR pixels around a region whose HR pixels are needed to make it."""
        first, weights = taps(self.downsample, self.scale)
        return self.halo + math.ceil(max(-first, first + len(weights)) / self.scale)


def blur_radius(step):
    """LR pixels that a blur reaches, whatever its spread: of the mean intensity."""
    return math.ceil(TRUNCATE * step.intensity)


def lr_shape(hr_shape, scale):
    """TCZYX shape of the LR volume: the last LR row and column may be covered in part."""
    return (*hr_shape[:3], *(math.ceil(n / scale) for n in hr_shape[3:]))


def crappify_plane(hr, crappifier, key, black, white):
    """Crappify one HR plane held in memory.

    Parameters
    ----------
    hr : ndarray (y, x) of uint8, uint16, int16 or float32
    crappifier : Crappifier
    key : NoiseKey
    black, white : float
        Range of the detector, in the units of `hr`.

    Returns
    -------
    ndarray (ceil(y / scale), ceil(x / scale)) of the dtype of `hr`
    """
    rows, cols = (range(n) for n in lr_shape((1, 1, 1, *hr.shape), crappifier.scale)[3:])
    return crappify_region(
        lambda r, c: hr[r, c], hr.shape, crappifier, key, black, white, rows, cols
    )


def crappify_region(read, hr_shape, crappifier, key, black, white, rows, cols):
    """Crappify a rectangle of one plane, reading only the HR pixels that it depends on.

    Parameters
    ----------
    read : callable (slice, slice) -> ndarray (y, x)
        Reads HR rows and columns.
    hr_shape : tuple of int
        y and x of the whole HR plane.
    rows, cols : range
        LR pixels wanted.

    Returns
    -------
    ndarray (len(rows), len(cols)) of the dtype that `read` returns
    """
    extent = [math.ceil(n / crappifier.scale) for n in hr_shape]
    boxes = _boxes((rows, cols), extent, crappifier, whole_squares=True)
    return _crappify(read, hr_shape, crappifier, key, (black, white), boxes, (0, 0))


def crappify_patch(read, hr_shape, crappifier, key, black, white, rows, cols):
    """Crappify a small rectangle with noise of its own, for one training patch.

    As `crappify_region`, but the noise squares are counted from the corner of the patch: noise
    for the pixels around it, which nobody will see, is not drawn.
    """
    extent = [math.ceil(n / crappifier.scale) for n in hr_shape]
    boxes = _boxes((rows, cols), extent, crappifier, whole_squares=False)
    corner = tuple(r.start for r in boxes[0])
    return _crappify(read, hr_shape, crappifier, key, (black, white), boxes, corner)


def _boxes(wanted, extent, crappifier, whole_squares):
    """Rows and columns that go into every step of the chain, and those that come out last.

    Found backwards: a blur needs pixels around what it gives, a noise step whole squares, so that
    each square sees the same pixels however the plane is cut.
    """
    boxes = [tuple(wanted)]
    for step in reversed(crappifier.noise):
        grown = [_grown(r, n, step, whole_squares) for r, n in zip(boxes[0], extent)]
        boxes.insert(0, tuple(grown))
    return boxes


def _grown(wanted, length, step, whole_squares):
    if step.name == "blur":
        radius = blur_radius(step)
        return range(max(wanted.start - radius, 0), min(wanted.stop + radius, length))
    if not whole_squares:
        return wanted
    start = wanted.start // NOISE_BLOCK * NOISE_BLOCK
    return range(start, min(math.ceil(wanted.stop / NOISE_BLOCK) * NOISE_BLOCK, length))


def _crappify(read, hr_shape, crappifier, key, levels, boxes, corner):
    black, white = (np.float32(level) for level in levels)
    clean, dtype = downsample_region(read, hr_shape, crappifier, *boxes[0])
    grey = (clean - black) * (np.float32(GREY) / (white - black))
    noisy = _add_noise(grey, crappifier, key, boxes, corner)
    values = noisy * ((white - black) / np.float32(GREY)) + black
    return to_dtype(values, dtype, black, white)


# -- downsampling ---------------------------------------------------------------------------------


def _triangle(d):
    return np.maximum(0, 1 - np.abs(d))


def _box(d):
    return (np.abs(d) < 0.5).astype(float)


def _keys(d):
    """Keys, R. (1981), doi:10.1109/TASSP.1981.1163711, with a = -1/2 as Pillow takes it."""
    d = np.abs(d)
    inner = 1.5 * d**3 - 2.5 * d**2 + 1
    outer = -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2
    return np.where(d < 1, inner, np.where(d < 2, outer, 0))


# name: (kernel on distances in LR pixels, half width in LR pixels)
KERNELS = {
    "bilinear": (_triangle, 1.0),
    "area": (_box, 0.5),
    "bicubic": (_keys, 2.0),
    "nearest": None,
}


def taps(kernel, scale):
    """Filter of an integer downsampling: first HR offset and weights of LR pixel 0.

    LR pixel i is centred on HR pixels scale*i to scale*i + scale - 1. The kernels are widened by
    the scale (antialiased), as Pillow does; "nearest" picks one pixel.

    Returns
    -------
    first : int
    weights : ndarray of float32, sum 1
    """
    if KERNELS[kernel] is None:
        return 0, (np.arange(scale) == scale // 2).astype(np.float32)
    function, half_width = KERNELS[kernel]
    centre = (scale - 1) / 2
    first = math.ceil(centre - half_width * scale)
    distances = (np.arange(first, scale - first) - centre) / scale
    weights = function(distances)
    used = np.flatnonzero(weights)
    weights = weights[used[0] : used[-1] + 1]
    return first + int(used[0]), (weights / weights.sum()).astype(np.float32)


def downsample_region(read, hr_shape, crappifier, rows, cols):
    """LR rectangle without noise.

    At the edges of the plane the weights that fall outside are dropped and the others normalised.

    Returns
    -------
    ndarray (len(rows), len(cols)) of float32, in the units of the HR plane
    dtype of the HR plane
    """
    first, weights = taps(crappifier.downsample, crappifier.scale)
    needs = [
        (crappifier.scale * r.start + first, crappifier.scale * (r.stop - 1) + first + len(weights))
        for r in (rows, cols)
    ]
    hr = read(*(slice(max(a, 0), min(b, n)) for (a, b), n in zip(needs, hr_shape)))
    clean = hr
    for axis, (need, length) in enumerate(zip(needs, hr_shape)):
        clean = _reduce_axis(clean, axis, need, length, weights, crappifier.scale)
    return clean, hr.dtype


def _reduce_axis(values, axis, need, length, weights, scale):
    before, after = max(-need[0], 0), max(need[1] - length, 0)
    # The one pixel that "nearest" picks may lie outside; the edge stands in for it.
    picks_one = weights.max() == 1
    if before or after:
        pad = [(0, 0), (0, 0)]
        pad[axis] = (before, after)
        values = np.pad(values, pad, mode="edge" if picks_one else "constant")
    values = np.moveaxis(values, axis, 0)
    count = (need[1] - need[0] - len(weights)) // scale + 1
    total = np.zeros((count, values.shape[1]), np.float32)
    for k, weight in enumerate(weights):
        if weight:
            total += weight * values[k : k + scale * (count - 1) + 1 : scale]
    if (before or after) and not picks_one:
        total /= _weight_inside(before, after, need, weights, scale, count)[:, None]
    return np.moveaxis(total, 0, axis)


def _weight_inside(before, after, need, weights, scale, count):
    inside = np.ones(need[1] - need[0], np.float32)
    inside[:before] = 0
    inside[len(inside) - after :] = 0
    return sum(w * inside[k : k + scale * (count - 1) + 1 : scale] for k, w in enumerate(weights))


# -- noise: (grey, intensity, generator) -> grey, float32, 0 black to 255 white -------------------


def gaussian(grey, intensity, rng):
    """Additive Gaussian noise of standard deviation `intensity`, in grey levels."""
    return grey + np.float32(intensity) * rng.standard_normal(grey.shape, np.float32)


def poisson(grey, intensity, rng):
    """Counting noise: a share `intensity` of the signal is replaced by a Poisson draw of it."""
    counts = rng.poisson(np.maximum(grey, 0)).astype(np.float32)
    return grey + np.float32(intensity) * (counts - grey)


def salt_pepper(grey, intensity, rng):
    """`intensity` percent of the pixels saturate, half of them to black and half to white."""
    draw = rng.random(grey.shape, np.float32)
    share = intensity / 200
    return np.where(draw < share, np.float32(0), np.where(draw > 1 - share, np.float32(GREY), grey))


# name: (function, bounds of the intensity); the schema says what it means.
STEPS = {
    "gaussian": (gaussian, (0, math.inf)),
    "poisson": (poisson, (0, 1)),
    "salt_pepper": (salt_pepper, (0, 100)),
    "blur": (None, (0, 64)),
}


def _add_noise(grey, crappifier, key, boxes, corner):
    """Run the noise chain; `boxes` say which rectangle every step takes and gives."""
    for index, step in enumerate(crappifier.noise):
        before, after = boxes[index], boxes[index + 1]
        intensity = _drawn_intensity(step, key, index)
        origin = [r.start - c for r, c in zip(before, corner)]
        # PSSR2 adds the gain to the signal before salt and pepper, so that these stay saturated.
        if step.name == "salt_pepper":
            grey = _apply(step, intensity, grey + np.float32(step.gain), key, index, *origin)
        else:
            grey = _apply(step, intensity, grey, key, index, *origin) + np.float32(step.gain)
        if crappifier.clip:
            grey = np.clip(grey, 0, np.float32(GREY))
        grey = grey[
            tuple(slice(a.start - b.start, a.stop - b.start) for a, b in zip(after, before))
        ]
    return grey


def _drawn_intensity(step, key, index):
    if not step.spread:
        return step.intensity
    low, high = STEPS[step.name][1]
    drawn = step.intensity + step.spread * key.generator(index, "spread").standard_normal()
    return float(np.clip(drawn, low, high))


def _apply(step, intensity, grey, key, index, top, left):
    if step.name == "blur":
        radius = blur_radius(step)
        return ndimage.gaussian_filter(grey, intensity, mode="nearest", radius=radius)
    noisy = np.empty_like(grey)
    for y0, y1 in spans(top, top + grey.shape[0], NOISE_BLOCK):
        for x0, x1 in spans(left, left + grey.shape[1], NOISE_BLOCK):
            square = slice(y0 - top, y1 - top), slice(x0 - left, x1 - left)
            rng = key.generator(index, y0 // NOISE_BLOCK, x0 // NOISE_BLOCK)
            noisy[square] = STEPS[step.name][0](grey[square], intensity, rng)
    return noisy

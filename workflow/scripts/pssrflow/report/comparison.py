"""One prediction and what it is compared with."""

import itertools
from functools import cached_property

import numpy as np

from pssrflow.evaluate.judged import Box, matched
from pssrflow.evaluate.metrics import AffineFit
from pssrflow.pairs.aligned import aligned, read_shift
from pssrflow.pairs.mask import known, open_mask
from pssrflow.run.layout import Layout, Sample
from pssrflow.volumes.interpolation import interpolate
from pssrflow.volumes.store import Store

# Pixels along y and x of the largest picture of a whole plane.
OVERVIEW = 1024
# Steps along y and x between the places that compete for the magnified crop.
PLACES = 6


class Comparison:
    """A prediction, its LR image and the truth, if there is one, at one place of the middle plane.

    Parameters
    ----------
    layout : Layout
    sample : Sample
    model : str
    scale : int

    Attributes
    ----------
    lr, sr : Store
    hr : Store or None
    plane : tuple of int
        t, c, z of the middle plane of the prediction.
    """

    def __init__(self, layout: Layout, sample: Sample, model: str, scale: int):
        self.sample, self.model, self.scale = sample.name, model, scale
        self.lr = Store(layout.store("lr", sample.name))
        self.sr = Store(layout.map_store("sr", sample.name, model))
        self.hr = Store(layout.store("hr", sample.name)) if sample.tested else None
        self.acquired = sample.paired
        self.shift, self.warp = _shift(layout, sample)
        self._mask = None
        if self.hr is not None and sample.masked:
            shapes = self.lr.volume.shape, scale, self.hr.volume.shape
            self._mask = open_mask(layout.store("mask", sample.name), *shapes, self.shift)
        self.plane = tuple(n // 2 for n in self.sr.volume.shape[:3])

    @property
    def title(self) -> str:
        """What a reader calls it."""
        return f"{self.sample}, model {self.model}"

    # -- places -----------------------------------------------------------------------------------

    @cached_property
    def whole(self) -> Box:
        """SR pixels that LR, SR and HR (where there is one) have in common.

        Whole LR pixels, so that pictures of all resolutions show the same place.
        """
        truth, made = (self.hr or self.sr).volume.shape[3:], self.sr.volume.shape[3:]
        rows, cols = (
            slice(-(-s.start // self.scale) * self.scale, s.stop // self.scale * self.scale)
            for s in matched(truth, made, self.shift)
        )
        return rows, cols

    @cached_property
    def middle(self) -> Box:
        """The largest rectangle that a picture holds, around the middle."""
        rows, cols = (
            _shrunk(s, OVERVIEW // self.scale * self.scale, self.scale) for s in self.whole
        )
        return rows, cols

    def most_detailed(self, crop: int) -> Box:
        """The place, `crop` LR pixels along y and x, where the LR image has most structure."""
        # At most half a small field, or there is nothing to magnify.
        sizes = [
            max(1, min(crop, (s.stop - s.start) // 2 // self.scale)) * self.scale
            for s in self.middle
        ]
        sides = [_places(s, size, self.scale) for s, size in zip(self.middle, sizes)]
        return max(itertools.product(*sides), key=self._worth)

    def _worth(self, box):
        """How much of a place counts, and how much structure it has."""
        valid = self._valid(box)
        return 1.0 if valid is None else float(valid.mean()), structure(self.lr_pixels(box))

    # -- pixels -----------------------------------------------------------------------------------

    def images(self, box: Box) -> dict[str, np.ndarray]:
        """LR, bicubic, SR and HR of a rectangle of SR pixels, float32, in grey levels of HR."""
        images = {name: self._in_hr_levels(name, i) for name, i in self._predicted(box).items()}
        truth = self._truth(box)
        return images if truth is None else images | {"HR": truth}

    def lr_pixels(self, box: Box) -> np.ndarray:
        """The LR image of a rectangle of SR pixels, as acquired or crappified."""
        plane, moved = self._from_lr(box)
        rows, cols = (slice(s.start // self.scale, s.stop // self.scale) for s in moved)
        return self.lr.reader()(plane, rows, cols).astype(np.float32)

    @property
    def fitted(self) -> bool:
        """Whether images are shown after an affine fit to the truth, as those of two detectors."""
        return self.hr is not None and self.acquired

    @cached_property
    def _fits(self) -> dict[str, tuple[float, float]]:
        """Gain and offset of each image: one made on a noisy image would flatten a clean one."""
        truth = self._truth(self.middle)
        if truth is None or not self.acquired:
            return {}
        found, truth = {}, known(truth, self._valid(self.middle))
        for name, image in self._predicted(self.middle).items():
            # The LR image has pixels of its own; interpolated they are those of bicubic.
            fit = AffineFit()
            fit.add(truth, self._bicubic(self.middle) if name == "LR" else image)
            found[name] = fit.solve()
        return found

    def _in_hr_levels(self, name, image):
        gain, offset = map(np.float32, self._fits.get(name, (1.0, 0.0)))
        return image * gain + offset

    def _predicted(self, box):
        return {
            "LR": self.lr_pixels(box),
            "bicubic": self._bicubic(box),
            "SR": self.sr.reader()(self.plane, *box).astype(np.float32),
        }

    def _bicubic(self, box):
        plane, (rows, cols) = self._from_lr(box)
        return interpolate(self.lr, plane, rows, cols, self.scale)

    def _truth(self, box):
        if self.hr is None:
            return None
        rows, cols = (slice(s.start + d, s.stop + d) for s, d in zip(box, self.shift))
        return aligned(self.hr, self.warp)(self.plane, rows, cols).astype(np.float32)

    def _valid(self, box):
        return None if self._mask is None else self._mask.valid(self.plane, *box)

    def _from_lr(self, box):
        """Plane of the LR image, and the rectangle counted from its corner, in SR pixels."""
        depth, *corner = self.lr.volume.corner(self.sr.volume, self.scale)
        moved = (n * self.scale for n in corner)
        t, c, z = self.plane
        return (t, c, z + depth), [slice(s.start + m, s.stop + m) for s, m in zip(box, moved)]


def structure(image: np.ndarray) -> tuple[float, float]:
    """Grey levels that nine tenths of the pixels span, for a bright speck is none; and spread."""
    low, high = np.percentile(image, (5, 95))
    return float(high - low), float(image.std())


def _shift(layout, sample):
    return read_shift(layout.registration(sample.name) if sample.paired else None)


def _shrunk(side, size, scale):
    extra = max(0, side.stop - side.start - size) // 2 // scale * scale
    return slice(side.start + extra, min(side.stop, side.start + extra + size))


def _places(side, size, scale):
    """Slices of one size, spread evenly over a side."""
    last = (side.stop - size - side.start) // scale
    starts = sorted({side.start + last * i // PLACES * scale for i in range(PLACES + 1)})
    return [slice(start, start + size) for start in starts]

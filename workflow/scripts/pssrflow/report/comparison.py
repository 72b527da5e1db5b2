"""One prediction and what it is compared with."""

import numpy as np

from pssrflow.evaluate.metrics import AffineFit
from pssrflow.evaluate.stage import matched_boxes
from pssrflow.run.files import read_json
from pssrflow.volumes.interpolation import interpolate
from pssrflow.volumes.store import Store

# Pixels along y and x of the largest picture of a whole plane.
OVERVIEW = 1024

# Places that compete for the magnified crop, along y and x.
PLACES = 6


# -- pictures -------------------------------------------------------------------------------------


class Seen:
    """One prediction and what it is compared with, opened lazily.

    Attributes
    ----------
    plane : tuple of int
        t, c, z of the middle plane.
    box : tuple of slice
        SR pixels that LR, SR and HR (where there is one) have in common.
    """

    def __init__(self, title, lr, sr, hr, scale, shift, crop):
        self.title, self.scale, self.crop = title, scale, crop
        self.shift = shift or (0, 0)
        self.grey = 1.0, 0.0
        lr, sr = Store(lr), Store(sr)
        self.store = lr
        self.lr, self.sr, self.hr = lr.level(), sr.level(), hr and Store(hr).level()
        self.intensity = lr.volume.intensity
        self.corner = lr.volume.corner(sr.volume, scale)
        self.plane = tuple(n // 2 for n in self.sr.shape[:3])
        bounds = self.hr.shape if self.hr is not None else self.sr.shape
        boxes = [sr_box for sr_box, _ in matched_boxes(bounds[3:], self.sr.shape[3:], self.shift)]
        starts = [max(box[i].start for box in boxes[:1]) for i in (0, 1)]
        self.box = tuple(
            # Whole LR pixels, so that pictures of all resolutions show the same place.
            slice(-(-a // scale) * scale, box.stop // scale * scale)
            for a, box in zip(starts, boxes[-1])
        )

        if shift is not None:
            self.grey = self._fit()

    def _fit(self):
        """Gain and offset between an acquired LR image and the truth, whose detector differs."""
        images, fit = self.images(*self.middle()), AffineFit()
        fit.add(images["HR"], images["bicubic"])
        return fit.solve()

    @classmethod
    def open(cls, results, row, model, config):
        folder = f"{config['stores'] or results}/{row['sample']}"
        registration = f"{results}/{row['sample']}/registration.json"
        return cls(
            title=f"{row['sample']}, model {model}",
            lr=f"{folder}/lr.ome.zarr",
            sr=f"{folder}/{model}/sr.ome.zarr",
            hr=f"{folder}/hr.ome.zarr" if row["role"] == "test" else None,
            scale=config["crappify"]["scale"],
            shift=read_json(registration)["shift"] if row["paired"] else None,
            crop=config["report"]["crop"],
        )

    def images(self, rows, cols):
        """LR, bicubic, SR and HR of a rectangle of SR pixels, float32, in grey levels of HR."""
        s = self.scale
        depth, *corner = self.corner
        plane = (*self.plane[:2], self.plane[2] + depth)
        whole = [slice(b.start + c * s, b.stop + c * s) for b, c in zip((rows, cols), corner)]
        found = {
            "LR": self.lr[(*plane, *(slice(b.start // s, b.stop // s) for b in whole))],
            "bicubic": interpolate(self.store, plane, *whole, s),
            "SR": self.sr[(*self.plane, rows, cols)],
        }
        if self.hr is not None:
            moved = (slice(b.start + d, b.stop + d) for b, d in zip((rows, cols), self.shift))
            found["HR"] = self.hr[(*self.plane, *moved)]
        gain, offset = (np.float32(v) for v in self.grey)
        return {
            name: image.astype(np.float32) * (1 if name == "HR" else gain)
            + (0 if name == "HR" else offset)
            for name, image in found.items()
        }

    def middle(self):
        """The largest rectangle that a picture holds, around the middle."""
        return tuple(_shrunk(b, OVERVIEW // self.scale * self.scale, self.scale) for b in self.box)

    def interesting(self):
        """The place of the magnified crop: where the LR image varies most."""
        # At most half a small field, or there is nothing to magnify.
        halves = ((b.stop - b.start) // 2 // self.scale for b in self.middle())
        size = [max(1, min(self.crop, half)) * self.scale for half in halves]
        best, place = -1.0, None
        for y in _places(self.middle()[0], size[0], self.scale):
            for x in _places(self.middle()[1], size[1], self.scale):
                rows, cols = slice(y, y + size[0]), slice(x, x + size[1])
                detail = self.images(rows, cols)["LR"].std()
                if detail > best:
                    best, place = detail, (rows, cols)
        return place


def _shrunk(box, size, scale):
    extra = max(0, box.stop - box.start - size) // 2 // scale * scale
    return slice(box.start + extra, min(box.stop, box.start + extra + size))


def _places(box, size, scale):
    last = (box.stop - size - box.start) // scale
    return sorted({box.start + last * i // PLACES * scale for i in range(PLACES + 1)})

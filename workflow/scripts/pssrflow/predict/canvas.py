"""Where tiles come together, and become grey levels."""

import math

import numpy as np

from pssrflow.compiled import compiled
from pssrflow.run.memory import off_heap


class Canvas:
    """Where the tiles of a block come together.

    Parameters
    ----------
    cutting : Cutting
    intensity : Intensity
        Constants that turn what the network gives into grey levels.
    dtypes : dict of str to dtype
        Of every image that is kept.
    blend : str
        "none", or how neighbouring tiles are weighted.
    """

    def __init__(self, cutting, intensity, dtypes, blend):
        self.cutting, self.intensity, self.dtypes, self.blend = cutting, intensity, dtypes, blend
        self.shards = math.prod(b // s for b, s in zip(cutting.block, cutting.shard))

    def keep(self, name, step, image):
        """What is kept of a tile, so that all else of a pass can go before the next one.

        Grey levels; or, of tiles that overlap, what the network gave.
        """
        rows, cols = step.tile.keep
        size = (rows.stop - rows.start, cols.stop - cols.start)
        if self.blend == "none":
            kept = off_heap(size, self.dtypes[name])
            self._digitise(name, step, image, (rows.start, cols.start), kept)
        else:
            kept = off_heap(size, np.float32)
            kept[:] = image[rows, cols]
        return kept

    def blocks(self, made):
        """Steps that end a block, and the pixels of that block by name."""
        pixels, sums = {}, {}
        for step, images in made:
            if not pixels:
                pixels = {n: off_heap(step.region.shape, d) for n, d in self.dtypes.items()}
            inside = tuple(i - a for i, a in zip(step.plane, step.region.start))
            for name, image in images.items():
                plane = pixels[name][inside]
                if self.blend == "none":
                    plane[step.within] = image
                else:
                    sums[name] = self._added(sums.get(name), step, image, plane.shape)
                    if step.ends_plane:
                        self._digitise(name, step, sums.pop(name), (0, 0), plane)
            if step.ends_block:
                yield step, pixels
                pixels = {}

    def _added(self, total, step, image, shape):
        if total is None:
            total = off_heap(shape, np.float32)
            total[:] = 0
        down, along = self.cutting.weights(step.tile, self.blend)
        total[step.within] += image * down[:, None] * along
        return total

    def _digitise(self, name, step, image, corner, made):
        low, high = self.intensity.windows[step.plane[1]]
        # A standard deviation has no offset.
        offset = low if name == "sr" else 0
        digitise(image, corner, np.float32(high - low), np.float32(offset), made)


def digitise(image, corner, span, low, made):
    """Grey levels of an image from 0 to 1, rounded and clipped to what `made` can hold.

    Parameters
    ----------
    image : ndarray (y, x) of float32
    corner : tuple of int
        Where in it `made` begins.
    span, low : float32
        Grey levels between 0 and 1, and at 0.
    made : ndarray (y, x)
        Receives them.
    """
    # Detail may exceed what the coarse image reached, so only the data type limits it.
    if made.dtype.kind == "f":
        rows, cols = (slice(c, c + n) for c, n in zip(corner, made.shape))
        np.multiply(image[rows, cols], span, out=made)
        made += low
        return
    limits = np.iinfo(made.dtype)
    _rounded(image, corner, span, low, np.float32(limits.min), np.float32(limits.max), made)


# The corner is not cut off before: that a row has no gaps is known of whole arrays alone, and
# halves the time.
@compiled
def _rounded(image, corner, span, low, least, most, made):
    top, left = corner
    for i in range(made.shape[0]):
        row = image[top + i, left : left + made.shape[1]]
        for j in range(made.shape[1]):
            grey = np.rint(row[j] * span + low)
            made[i, j] = min(max(grey, least), most)

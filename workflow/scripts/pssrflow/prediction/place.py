"""Where an SR volume lies in the LR volume that it was made of."""

from dataclasses import replace


def sr_volume(lr, scale, chunk, shard, box):
    """Metadata of the SR volume: smaller pixels, whose first one begins where the LR one does.

    Parameters
    ----------
    lr : Volume
    scale : int
    chunk, shard : sequence of int
        z, y, x.
    box : tuple of slice
        z, y, x of the LR volume that are super-resolved.
    """
    z, y, x = lr.pixel_size
    oz, oy, ox = (origin + b.start for origin, b in zip(lr.origin, box))
    shift = (scale - 1) / 2
    depth, height, width = (b.stop - b.start for b in box)
    return replace(
        lr,
        shape=(*lr.shape[:2], depth, height * scale, width * scale),
        chunk=tuple(chunk),
        shard=tuple(shard),
        pixel_size=(z, *(size and size / scale for size in (y, x))),
        origin=(oz, oy * scale - shift, ox * scale - shift),
    )


def lr_corner(lr, sr, scale):
    """LR pixel (z, y, x) where an SR volume begins; not the first one if only a region was made.

    Parameters
    ----------
    lr, sr : Volume
    scale : int
    """
    shift = (scale - 1) / 2
    factors = (1, scale, scale)
    return tuple(
        round((there + (f > 1) * shift) / f - here)
        for here, there, f in zip(lr.origin, sr.origin, factors)
    )

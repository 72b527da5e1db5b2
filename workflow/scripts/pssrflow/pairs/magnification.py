"""At which magnifications to learn: as large as structure is in the images that are asked for."""

import logging
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pssrflow.run.files import write_json
from pssrflow.volumes.store import Store

log = logging.getLogger(__name__)

FORMAT = 1
# Factors below which pixels are of one size, beyond which it is said, and beyond which resampling
# makes nothing that resembles the other images.
SAME, FAR, FURTHEST = 1.05, 1.5, 3.0


class Asked(NamedTuple):
    """An image that is to be restored.

    Attributes
    ----------
    sample : str
    store : str
        Its LR image, or its HR image where it is crappified.
    coarse : bool
        Whether that is the LR image.
    """

    sample: str
    store: str
    coarse: bool


def choose_zoom(
    learnt: Sequence[str], asked: Sequence[Asked], scale: int, done: Path | str
) -> None:
    """Choose the range of magnifications from pixel sizes, and write it as JSON.

    Parameters
    ----------
    learnt : sequence of str
        Stores of HR images that are crappified.
    asked : sequence of Asked
    scale : int
        HR pixels per LR pixel.
    done : path-like
        JSON with `zoom`, the lowest and the highest, `samples` that asked, and `warnings`.
    """
    sizes = {Store(path).volume.pixel_side for path in learnt}
    known = sorted(size for size in sizes if size is not None)
    warnings, ends = list[str](), [1.0]
    for one in asked:
        size = Store(one.store).volume.pixel_side
        if size is None or not known:
            whose = "it" if size is None else "the images that are learnt from"
            warnings.append(
                f"{one.sample}: the pixel size of {whose} is not known, so nobody can tell whether "
                "structure is as large as what is learnt (set `pixel_size` in the sample sheet)"
            )
            continue
        zooms = [there / (size / scale if one.coarse else size) for there in known]
        warnings += _far(one.sample, zooms)
        ends += [zoom for zoom in zooms if 1 / FURTHEST <= zoom <= FURTHEST]
    low, high = min(ends), max(ends)
    low, high = (low if low < 1 / SAME else 1.0), (high if high > SAME else 1.0)
    for warning in warnings:
        log.warning("%s", warning)
    log.info("patches are drawn at magnifications of %.3g to %.3g", low, high)
    zoom = [round(low, 4), round(high, 4)]
    samples = [one.sample for one in asked]
    written = {"format": FORMAT, "zoom": zoom, "samples": samples, "warnings": warnings}
    write_json(done, written)


def _far(sample: str, zooms: Sequence[float]) -> Iterator[str]:
    nearest = min(zooms, key=lambda zoom: abs(math.log(zoom)))
    factor = max(nearest, 1 / nearest)
    if factor > FAR:
        larger = "larger" if nearest > 1 else "smaller"
        resampled = factor <= FURTHEST
        yield (
            f"{sample}: structure is {factor:.3g} times {larger}, in pixels, than in the images "
            "that are learnt from; "
            + ("these are resampled" if resampled else "too far to resample these (train.zoom)")
        )

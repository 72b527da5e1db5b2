"""Compare a prediction and its baselines with the truth, plane by plane."""

import functools
import itertools
import logging
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pssrflow.errors import InputError
from pssrflow.evaluate.baselines import CONSTANT, baselines, mean_level
from pssrflow.evaluate.metrics import METRICS, AffineFit, Ranges
from pssrflow.pairs.aligned import STILL, Warp, aligned
from pssrflow.pairs.mask import Mask, known
from pssrflow.run.files import file_hash, replacing, write_json
from pssrflow.run.shares import Shares
from pssrflow.run.workers import Workers
from pssrflow.volumes.blocks import share
from pssrflow.volumes.store import Store

log = logging.getLogger(__name__)

# Of the done file, which other programs read.
FORMAT = 1
# Planes above this many pixels along an axis are measured in pieces, which bounds the memory.
LARGEST = 2048
# What pieces are measured by; several metrics may share one.
MEASURED = tuple(dict.fromkeys(metric.of_piece for metric in METRICS.values()))
# The images as they are, and after one affine fit of the plane to the truth.
SUFFIXES = ("", "_affine")

# t, c, z.
Plane = tuple[int, ...]
# Rows and columns of a plane.
Box = tuple[slice, slice]
# The truth, NaN where nothing is compared, and the images that are compared with it, by method:
# float32, of one shape.
Piece = tuple[np.ndarray, dict[str, np.ndarray]]


@dataclass(frozen=True)
class Judged:
    """A prediction that has a truth.

    Attributes
    ----------
    hr, lr, sr : Store
    scale : int
    shift : tuple of int
        HR pixels (y, x) by which the truth lies beside the LR image; (0, 0) if it was crappified.
    width : float
        Standard deviation of the Gaussian of smoothed interpolation, HR pixels.
    warp : Warp
        What the shift leaves; the truth is moved by it.
    mask : Mask, optional
        Where they are compared; everywhere, if not given.
    """

    hr: Store
    lr: Store
    sr: Store
    scale: int
    shift: tuple[int, int] = (0, 0)
    width: float = 0.0
    warp: Warp = STILL
    mask: Mask | None = None

    def planes(self) -> list[Plane]:
        """All t, c, z of the volume."""
        return list(itertools.product(*map(range, self.hr.volume.shape[:3])))

    def pieces(self, plane: Plane, level: float) -> Iterator[Piece]:
        """Truth and images of every piece of a plane (t, c, z), read one piece at a time.

        Pieces that a mask leaves out altogether are not among them.

        Parameters
        ----------
        plane : tuple of int
        level : float
            Grey level of the constant.
        """
        hr_shape, sr_shape = (store.volume.shape[3:] for store in (self.hr, self.sr))
        truth = aligned(self.hr, self.warp)
        for sr_box, hr_box in matched_boxes(hr_shape, sr_shape, self.shift):
            valid = None if self.mask is None else self.mask.valid(plane, *sr_box)
            if valid is not None and not valid.any():
                continue
            images = {"sr": self.sr.reader()(plane, *sr_box).astype(np.float32)}
            images |= baselines(self.lr, plane, sr_box, self.scale, self.width)
            images[CONSTANT] = np.full_like(images["sr"], level)
            yield known(truth(plane, *hr_box).astype(np.float32), valid), images


def evaluate(
    judged: Judged,
    sample: str,
    model: str,
    table: Path | str,
    done: Path | str,
    shares: Shares | None = None,
    workers: Workers | None = None,
) -> None:
    """Write one row of metrics per plane and method.

    Parameters
    ----------
    judged : Judged
    sample, model : str
    table : path-like
        CSV.
    done : path-like
        JSON that vouches for the table; written last.
    shares : Shares, optional
        What other jobs have measured; see `fill`.
    workers : Workers, optional
        Workers that measure the planes; None measures them here.

    Raises
    ------
    InputError
        A mask leaves nothing to compare.
    """
    rows = [{"sample": sample, "model": model} | row for row in _gathered(judged, shares, workers)]
    if not rows:
        raise InputError(
            f"sample {sample!r}, mask_path",
            "a mask that leaves nothing to compare with the truth",
            "a mask that is not 0 where the truth counts",
        )
    frame = pd.DataFrame(rows)
    order = ["sample", "model", "method", "t", "c", "z"]
    frame = frame[order + [c for c in frame if c not in order]]
    with replacing(table) as scratch:
        frame.to_csv(scratch, index=False)
    write_json(done, {"format": FORMAT, "table": Path(table).name, "sha256": file_hash(table)})
    log.info("\n%s", frame.groupby("method")[["psnr", "ssim", "psnr_affine"]].mean().round(3))


def fill(
    judged: Judged, shares: Shares, part: int, parts: int, workers: Workers | None = None
) -> None:
    """Measure the planes of one of several parts, and report them; see `evaluate`."""
    mine = share(judged.planes(), parts)[part]
    shares.report(part, {"rows": _measured(judged, mine, workers)}, parts)


def _gathered(
    judged: Judged, shares: Shares | None, workers: Workers | None
) -> Iterator[dict[str, Any]]:
    """Rows of all planes, measured here or by other jobs."""
    if shares is None or not shares.parts:
        yield from _measured(judged, judged.planes(), workers)
        return
    for report in shares.reports(
        functools.partial(fill, judged, shares, parts=shares.parts, workers=workers)
    ):
        yield from report["rows"]


def _measured(judged: Judged, planes: list[Plane], workers: Workers | None) -> list[dict[str, Any]]:
    """Rows of some planes, measured here or by workers."""
    if workers is None:
        return list(measure(judged, planes))
    with workers.client() as client:
        of_plane = functools.partial(_of_plane, judged)
        return list(itertools.chain(*client.gather(client.map(of_plane, planes, pure=False))))


def _of_plane(judged: Judged, plane: Plane) -> list[dict[str, Any]]:
    return list(measure(judged, [plane]))


def measure(judged: Judged, planes: Iterable[Plane] | None = None) -> Iterator[dict[str, Any]]:
    """Rows of the table: plane, method and every metric; none of planes that a mask leaves out.

    Parameters
    ----------
    judged : Judged
    planes : iterable of (t, c, z), optional
        All, if not given.
    """
    for plane in judged.planes() if planes is None else planes:
        span = judged.hr.volume.intensity.ranges[plane[1]].span
        level = mean_level(judged.lr, plane, judged.mask)
        for row in measure_plane(functools.partial(judged.pieces, plane, level), span):
            yield dict(zip("tcz", plane)) | row


def matched(hr_shape: tuple[int, ...], sr_shape: tuple[int, ...], shift: tuple[int, int]) -> Box:
    """Rows and columns of the SR plane that the truth shows too.

    Parameters
    ----------
    hr_shape, sr_shape : tuple of int
        y and x.
    shift : tuple of int
        HR pixels (y, x).
    """
    rows, cols = (
        slice(max(0, -d), min(sr, hr - d)) for hr, sr, d in zip(hr_shape, sr_shape, shift)
    )
    return rows, cols


def matched_boxes(
    hr_shape: tuple[int, ...], sr_shape: tuple[int, ...], shift: tuple[int, int]
) -> list[tuple[Box, Box]]:
    """Rectangles of the SR plane, and those of the truth that show the same; see `matched`."""
    rows, cols = (_cut(side) for side in matched(hr_shape, sr_shape, shift))
    dy, dx = shift
    return [
        ((y, x), (slice(y.start + dy, y.stop + dy), slice(x.start + dx, x.stop + dx)))
        for y, x in itertools.product(rows, cols)
    ]


def _cut(side):
    """Pieces of about one size, none above `LARGEST`."""
    count = math.ceil((side.stop - side.start) / LARGEST)
    edges = np.linspace(side.start, side.stop, count + 1).astype(int).tolist()
    return list(itertools.starmap(slice, itertools.pairwise(edges)))


def measure_plane(pieces: Callable[[], Iterable[Piece]], data_range: float) -> list[dict[str, Any]]:
    """Every metric of one plane, raw and after one affine fit of the whole plane to the truth.

    Parameters
    ----------
    pieces : callable () -> iterable of (truth, images)
        2-D float32 arrays; `images` per method. Called twice: for the fit, then for the metrics.
    data_range : float
        Range of the detector.

    Returns
    -------
    list of dict
        One per method.
    """
    fits, extent = _fitted(pieces())
    means = _means(pieces(), fits, data_range)
    ranges = Ranges(data_range, extent)
    return [
        {"method": method}
        | _columns(means[method], ranges)
        | dict(zip(("affine_gain", "affine_offset"), fit))
        for method, fit in fits.items()
    ]


def _fitted(pieces: Iterable[Piece]) -> tuple[dict[str, tuple[float, float]], float]:
    """Gain and offset of every method, and the range of the truth."""
    fits: dict[str, AffineFit] = defaultdict(AffineFit)
    low, high = math.inf, -math.inf
    for truth, images in pieces:
        low, high = min(low, np.nanmin(truth)), max(high, np.nanmax(truth))
        for method, image in images.items():
            fits[method].add(truth, image)
    return {method: fit.solve() for method, fit in fits.items()}, float(high - low)


def _means(
    pieces: Iterable[Piece], fits: dict[str, tuple[float, float]], data_range: float
) -> dict[str, np.ndarray]:
    """Mean over the pixels of a plane, by method: an array (suffix, what is measured)."""
    values: dict[str, list[list[list[float]]]] = defaultdict(list)
    pixels = []
    for truth, images in pieces:
        pixels.append(truth.size - np.count_nonzero(np.isnan(truth)))
        for method, image in images.items():
            gain, offset = map(np.float32, fits[method])
            both = image, gain * image + offset
            values[method].append([[m(truth, i, data_range) for m in MEASURED] for i in both])
    return {method: np.average(v, axis=0, weights=pixels) for method, v in values.items()}


def _columns(means, ranges):
    columns = {}
    for suffix, row in zip(SUFFIXES, means.tolist()):
        mean = dict(zip(MEASURED, row))
        for name, metric in METRICS.items():
            columns[f"{name}{suffix}"] = metric.of_plane(mean[metric.of_piece], ranges)
    return columns

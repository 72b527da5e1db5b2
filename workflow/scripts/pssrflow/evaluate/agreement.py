"""How far what a task finds in a prediction is what it finds in the truth."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pssrflow.errors import InputError
from pssrflow.evaluate.intervals import (
    Bootstrap,
    Found,
    Planes,
    Values,
    block_sums,
    ends,
    in_all,
    widened,
)
from pssrflow.evaluate.tasks import Task

# Share of the union of two objects that lies in both, from which on they are one.
ALIKE = 0.5
# What blocks hold: pixels of both images' objects, of the truth's and of the image's; objects that
# are matched, those of the truth that are lost, and those that the image has of its own.
BOTH, TRUE, MADE, MATCHED, LOST, INVENTED = range(6)

# Of sums (..., 6): what a share is of, and of how much.
Parts = Callable[[Values], tuple[Values, Values]]


def agreement(truth: npt.NDArray[np.integer], made: npt.NDArray[np.integer]) -> Values:
    """How labels agree, in the blocks of a piece.

    Parameters
    ----------
    truth, made : ndarray (y, x) of int
        Labels, 0 where there is none.

    Returns
    -------
    ndarray (rows of blocks, columns of blocks, 6)
        See `BOTH`.
    """
    first, second = truth > 0, made > 0
    pairs = _matched(truth, made)
    lost, invented = (
        _objects(labels) - set(found) for labels, found in ((truth, pairs), (made, pairs.values()))
    )
    objects = (_places(truth, pairs), _places(truth, lost), _places(made, invented))
    layers = (first & second, first, second, *objects)
    return block_sums(*(layer.astype(np.float32) for layer in layers))[..., 1:]


def counted(truth: float, made: float) -> Values:
    """The same where a task counts, and says not where: the smaller number is matched."""
    alike = min(truth, made)
    return np.array([[[np.nan, np.nan, np.nan, alike, truth - alike, made - alike]]])


def _objects(labels: npt.NDArray[np.integer]) -> set[int]:
    boxes = ndimage.find_objects(labels)
    return {number for number, box in enumerate(boxes, 1) if box is not None}


def _places(labels: npt.NDArray[np.integer], only: Collection[int]) -> npt.NDArray[np.float32]:
    """The middle of the box of some objects, 1 for each."""
    made, boxes = np.zeros(labels.shape, np.float32), ndimage.find_objects(labels)
    for number in only:
        made[tuple((s.start + s.stop - 1) // 2 for s in boxes[number - 1])] += 1
    return made


def _matched(truth: npt.NDArray[np.integer], made: npt.NDArray[np.integer]) -> dict[int, int]:
    """Objects of the truth that are found again, and as which."""
    sizes, boxes = np.bincount(made.ravel()), ndimage.find_objects(truth)
    found: dict[int, int] = {}
    for number in _objects(truth):
        inside = truth[boxes[number - 1]] == number
        shared = np.bincount(made[boxes[number - 1]][inside])
        shared[0] = 0
        other = int(shared.argmax())
        union = np.count_nonzero(inside) + sizes[other] - shared[other]
        if shared[other] and shared[other] >= ALIKE * union and other not in found.values():
            found[number] = other
    return found


def performed(
    task: Task,
    truth: npt.NDArray[np.float32],
    images: Mapping[str, npt.NDArray[np.float32]],
    pixel: float | None,
) -> dict[str, list[list[list[float]]]]:
    """A task on a piece of every image, beside the truth.

    Parameters
    ----------
    task : Task
    truth : ndarray (y, x)
        NaN where nothing is compared: nothing is looked for there.
    images : mapping of str to ndarray (y, x)
    pixel : float or None

    Returns
    -------
    dict of str to list
        By image: what `agreement` or `counted` tells.
    """
    unknown = np.isnan(truth)
    level = np.float32(np.nanmean(truth))

    def done(image: npt.NDArray[np.float32]) -> Any:
        labels = task(np.where(unknown, level, image), pixel)
        return labels if np.ndim(labels) == 0 else np.where(unknown, 0, labels)

    expected, found = done(truth), {name: done(image) for name, image in images.items()}
    if len({np.ndim(one) for one in (expected, *found.values())}) > 1:
        answers = "labels of one image, and a count of another"
        raise InputError(f"evaluate.tasks: {task.title}", answers, "either, of all images")
    compare = counted if np.ndim(expected) == 0 else agreement
    return {name: compare(expected, one).tolist() for name, one in found.items()}


# -- all pieces -----------------------------------------------------------------------------------


def told(planes: Mapping[tuple[int, ...], Mapping[str, Sequence[Any]]]) -> dict[str, Any]:
    """How every image agrees with the truth, over all planes.

    Parameters
    ----------
    planes : mapping of (t, c, z) to mapping
        Of every plane: by image, blocks of its pieces; see `agreement`.

    Returns
    -------
    dict
        By image: `dice` of the pixels, `f1` of the objects (matched where at least half of their
        union is in both) and `ratio` of their number to the truth's, each as value, low and high of
        the 95 % interval; and the numbers of `objects`, in the truth and in the image.
    """
    arrays = {
        name: {
            plane: [np.array(piece, float) for piece in found[name]]
            for plane, found in planes.items()
        }
        for name in next(iter(planes.values()))
    }
    draws = Bootstrap.of(next(iter(arrays.values())))
    return {name: _figures(blocks, draws) for name, blocks in arrays.items()}


def _figures(planes: Planes, draws: Bootstrap) -> dict[str, Any]:
    whole, drawn = in_all(planes), draws.sums(planes)
    objects = [float(_number(whole, kind)) for kind in (LOST, INVENTED)]
    return {"objects": objects} | {
        name: _found(*share, planes, whole, drawn).to_json() for name, share in SHARES.items()
    }


# What part of what, and the most that it can be.
SHARES: dict[str, tuple[Parts, float]] = {
    "dice": (lambda s: (2 * s[..., BOTH], s[..., TRUE] + s[..., MADE]), 1.0),
    "f1": (lambda s: (2 * s[..., MATCHED], _number(s, LOST) + _number(s, INVENTED)), 1.0),
    "ratio": (lambda s: (_number(s, INVENTED), _number(s, LOST)), math.inf),
}


def _found(parts: Parts, most: float, planes: Planes, whole: Values, drawn: Values) -> Found:
    """A share over all blocks, and its interval, as far as it can be."""
    value = float(_share(*parts(whole)))

    def off(piece: Values) -> Values:
        part, all_of_it = parts(piece)
        return np.where(all_of_it > 0, part - value * all_of_it, np.nan)

    residuals = {plane: [off(piece) for piece in pieces] for plane, pieces in planes.items()}
    found = ends(_share(*parts(drawn)), value, widened(residuals))
    return Found(value, *(min(max(end, 0.0), most) if math.isfinite(end) else end for end in found))


def _number(sums: Values, others: int) -> Values:
    """Objects of one image: those that are matched, and the others."""
    return np.asarray(sums[..., MATCHED] + sums[..., others])


def _share(part: Values, whole: Values) -> Values:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(part / whole)

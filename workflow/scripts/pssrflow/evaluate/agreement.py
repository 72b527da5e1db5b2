"""How far what a task finds in a prediction is what it finds in the truth."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pssrflow.evaluate.errors import Bootstrap, Found, block_sums, ends
from pssrflow.evaluate.tasks import Task

Values = npt.NDArray[np.float64]

# Share of the union of two objects that lies in both, from which on they are one.
ALIKE = 0.5
# What blocks hold: pixels of both images' objects, of the truth's and of the image's; objects that
# are matched, of the truth and of the image.
BOTH, TRUE, MADE, MATCHED, TRUE_OBJECTS, MADE_OBJECTS = range(6)


def agreement(truth: npt.NDArray[np.integer], made: npt.NDArray[np.integer]) -> Values:
    """How labels agree, in the blocks of a piece.

    Parameters
    ----------
    truth, made : ndarray (y, x) of int
        Labels, 0 where there is none.

    Returns
    -------
    ndarray (blocks, 6)
        See `BOTH`.
    """
    first, second = truth > 0, made > 0
    objects = [_places(labels) for labels in (truth, made)]
    matched = _places(truth, _matched(truth, made))
    layers = (first & second, first, second, matched, *objects)
    return block_sums(*(layer.astype(np.float32) for layer in layers))[:, 1:]


def counted(truth: float, made: float) -> Values:
    """The same where a task counts, and says not where."""
    return np.array([[np.nan, np.nan, np.nan, np.nan, truth, made]])


def _places(
    labels: npt.NDArray[np.integer], only: Collection[int] | None = None
) -> npt.NDArray[np.float32]:
    """One pixel for every object, inside its box."""
    made = np.zeros(labels.shape, np.float32)
    for number, box in enumerate(ndimage.find_objects(labels), 1):
        if box is not None and (only is None or number in only):
            made[tuple((s.start + s.stop - 1) // 2 for s in box)] += 1
    return made


def _matched(truth: npt.NDArray[np.integer], made: npt.NDArray[np.integer]) -> set[int]:
    """Objects of the truth that are found again."""
    sizes = np.bincount(made.ravel())
    found = set()
    for number, box in enumerate(ndimage.find_objects(truth), 1):
        if box is None:
            continue
        inside = truth[box] == number
        shared = np.bincount(made[box][inside], minlength=1)
        shared[0] = 0
        other = int(shared.argmax())
        union = np.count_nonzero(inside) + sizes[other] - shared[other]
        if shared[other] and shared[other] >= ALIKE * union:
            found.add(number)
    return found


def performed(
    task: Task,
    truth: npt.NDArray[np.float32],
    images: Mapping[str, npt.NDArray[np.float32]],
    pixel: float | None,
) -> dict[str, list[list[float]]]:
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

    expected = done(truth)
    compare = counted if np.ndim(expected) == 0 else agreement
    return {name: compare(expected, done(image)).tolist() for name, image in images.items()}


# -- all pieces -----------------------------------------------------------------------------------


def told(planes: Sequence[Mapping[str, Sequence[Sequence[float]]]]) -> dict[str, Any]:
    """How every image agrees with the truth, over all planes.

    Parameters
    ----------
    planes : sequence of mapping
        Of every plane: blocks by image; see `agreement`.

    Returns
    -------
    dict
        By image: `dice` of the pixels, `f1` of the objects (matched where at least half of their
        union is in both) and `ratio` of their number to the truth's, each as value, low and high of
        the 95 % interval; and the numbers of `objects`, in the truth and in the image.
    """
    arrays = {name: [np.array(p[name], float) for p in planes] for name in planes[0]}
    draws = Bootstrap([len(blocks) for blocks in next(iter(arrays.values()))])
    return {name: _figures(blocks, draws) for name, blocks in arrays.items()}


def _figures(planes: Sequence[Values], draws: Bootstrap) -> dict[str, Any]:
    whole = np.sum(np.concatenate(planes), 0)
    drawn = np.sum([weights @ blocks for weights, blocks in zip(draws.weights, planes)], 0)
    many = sum(map(len, planes))
    shares = {
        "dice": lambda s: _share(2 * s[..., BOTH], s[..., TRUE] + s[..., MADE]),
        "f1": lambda s: _share(2 * s[..., MATCHED], s[..., TRUE_OBJECTS] + s[..., MADE_OBJECTS]),
        "ratio": lambda s: _share(s[..., MADE_OBJECTS], s[..., TRUE_OBJECTS]),
    }
    objects = [whole[TRUE_OBJECTS], whole[MADE_OBJECTS]]
    return {"objects": objects} | {
        name: Found(float(share(whole)), *ends(share(drawn), many)).to_json()
        for name, share in shares.items()
    }


def _share(part: Values, whole: Values) -> Values:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(part / whole)

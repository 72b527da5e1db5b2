"""Whether a volume is fit for use, in words, with reasons and the worst places."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from pssrflow.trust.conformal import BLOCKS, discoveries
from pssrflow.trust.maps import (
    BELIEF,
    CHANNELS,
    CONSISTENCY,
    DO_NOT_USE,
    DOUBTFUL,
    FIT,
    NOVELTY,
    SPECIMEN,
    WHITE,
    WIDTHS,
    WITH_CARE,
)
from pssrflow.trust.promise import Promise
from pssrflow.trust.windows import BLOCK
from pssrflow.trust.words import BAD, CARE, GOOD

# Of the LR pixels: at least so many fit, and at most so many not to be used, of a volume that is
# fit; more of them than that, of one that is not to be used.
ENOUGH, FEW, MANY = 0.8, 0.05, 0.3
# Share of a volume in strange places above which it is not to be used.
MOST = 0.5
# Of tests of places that are as they should be, the share that may be called strange.
RATE = 0.1
# Places that are named, and the most planes of which one is kept each.
PLACES = 5
# By how much fewer pixels of a truth than promised lie within the intervals of a volume that is
# to be used with care.
SHORT = 0.05


@dataclass
class Tally:
    """What maps of trust say, counted: of one tile or of a whole volume.

    Attributes
    ----------
    counts : dict of str to ndarray (256,)
        LR pixels by the grey level of each channel of the map.
    worst : list of dict
        Places with the least belief.
    known, inside : int
        Pixels of a truth, and those of them within the intervals.
    """

    counts: dict[str, np.ndarray] = field(
        default_factory=lambda: {name: np.zeros(WHITE + 1, np.int64) for name in CHANNELS}
    )
    worst: list[dict[str, Any]] = field(default_factory=list)
    known: int = 0
    inside: int = 0

    def add(self, made: np.ndarray, corner: Sequence[int]) -> None:
        """Count a map (channels, t, c, z, y, x) of uint8, whose first pixel is `corner`."""
        for name, values in zip(CHANNELS, made):
            self.counts[name] += np.bincount(values.ravel(), minlength=WHITE + 1)
        for t, c, z in np.ndindex(made.shape[1:4]):
            plane = made[:, t, c, z]
            self._note(plane, [a + b for a, b in zip(corner, (t, c, z, 0, 0))])

    def compare(self, known: int, inside: int) -> None:
        """Count pixels of a truth."""
        self.known += known
        self.inside += inside

    def _note(self, plane: np.ndarray, corner: Sequence[int]) -> None:
        height, width = plane.shape[1:]
        for top in range(0, height, BLOCK):
            for left in range(0, width, BLOCK):
                block = plane[:, top : top + BLOCK, left : left + BLOCK].reshape(len(plane), -1)
                said = dict(zip(CHANNELS, block))
                belief = float(said[BELIEF].mean())
                if belief < FIT:
                    place = [*corner[:3], corner[3] + top, corner[4] + left]
                    self.worst.append({"belief": round(belief, 3), "lr": place, **_why(said)})
        self._keep()

    def _keep(self) -> None:
        self.worst.sort(key=lambda place: (place["belief"], place["lr"]))
        del self.worst[PLACES:]

    def merge(self, other: Self) -> None:
        """Take in what another job counted."""
        for name, counts in other.counts.items():
            self.counts[name] = self.counts[name] + counts
        self.worst += other.worst
        self.compare(other.known, other.inside)
        self._keep()

    def to_json(self) -> dict[str, Any]:
        """For another job; see `from_json`."""
        counts = {n: c.tolist() for n, c in self.counts.items()}
        return {"counts": counts, "worst": self.worst, "covered": [self.known, self.inside]}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """What another job counted."""
        counts = {name: np.array(told["counts"][name], np.int64) for name in CHANNELS}
        return cls(counts, list(told["worst"]), *told["covered"])

    def share(self, belief: int) -> float:
        """Of the pixels with some belief."""
        counts = self.counts[BELIEF]
        return float(counts[belief] / max(1, counts.sum()))

    def mean(self, name: str) -> float:
        """Mean grey level of a channel, in parts of white."""
        counts = self.counts[name]
        return float((counts * np.arange(WHITE + 1)).sum() / max(1, counts.sum()) / WHITE)

    def strange(self, name: str) -> float:
        """Share of the pixels in places that a channel calls strange, at the rate `RATE`."""
        return discoveries(self.counts[name], RATE)[0] / max(1, int(self.counts[name].sum()))


def _why(said: Mapping[str, np.ndarray]) -> dict[str, str]:
    """What makes most of a place one not to rely on."""
    doubtful = {name: said[name] < DOUBTFUL * WHITE for name in (CONSISTENCY, NOVELTY)}
    rest = (said[BELIEF] < FIT) & ~doubtful[CONSISTENCY] & ~doubtful[NOVELTY]
    shares = {
        "it does not explain the LR image": doubtful[CONSISTENCY].mean(),
        "the LR image is unlike what was learnt from": doubtful[NOVELTY].mean(),
        "what is possible here is wide, or little is promised of the image": rest.mean(),
    }
    return {"why": max(shares, key=lambda words: float(shares[words]))}


@dataclass(frozen=True)
class Volume:
    """What is known of a volume besides its map.

    Attributes
    ----------
    scale : int
    lr_pixel_size : float or None
        Micrometer.
    corner : tuple of int
        LR pixel (z, y, x) where the prediction begins.
    """

    scale: int
    lr_pixel_size: float | None
    corner: tuple[int, ...] = (0, 0, 0)


def judged(tally: Tally, promise: Promise, volume: Volume) -> dict[str, Any]:
    """The verdict of a volume, as JSON.

    Returns
    -------
    dict
        `verdict` (`GOOD`, `CARE` or `BAD`), `calibrated`, `reasons`, `shares` of each class of
        belief, `mean_width` and `mean_specimen_width` (in parts of the display window),
        `covered` (share of the truth within the intervals, of a test row), `left_out` (the same
        of each calibration image by the others), `inconsistent` and `novel` (shares), `blocks`
        and images (`calibrated_on`) that were calibrated on, `repeatable_px` (SR pixels down to
        which other noise in LR images makes the same prediction, on those images), and `worst`
        (places, SR pixels).
    """
    shares = {
        "fit": tally.share(FIT),
        "care": tally.share(WITH_CARE),
        "not": tally.share(DO_NOT_USE),
    }
    novel, odd = tally.strange(NOVELTY), tally.strange(CONSISTENCY)
    size = _other_size(promise, volume)
    share = tally.inside / tally.known if promise.calibrated and tally.known else None
    least = promise.level - SHORT
    # What is known of this image says more than what is known of others.
    held = list(promise.left_out.values()) if share is None else [share]
    kept = min(held, default=1.0) >= least
    reasons = [*_reasons(promise, novel, odd, shares), *_held(share, promise.level)]
    reasons += [size] if size else []
    verdict = _class(shares, max(novel, odd), promise.firm and kept)
    return {
        "verdict": verdict,
        "calibrated": promise.calibrated,
        "level": promise.level,
        "reasons": reasons,
        "shares": {name: round(value, 4) for name, value in shares.items()},
        "mean_width": round(tally.mean(WIDTHS), 4) if promise.calibrated else None,
        "mean_specimen_width": round(tally.mean(SPECIMEN), 4) if promise.knows_specimen else None,
        "covered": None if share is None else round(share, 4),
        "left_out": _named(promise),
        "novel": round(novel, 4),
        "inconsistent": round(odd, 4),
        "blocks": len(promise.blocks),
        "calibrated_on": promise.about.get("samples", []),
        "repeatable_px": promise.about.get("repeatable_px"),
        "worst": [_placed(place, volume) for place in tally.worst],
    }


def _class(shares: Mapping[str, float], strange: float, firm: bool) -> str:
    if shares["not"] > MANY or strange > MOST:
        return BAD
    if firm and shares["fit"] >= ENOUGH and shares["not"] <= FEW:
        return GOOD
    return CARE


def _reasons(
    promise: Promise, novel: float, odd: float, shares: Mapping[str, float]
) -> Iterable[str]:
    if not promise.calibrated:
        yield (
            f"uncalibrated: {len(promise.blocks)} blocks were kept out of training, too few to "
            "promise an interval (give rows of the role trust)"
        )
    elif len(promise.blocks) < BLOCKS:
        yield f"calibrated on {len(promise.blocks)} blocks only; intervals are wide"
    if promise.calibrated:
        yield from _of_images(promise)
    if novel:
        yield (
            f"{novel:.0%} of the LR image is unlike what was learnt from; intervals are void there"
        )
    if odd:
        yield f"{odd:.0%} of the prediction does not explain its LR image"
    if not (novel or odd):
        found = "the LR image is like what was learnt from, and the prediction explains it"
        few = len(promise.blocks) < BLOCKS
        yield "nothing strange is seen, of which few blocks say little" if few else found
    yield f"{shares['fit']:.0%} fit for use, {shares['not']:.0%} not to be used"


def _named(promise: Promise) -> dict[str, float]:
    names = promise.about.get("samples", [])
    return {names[image]: round(share, 4) for image, share in promise.left_out.items()}


def _of_images(promise: Promise) -> Iterable[str]:
    held, count = promise.left_out.values(), len(np.unique(promise.images))
    if held:
        yield (
            f"calibrated on {count} images; of those that were left out in turn "
            f"{min(held):.0%} to {max(held):.0%} lay within intervals of the others, "
            f"{promise.level:.0%} were promised"
        )
    elif count > 1:
        yield f"calibrated on {count} images, too few blocks to say whether they speak for others"
    elif count:
        name = promise.about["samples"][0]
        yield f"calibrated on one image ({name}); in others more may lie outside of the intervals"


def _held(share: float | None, level: float) -> Iterable[str]:
    if share is not None:
        yield f"{share:.1%} of the truth lies within the intervals, {level:.0%} were promised"


def _other_size(promise: Promise, volume: Volume) -> str | None:
    """Where pixels are larger or smaller than those that were learnt from, in words."""
    here = volume.lr_pixel_size
    if here is None or promise.sizes is None or promise.near(here):
        return None
    low, high = (f"{size * 1e3:.4g}" for size in promise.sizes)
    span = low if low == high else f"{low} to {high}"
    said = f"LR pixels of {here * 1e3:.4g} nm, and {span} nm were learnt from"
    return f"{said}; intervals are void" if promise.far(here) else said


def _placed(place: Mapping[str, Any], volume: Volume) -> dict[str, Any]:
    """A place by SR pixels."""
    t, c, z, y, x = place["lr"]
    named = dict(zip("tczyx", (t, c, z, y * volume.scale, x * volume.scale)))
    return {"at": named, "belief": place["belief"], "why": place["why"]}

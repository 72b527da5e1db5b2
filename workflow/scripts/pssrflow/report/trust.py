"""What trust says of every prediction, and a picture of where not to believe it."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.colors import BoundaryNorm, ListedColormap

from pssrflow.report.pictures import Picture, contrast, data_uri, show
from pssrflow.run.files import read_json
from pssrflow.run.layout import Layout
from pssrflow.trust.maps import BELIEF, CHANNELS, SPECIMEN, WIDTHS
from pssrflow.trust.words import BAD, GOOD
from pssrflow.volumes.store import Store

# Predictions of which the page holds a picture, worst first; pixels of the longer side of one.
MOST, SIDE = 6, 768
# Do not use, with care, fit for use; as colours over the image.
COLOURS = ListedColormap(["#d62728c0", "#ffbf0080", "#00000000"])
# What lies within an interval.
SHOWS = {WIDTHS: "a second scan", SPECIMEN: "the specimen"}
CAPTION = (
    "SR image; belief over it (red: do not use, yellow: with care, clear: fit for use); half-width "
    "of the interval in which {} lies, in parts of the display window. Middle plane."
)


@dataclass(frozen=True)
class Trusted:
    """What trust says of one prediction.

    Attributes
    ----------
    sample, model, verdict : str
    reasons : list of str
    shares : dict of str to float
        Of the pixels that are fit, to be used with care, and not to be used.
    mean_width, mean_specimen_width : float or None
        Half-widths of the intervals for a second scan and for the specimen.
    worst : list of str
        Places, in words.
    repeats : float or None
        SR pixels down to which predictions of two LR images agree that differ by their noise alone.
    picture : Picture or None
    """

    sample: str
    model: str
    verdict: str
    reasons: list[str]
    shares: dict[str, float]
    mean_width: float | None
    mean_specimen_width: float | None
    worst: list[str]
    repeats: float | None = None
    picture: Picture | None = None

    @property
    def good(self) -> bool:
        """Whether it is fit for use."""
        return self.verdict == GOOD

    @property
    def fair(self) -> bool:
        """Whether it can be used at all."""
        return self.verdict != BAD


def trusted(layout: Layout) -> list[Trusted]:
    """What trust says of all predictions of a run; of none where no map was made."""
    if not Path(layout.verdict).is_file():
        return []
    found = read_json(layout.verdict)["predictions"]
    order = sorted(found, key=lambda one: one["shares"]["fit"])
    drawn = {(one["sample"], one["model"]) for one in order[:MOST]}
    return [_trusted(layout, one, (one["sample"], one["model"]) in drawn) for one in found]


def _trusted(layout: Layout, one: dict[str, Any], draws: bool) -> Trusted:
    names = one["sample"], one["model"]
    return Trusted(
        *names,
        verdict=one["verdict"],
        reasons=one["reasons"],
        shares=one["shares"],
        mean_width=one["mean_width"],
        mean_specimen_width=one["mean_specimen_width"],
        worst=[*_placed(one["worst"])],
        repeats=one.get("repeatable_px"),
        picture=_drawn(layout, *names) if draws else None,
    )


def _placed(worst: Iterable[dict[str, Any]]) -> Iterable[str]:
    for place in worst:
        where = ", ".join(f"{axis} {n}" for axis, n in place["at"].items() if axis in "yx" or n)
        yield f"{where}: {place['why']}"


def _drawn(layout: Layout, sample: str, model: str) -> Picture:
    sr, trust = (Store(layout.map_store(name, sample, model)) for name in ("sr", "trust"))
    plane = tuple(n // 2 for n in sr.volume.shape[:3])
    image = _coarse(sr, plane)
    many = len(trust.volume.channels) // len(sr.volume.channels)
    held = CHANNELS[:many]
    shown = SPECIMEN if SPECIMEN in held else WIDTHS
    belief, width = (
        _coarse(trust, (plane[0], plane[1] * many + held.index(name), plane[2]))
        for name in (BELIEF, shown)
    )
    figure, axes = plt.subplots(1, 3, figsize=(15, 5.2 * image.shape[0] / image.shape[1] + 0.6))
    for axis, title in zip(axes, ("SR", "belief", "half-width")):
        show(axis, image, contrast(image), title)
    extent = (-0.5, image.shape[1] - 0.5, image.shape[0] - 0.5, -0.5)
    classes = BoundaryNorm([-0.5, 0.5, 1.5, 2.5], 3)
    axes[1].imshow(belief, cmap=COLOURS, norm=classes, extent=extent, interpolation="nearest")
    picture = axes[2].imshow(width / 255, cmap="viridis", extent=extent, interpolation="nearest")
    figure.colorbar(picture, ax=axes, shrink=0.8, fraction=0.02, pad=0.01)
    return Picture(
        data_uri(figure), f"Trust of {sample}, model {model}", CAPTION.format(SHOWS[shown])
    )


def _coarse(store: Store, plane: tuple[int, ...]) -> np.ndarray:
    """A plane, at a level of the pyramid that fits the page."""
    shapes = store.volume.level_shapes()
    level = next((n for n, s in enumerate(shapes) if max(s[3:]) <= SIDE), len(shapes) - 1)
    whole = (slice(0, n) for n in shapes[level][3:])
    return np.asarray(store.reader(level)(plane, *whole), np.float32)

"""Does the crappifier imitate the microscope? What was fitted, and real images beside made ones."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot as plt

from pssrflow.calibrate.plots import draw_twins
from pssrflow.calibrate.result import accepted_in_words
from pssrflow.calibrate.twins import SAME_NOISE, Twins, compare
from pssrflow.crappify.chain import Crappifier, crappify_plane
from pssrflow.crappify.squares import NoiseKey
from pssrflow.crappify.steps import GREY
from pssrflow.evaluate.metrics import AffineFit
from pssrflow.pairs.grey import Grey, move
from pssrflow.report.pictures import Picture, contrast, data_uri, png_uri, show
from pssrflow.run.files import read_json
from pssrflow.run.layout import Layout
from pssrflow.volumes.store import Store

# LR pixels along y and x that are compared, and that the picture shows.
WINDOW, SHOWN = 512, 96
# Filters reach from the edge; what they make there is not compared.
EDGE = 8
# What a calibration was made on.
MEASURED = {
    "pairs": "Measured on acquired pairs",
    "lr": "Measured on LR images without a pair: noise alone, and grey levels on the whole",
    "hr": "Measured on HR images alone: a pixel of the fast scan has the noise of one of the slow",
    "stated": "Nothing could be measured: it is as configured",
}
# Drawings of a calibration, where it made them.
PLOTS = ("variance", "residuals", "registration", "twins")

TWINS = (
    "The LR image as acquired, the HR image of the same place after the crappifier, both at one "
    "contrast, and that HR image. Below: their noise around what both would be without it, and "
    "how it grows with brightness."
)


# -- what was fitted ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Parameter:
    """A fitted value and its 95 % interval; None where the images do not tell."""

    name: str
    value: float | str | None
    low: float | None
    high: float | None
    unit: str


@dataclass(frozen=True)
class Check:
    """A comparison with pixels that were not fitted; what is accepted is said in words.

    What is not passed but tolerated matters little for a network that learns from it.
    """

    name: str
    value: float | None
    accepted: str
    passed: bool
    tolerated: bool


@dataclass(frozen=True)
class Detector:
    """One of several detectors or settings, and what was found of it."""

    name: str
    samples: list[str]
    verdict: str
    parameters: dict[str, float | str | None]


@dataclass(frozen=True)
class Fit:
    """What a calibration found.

    Attributes
    ----------
    measured : str
        On what it was, in words.
    verdict : str
        As `calibrate.result.VERDICTS`; `reasons` say why.
    reasons, samples : list of str
    detectors : list of Detector
        Where they are several; what follows is of the first.
    parameters : list of Parameter
    checks : list of Check
    pictures : list of Picture
    """

    measured: str
    verdict: str
    reasons: list[str]
    samples: list[str]
    detectors: list[Detector]
    parameters: list[Parameter]
    checks: list[Check]
    pictures: list[Picture]


def read_fit(path: Path | str) -> Fit:
    """What a calibration wrote.

    Parameters
    ----------
    path : path-like
        Its `crappifier.json`, beside which its plots lie.
    """
    content = read_json(path)
    return Fit(
        measured=MEASURED[content.get("source", "pairs")],
        verdict=content["verdict"],
        reasons=content["reasons"],
        samples=content["samples"],
        detectors=_detectors(Path(path), content),
        parameters=[_parameter(*item) for item in content["parameters"].items()],
        checks=[_check(check) for check in content["checks"]],
        pictures=_plots(Path(path)),
    )


def _detectors(path, content):
    names = list(content.get("detectors", {}))
    if not names:
        return []
    figures = read_json(path.with_name("calibration.json"))
    return [
        _detector(name, found)
        for name, found in ((names[0], figures), *figures["detectors"].items())
    ]


def _detector(name, found):
    values = {key: parameter["value"] for key, parameter in found["parameters"].items()}
    return Detector(name, found["samples"], found["verdict"], values)


def _parameter(name, found):
    return Parameter(name, found["value"], found.get("low"), found.get("high"), found["unit"])


def _check(found):
    accepted = accepted_in_words(found["accepted"])
    passed = found["passed"]
    return Check(found["name"], found["value"], accepted, passed, found.get("tolerated", passed))


def _plots(path):
    files = {name: path.with_name(f"{name}.png") for name in PLOTS}
    return [
        Picture(png_uri(file.read_bytes()), f"Calibration: {name}")
        for name, file in files.items()
        if file.exists()
    ]


# -- an acquired image beside a crappified one ----------------------------------------------------


@dataclass(frozen=True)
class Planes:
    """One field in grey levels, of which filters at the edge have seen nothing else.

    Attributes
    ----------
    hr : ndarray (scale * y, scale * x) of float32
    real, made, clean : ndarray (y, x) of float32
        The LR image as acquired, the HR image crappified, and that without any noise.
    """

    hr: np.ndarray
    real: np.ndarray
    made: np.ndarray
    clean: np.ndarray

    @property
    def scale(self) -> int:
        """HR pixels per LR pixel."""
        return len(self.hr) // len(self.real)

    @property
    def mean(self) -> np.ndarray:
        """What both LR images should be without noise."""
        fit = AffineFit()
        fit.add(self.real, self.clean)
        gain, offset = fit.solve()
        return gain * self.clean + offset

    def cut(self, box: tuple[slice, slice]) -> "Planes":
        """Of a rectangle of LR pixels."""
        fine = tuple(slice(s.start * self.scale, s.stop * self.scale) for s in box)
        return Planes(self.hr[fine], *(i[box] for i in (self.real, self.made, self.clean)))


@dataclass(frozen=True)
class Compared:
    """One figure of both LR images, with the decimals that are worth reading."""

    name: str
    acquired: float
    crappified: float
    decimals: int


@dataclass(frozen=True)
class Imitation:
    """An acquired LR image beside the crappified HR image of the same field.

    Attributes
    ----------
    sample : str
    good : bool
        Whether the noise of both is the same, by every check.
    noise : float
        Standard deviation of the noise of the crappified image, over that of the acquired one.
    distance : float
        Between the distributions of both (Kolmogorov-Smirnov).
    rows : list of Compared
    picture : Picture
    measured : bool
        Whether the crappifier was measured already.
    """

    sample: str
    good: bool
    noise: float
    distance: float
    rows: list[Compared]
    picture: Picture
    measured: bool = False

    @property
    def text(self) -> str:
        """As a sentence."""
        first = "" if self.measured else "calibrate (crappify.fit), or "
        return (
            f"The crappifier makes {self.noise:.2f} times the noise of the real scan; the "
            f"distributions differ by {self.distance:.3f} (Kolmogorov-Smirnov). "
        ) + (
            f"Up to {SAME_NOISE} is accepted: by its noise the twin passes for a real scan."
            if self.good
            else "A network trained on such twins learns another noise than that of your scans: "
            f"{first}train on the acquired pairs."
        )


def imitation_of(
    layout: Layout, sample: str, crappifier: Mapping[str, Any], seed: int, measured: bool = False
) -> Imitation:
    """Compare the acquired LR image of a pair with the crappified HR image.

    Parameters
    ----------
    layout : Layout
    sample : str
        Of a paired row.
    crappifier : mapping
        Keys of the crappifier, after preset or fit.
    seed : int
    measured : bool
        Whether a calibration made the crappifier.
    """
    planes = _without_edge(_planes(layout, sample, crappifier, seed))
    twins = compare(planes.real, planes.made, planes.mean)
    real, made = twins.real_noise.std(), twins.twin_noise.std()
    return Imitation(
        sample=sample,
        good=all(check.passed for check in twins.checks()),
        noise=float(made / max(real, 1e-6)),
        distance=twins.distance,
        rows=_rows(planes, twins),
        picture=_picture(sample, planes, twins),
        measured=measured,
    )


def _planes(layout, sample, crappifier, seed):
    hr, lr = (Grey(layout.store(kind, sample), 1) for kind in ("hr", "lr"))
    place, scale = hr.planes[0], crappifier["scale"]
    shift = read_json(layout.registration(sample))["subpixel"]
    images = hr.read(place, WINDOW * scale), lr.read(lr.planes[0], WINDOW)
    moved, real = move(*images, shift, scale)
    key = NoiseKey(seed, sample, "report", *place)
    detector = Store(layout.store("hr", sample)).volume.detector(0)
    own = Crappifier.from_config(**crappifier).of(detector)
    noiseless = replace(own, before=(), noise=())
    made, clean = (crappify_plane(moved, one, key, 0.0, GREY) for one in (own, noiseless))
    return Planes(moved, real, made, clean)


def _without_edge(planes):
    shape = planes.real.shape
    edge = min(EDGE, min(shape) // 4)
    return planes.cut(tuple(slice(edge, n - edge) for n in shape))


def _rows(planes, twins):
    images, noises = (planes.real, planes.made), (twins.real_noise, twins.twin_noise)
    spreads = twins.real_sd, twins.twin_sd
    correlations = twins.real_correlation, twins.twin_correlation
    table = [
        ("mean (grey levels of 255)", [i.mean() for i in images], 1),
        ("standard deviation", [i.std() for i in images], 1),
        ("noise, standard deviation", [n.std() for n in noises], 2),
        ("noise in the darkest eighth", [s[0] for s in spreads], 2),
        ("noise in the brightest eighth", [s[-1] for s in spreads], 2),
        ("correlation of neighbours along x", [c[1] for c in correlations], 3),
        ("correlation of neighbours along y", [c[0] for c in correlations], 3),
    ]
    return [
        Compared(name, float(acquired), float(crappified), decimals)
        for name, (acquired, crappified), decimals in table
    ]


def _picture(sample: str, planes: Planes, twins: Twins) -> Picture:
    figure = plt.figure(figsize=(16, 7.2), layout="constrained")
    grid = figure.add_gridspec(2, 6, height_ratios=(5.2, 2.6))
    cut = planes.cut(_middle(planes.real.shape))
    images = {"LR as acquired": cut.real, "LR crappified": cut.made, "HR": cut.hr}
    for place, (name, image) in enumerate(images.items()):
        axis = figure.add_subplot(grid[0, 2 * place : 2 * place + 2])
        show(axis, image, contrast(image if name == "HR" else cut.real), name)
    draw_twins([figure.add_subplot(grid[1, a:b]) for a, b in ((0, 3), (3, 6))], twins)
    return Picture(data_uri(figure), f"Real and crappified LR image of {sample}", TWINS)


def _middle(shape):
    """The largest square that the picture holds, around the middle."""
    size = min(SHOWN, *shape)
    rows, cols = (slice((n - size) // 2, (n - size) // 2 + size) for n in shape)
    return rows, cols

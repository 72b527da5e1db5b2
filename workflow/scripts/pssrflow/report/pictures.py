"""Pictures of predictions, and of what is wrong with them."""

import base64
import io
from dataclasses import dataclass

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from pssrflow.evaluate.judged import Box
from pssrflow.report.comparison import Comparison

Images = dict[str, np.ndarray]

# Pixels of one image of a small picture.
TILE = 280
# Bins of a spectrum between no and the finest frequency; and about as many of a histogram.
FREQUENCIES, GREY_BINS = 48, 128

ERRORS = (
    "Difference to the HR image (blue: too dark, red: too bright) on one scale, for the marked "
    "crop. Errors that look like noise are the noise of the HR image; outlines are structure that "
    "was lost or invented."
)


# -- on the page ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Picture:
    """A picture on the page.

    Attributes
    ----------
    uri : str
        Its pixels, as a data URI.
    alt : str
        What it shows, in place of it.
    caption : str
    """

    uri: str
    alt: str
    caption: str = ""


def data_uri(figure: Figure) -> str:
    """A drawing as PNG, in the page itself; the figure is closed."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
    plt.close(figure)
    return png_uri(buffer.getvalue())


def png_uri(content: bytes) -> str:
    """A PNG file, in the page itself."""
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def show(axis: Axes, image: np.ndarray, limits: tuple[float, float], title: str = "") -> None:
    """Draw grey levels, black to white between the limits, without smoothing."""
    low, high = limits
    axis.imshow(image, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
    axis.set_axis_off()
    axis.set_title(title, size=18)


def contrast(image: np.ndarray) -> tuple[float, float]:
    """Grey levels that are shown black and white: percentiles 0.5 and 99.5."""
    low, high = np.percentile(image, (0.5, 99.5))
    return float(low), float(high)


# -- of a prediction ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shown:
    """What is shown of one prediction.

    Attributes
    ----------
    sample, model : str
    plane : tuple of int
        t, c, z.
    crop : tuple of (int, int)
        First and last plus one of the SR pixels of the magnified crop, along y and x.
    rmse : dict of str to float
        Error in that crop, in grey levels, by image; empty without a truth.
    overview : Picture
    histogram : Picture, optional
        Where all pictures are shown.
    errors : Picture, optional
        Where there is a truth, too.
    """

    sample: str
    model: str
    plane: tuple[int, ...]
    crop: tuple[tuple[int, int], ...]
    rmse: dict[str, float]
    overview: Picture
    histogram: Picture | None = None
    errors: Picture | None = None

    @property
    def title(self) -> str:
        """What a reader calls it."""
        return f"{self.sample}, model {self.model}"


def shown(compared: Comparison, crop: int) -> Shown:
    """Pictures of a prediction: whole plane, magnified crop, grey levels and errors.

    Parameters
    ----------
    compared : Comparison
    crop : int
        LR pixels along y and x of the magnified crop.
    """
    box = compared.most_detailed(crop)
    whole, detail = compared.images(compared.middle), compared.images(box)
    errors = _errors(detail)
    return Shown(
        sample=compared.sample,
        model=compared.model,
        plane=compared.plane,
        crop=tuple((s.start, s.stop) for s in box),
        rmse={name: float(np.sqrt(np.mean(error**2))) for name, error in errors.items()},
        overview=_overview(compared, whole, detail, box),
        histogram=_histogram(compared, whole),
        errors=_error_maps(compared.title, detail, errors) if errors else None,
    )


def glimpse(compared: Comparison, crop: int) -> Shown:
    """As `shown`, with the magnified crop alone, small: for one of very many predictions."""
    box = compared.most_detailed(crop)
    detail = compared.images(box)
    errors = _errors(detail)
    limits = contrast(detail[list(detail)[-1]])
    tiles = [_tile(image, limits) for image in detail.values()]
    return Shown(
        sample=compared.sample,
        model=compared.model,
        plane=compared.plane,
        crop=tuple((s.start, s.stop) for s in box),
        rmse={name: float(np.sqrt(np.mean(error**2))) for name, error in errors.items()},
        overview=Picture(
            _jpeg_uri(np.hstack(tiles)),
            f"{compared.title}: magnified crop",
            f"{', '.join(detail)}, from left to right; {_said_of_crop(compared, box)}."
            f"{_said_of_fit(compared)}",
        ),
    )


def _tile(image: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Grey levels from 0 to 255 at a contrast, of one size, with a white edge."""
    low, high = limits
    grey = ((image - low) / max(high - low, 1e-9) * 255).clip(0, 255).astype(np.uint8)
    small = Image.fromarray(grey).resize((TILE, TILE), Image.Resampling.NEAREST)
    return np.pad(np.asarray(small), ((0, 0), (0, 4)), constant_values=255)


def _jpeg_uri(grey: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "JPEG", quality=75)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _said_of_crop(compared, box):
    size = " × ".join(str((s.stop - s.start) // compared.scale) for s in box)
    t, c, z = compared.plane
    return f"{size} LR pixels of plane t={t} c={c} z={z}"


def _errors(detail):
    if "HR" not in detail:
        return {}
    return {name: detail[name] - detail["HR"] for name in ("bicubic", "SR")}


# -- overview -------------------------------------------------------------------------------------


def _overview(compared, whole, detail, box):
    # The truth if there is one, else the prediction.
    name = list(whole)[-1]
    limits = contrast(whole[name])
    figure, axes = _two_rows(whole["SR"].shape, detail["SR"].shape, len(whole))
    for column, (title, image) in enumerate(whole.items()):
        show(axes[0, column], image, limits, title)
        show(axes[1, column], detail[title], limits)
        factor = compared.scale if title == "LR" else 1
        axes[0, column].add_patch(_frame(compared.middle, box, factor))
    alt = f"{compared.title}: whole plane and magnified crop"
    return Picture(data_uri(figure), alt, _said_of(compared, box, name))


def _said_of(compared, box, name):
    """Caption of an overview at the contrast of the image of that name."""
    size = " × ".join(str((s.stop - s.start) // compared.scale) for s in box)
    t, c, z = compared.plane
    return (
        f"Plane t={t} c={c} z={z}. Top: the middle of the plane; below: the marked {size} LR "
        f"pixels. All at the contrast of the {name} image (percentiles 0.5 to 99.5), without "
        f"smoothing.{_said_of_fit(compared)}"
    )


def _said_of_fit(compared):
    if not compared.fitted:
        return ""
    return " Each image after an affine fit of its own to the grey levels of the HR image."


def _two_rows(above, below, columns):
    """Axes for images of two shapes (y, x), one row each, with hardly a gap."""
    heights = [height / width for height, width in (above, below)]
    return plt.subplots(
        2,
        columns,
        figsize=(16, 16 / columns * sum(heights)),
        height_ratios=heights,
        squeeze=False,
        gridspec_kw={"wspace": 0.02, "hspace": 0.02, "left": 0, "right": 1, "bottom": 0, "top": 1},
    )


def _frame(outer: Box, inner: Box, factor: int):
    """Mark of a rectangle in the picture of a larger one, whose pixels are `factor` SR pixels."""
    y, x = ((i.start - o.start) / factor - 0.5 for i, o in zip(inner, outer))
    height, width = ((i.stop - i.start) / factor for i in inner)
    return plt.Rectangle((x, y), width, height, fill=False, edgecolor="#ffb000", linewidth=1.5)


# -- errors ---------------------------------------------------------------------------------------


def _error_maps(title, detail, errors):
    figure, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
    limit = np.percentile(np.abs(errors["bicubic"]), 99)
    for axis, (name, error) in zip(axes, errors.items()):
        drawn = axis.imshow(error, cmap="RdBu_r", vmin=-limit, vmax=limit)
        axis.set_title(f"{name} - HR, RMSE {np.sqrt(np.mean(error**2)):.1f}")
        axis.set_axis_off()
    figure.colorbar(drawn, ax=axes[:2], shrink=0.8, label="grey levels")
    _spectra(axes[2], {name: detail[name] for name in ("bicubic", "SR", "HR")})
    return Picture(data_uri(figure), f"{title}: error maps", ERRORS)


def _spectra(axis: Axes, images: Images) -> None:
    """Draw radially averaged power: which detail an image holds, and how much noise."""
    for name, image in images.items():
        axis.semilogy(np.linspace(0, 0.5, FREQUENCIES), spectrum(image), label=name)
    axis.set(xlabel="cycles per HR pixel", ylabel="power", title="Spectrum of the crop")
    axis.legend(frameon=False)


def spectrum(image: np.ndarray) -> np.ndarray:
    """Power of an image (y, x) under a Hann window, averaged over directions, by frequency."""
    window = np.outer(*map(np.hanning, image.shape))
    power = np.abs(np.fft.fft2((image - image.mean()) * window)) ** 2
    frequency = np.hypot(*np.meshgrid(*map(np.fft.fftfreq, image.shape), indexing="ij"))
    bins = np.digitize(frequency.ravel(), np.linspace(0, 0.5, FREQUENCIES + 1))
    # Beyond 0.5, in the last bin, lie only the corners of the square of frequencies.
    inside, count = slice(1, FREQUENCIES + 1), FREQUENCIES + 2
    return np.bincount(bins, power.ravel(), count)[inside] / np.bincount(bins, None, count)[inside]


# -- grey levels ----------------------------------------------------------------------------------


def _histogram(compared, images):
    figure, axis = plt.subplots(figsize=(12, 2.6))
    # In grey levels of the HR image, where others are fitted to it.
    levels = (compared.hr if compared.fitted else compared.lr) or compared.lr
    low, high = levels.volume.intensity.windows[compared.plane[1]]
    margin = 0.3 * (high - low)
    edges = grey_edges(low - margin, high + margin, compared.sr.volume.dtype)
    for name, image in images.items():
        axis.stairs(np.histogram(image, edges, density=True)[0], edges, label=name)
    axis.set(xlabel="grey level", yticks=[])
    axis.legend(frameon=False)
    title = compared.title
    caption = f"{title}: grey levels of the middle plane.{_said_of_fit(compared)}"
    return Picture(data_uri(figure), f"Histogram of {title}", caption)


def grey_edges(low: float, high: float, dtype: str) -> np.ndarray:
    """Edges of bins; of whole grey levels, or integers would fill them unevenly."""
    if np.dtype(dtype).kind == "f":
        return np.linspace(low, high, GREY_BINS + 1)
    width = max(1, round((high - low) / GREY_BINS))
    return np.arange(np.floor(low), np.ceil(high) + width, width) - 0.5

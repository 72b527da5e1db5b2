"""Pictures of predictions, and of what is wrong with them."""

import base64
import io

import numpy as np
from matplotlib import pyplot as plt


def picture(view):
    """Overview with the crop marked, magnified crop, and error maps where there is a truth."""
    outer, inner = view.middle(), view.interesting()
    whole, crop = view.images(*outer), view.images(*inner)
    size = " × ".join(str((s.stop - s.start) // view.scale) for s in inner)
    made = {
        "title": view.title,
        "overview": _overview(view, whole, crop, outer, inner),
        "caption": f"Plane t={view.plane[0]} c={view.plane[1]} z={view.plane[2]}. Top: the middle "
        f"of the plane; below: the marked {size} LR pixels. All at the contrast of the "
        f"{list(whole)[-1]} image (percentiles 0.5 to 99.5), without smoothing.",
        "errors": None,
        "error_caption": "",
    }
    if view.hr is not None:
        made["errors"] = _error_maps(whole, crop)
        made["error_caption"] = (
            "Difference to the HR image (blue: too dark, red: too bright) on one scale, for the "
            "marked crop. Errors that look like noise are the noise of the HR image; outlines are "
            "structure that was lost or invented."
        )
    return made


def _overview(view, whole, crop, outer, inner):
    low, high = np.percentile(whole["HR" if "HR" in whole else "SR"], (0.5, 99.5))
    heights = [i["SR"].shape[0] / i["SR"].shape[1] for i in (whole, crop)]
    width = 16 / len(whole)
    figure, axes = plt.subplots(
        2,
        len(whole),
        figsize=(16, width * sum(heights)),
        height_ratios=heights,
        gridspec_kw={"wspace": 0.02, "hspace": 0.02, "left": 0, "right": 1, "bottom": 0, "top": 1},
    )
    for column, name in enumerate(whole):
        factor = view.scale if name == "LR" else 1
        for row, image in enumerate((whole[name], crop[name])):
            axes[row, column].imshow(
                image, cmap="gray", vmin=low, vmax=high, interpolation="nearest"
            )
            axes[row, column].set_axis_off()
        axes[0, column].set_title(name)
        corner = [(i.start - o.start) / factor - 0.5 for i, o in zip(inner, outer)]
        extent = [(i.stop - i.start) / factor for i in inner]
        axes[0, column].add_patch(
            plt.Rectangle(
                corner[::-1], *extent[::-1], fill=False, edgecolor="#ffb000", linewidth=1.5
            )
        )
    return _png(figure)


def _error_maps(whole, crop):
    limit = np.percentile(np.abs(crop["bicubic"] - crop["HR"]), 99)
    figure, axes = plt.subplots(1, 3, figsize=(16, 5.2), width_ratios=(1, 1, 1))
    for axis, name in zip(axes, ("bicubic", "SR")):
        shown = axis.imshow(crop[name] - crop["HR"], cmap="RdBu_r", vmin=-limit, vmax=limit)
        error = np.sqrt(np.mean((crop[name] - crop["HR"]) ** 2))
        axis.set_title(f"{name} - HR, RMSE {error:.1f}")
        axis.set_axis_off()
    figure.colorbar(shown, ax=axes[:2], shrink=0.8, label="grey levels")
    _spectra(axes[2], crop)
    return _png(figure)


def _spectra(axis, crop):
    """Radially averaged power spectra: which detail an image holds, and how much noise."""
    for name in ("bicubic", "SR", "HR"):
        image = crop[name] - crop[name].mean()
        window = np.outer(np.hanning(image.shape[0]), np.hanning(image.shape[1]))
        power = np.abs(np.fft.fft2(image * window)) ** 2
        frequency = np.hypot(*np.meshgrid(*map(np.fft.fftfreq, image.shape), indexing="ij"))
        bins = np.digitize(frequency.ravel(), np.linspace(0, 0.5, 49))
        mean = np.bincount(bins, power.ravel(), 50)[1:49] / np.bincount(bins, minlength=50)[1:49]
        axis.semilogy(np.linspace(0, 0.5, 48), mean, label=name)
    axis.set(xlabel="cycles per HR pixel", ylabel="power", title="Spectrum of the crop")
    axis.legend(frameon=False)


def _histogram(view):
    figure, axis = plt.subplots(figsize=(12, 2.6))
    images = view.images(*view.middle())
    low, high = view.intensity.windows[view.plane[1]]
    edges = _bins(low - 0.3 * (high - low), high + 0.3 * (high - low), view.sr.dtype)
    for name, image in images.items():
        axis.stairs(np.histogram(image, edges, density=True)[0], edges, label=name)
    axis.set(xlabel="grey level", yticks=[])
    axis.legend(frameon=False)
    return {"title": view.title, "image": _png(figure)}


def _bins(low, high, dtype):
    """About 128 bins; of whole grey levels, or integers would fill them unevenly."""
    if np.dtype(dtype).kind == "f":
        return np.linspace(low, high, 129)
    width = max(1, round((high - low) / 128))
    return np.arange(np.floor(low), np.ceil(high) + width, width) - 0.5


def _png(figure):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
    plt.close(figure)
    return base64.b64encode(buffer.getvalue()).decode()

"""Plots of a calibration, as PNG files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from pssrflow.calibrate.twins import Twins

BLUE, ORANGE, GREY = "#1f5fa8", "#d9730d", "#888888"
NAMES = {
    "variance_lr": "LR scan (noise of the HR frame taken off)",
    "variance_hr": "HR scan",
    "variance": "Image without a partner",
}


def plot_calibration(folder: Path, result: dict[str, Any]) -> None:
    """Variance against mean, residuals, correlation, spectra and registration, where known.

    Parameters
    ----------
    folder : Path
    result : dict
        `Calibration.to_json`.
    """
    curves = result["curves"]
    variances = {k: v for k, v in curves.items() if k.startswith("variance")}
    if variances:
        _save(folder / "variance.png", _variance, variances)
    if "residuals" in curves:
        _save(folder / "residuals.png", _residuals, curves)
    if "crops" in curves:
        _save(folder / "registration.png", _registration, curves["crops"])


def _save(path, draw, content):
    draw(content)
    plt.savefig(path, dpi=110, bbox_inches="tight")
    plt.close()


def _variance(curves):
    # As wide as the other drawings, however many curves there are.
    _, axes = plt.subplots(1, len(curves), figsize=(12, 3.6), squeeze=False)
    for axis, (name, curve) in zip(axes[0], curves.items()):
        axis.errorbar(
            curve["mean"],
            curve["variance"],
            curve["error"],
            fmt="o",
            ms=3,
            color=BLUE,
            label="found",
        )
        axis.plot(curve["mean"], curve["line"], color=ORANGE, label="fit")
        axis.set(
            xlabel="mean (grey levels)",
            ylabel="variance (grey levels²)",
            title=NAMES[name if len(curves) > 1 else "variance"],
        )
        axis.legend(frameon=False)


def _residuals(curves):
    _, axes = plt.subplots(1, 3, figsize=(12, 3.2), layout="constrained")
    edges = curves["residuals"]["edges"]
    axes[0].stairs(curves["residuals"]["found"], edges, color=BLUE, label="held-out pixels")
    axes[0].stairs(curves["residuals"]["model"], edges, color=ORANGE, label="model")
    axes[0].set(xlabel="residual (standard deviations)", ylabel="density", yscale="log")
    axes[0].legend(frameon=False)
    correlation = curves["autocorrelation"]
    for axis, colour in (("x", BLUE), ("y", ORANGE)):
        axes[1].plot(
            correlation["lag"][1:], correlation[axis][1:], "o-", color=colour, label=f"along {axis}"
        )
    axes[1].axhline(0, color=GREY, lw=0.8)
    axes[1].set(xlabel="distance (LR pixels)", ylabel="correlation of residuals")
    axes[1].legend(frameon=False)

    _spectrum(axes[2], curves["spectrum"])


def _spectrum(axis, curves):
    for name, colour in (("lr", BLUE), ("predicted", ORANGE), ("residual", GREY)):
        axis.semilogy(curves["frequency"], curves[name], color=colour, label=name)
    axis.set(xlabel="cycles per LR pixel", ylabel="power (grey levels²)")
    axis.legend(frameon=False)


def _registration(crops):
    _, axes = plt.subplots(1, 5, figsize=(12, 2.8), layout="constrained")
    images = {name: np.asarray(crop, float) for name, crop in crops.items()}
    limits = np.percentile(images["lr"], (1, 99))
    titles = {"lr": "LR scan", "before": "HR, as it lies", "after": "HR, registered"}
    for axis, name in zip(axes, titles):
        axis.imshow(images[name], cmap="gray", vmin=limits[0], vmax=limits[1])
        axis.set_title(titles[name])
    for axis, name in zip(axes[3:], ("before", "after")):
        difference = images["lr"] - images[name]
        bound = np.percentile(np.abs(images["lr"] - images["before"]), 98)
        axis.imshow(difference, cmap="RdBu_r", vmin=-bound, vmax=bound)
        axis.set_title(f"LR - HR, {'registered' if name == 'after' else 'as it lies'}")
    for axis in axes:
        axis.set_axis_off()


def plot_twins(folder: Path, twins: Sequence[Twins]) -> None:
    """Noise of real LR images and of their crappified twins, one row each.

    Parameters
    ----------
    folder : Path
    twins : list of Twins
    """
    _, axes = plt.subplots(len(twins), 2, figsize=(12, 3.2 * len(twins)), squeeze=False)
    for row, twin in zip(axes, twins):
        draw_twins(row, twin)
    plt.savefig(folder / "twins.png", dpi=110, bbox_inches="tight")
    plt.close()


def draw_twins(axes: Sequence[Axes], twins: Twins) -> None:
    """Histogram of the noise, and its standard deviation against brightness, on two axes."""
    both = (("real", BLUE), ("twin", ORANGE))
    noises = {"real": twins.real_noise, "twin": twins.twin_noise}
    bound = np.percentile(np.abs(twins.real_noise), 99.8)
    edges = np.linspace(-bound, bound, 81)
    for name, colour in both:
        counts = np.histogram(noises[name], edges, density=True)[0]
        axes[0].stairs(counts, edges, color=colour, label=f"{name} LR")
    axes[0].set(xlabel="noise (grey levels of 255)", yticks=[])
    axes[0].legend(frameon=False)
    for (name, colour), deviation in zip(both, (twins.real_sd, twins.twin_sd)):
        axes[1].plot(twins.levels, deviation, "o-", color=colour, label=f"{name} LR")
    axes[1].set(xlabel="brightness (grey levels of 255)", ylabel="noise (standard deviation)")
    axes[1].set_ylim(bottom=0)
    axes[1].legend(frameon=False)

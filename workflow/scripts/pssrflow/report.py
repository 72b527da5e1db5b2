"""The report: one HTML page that opens from disk and loads nothing."""

import base64
import io
import logging
from pathlib import Path

import jinja2
import matplotlib
import numpy as np
import pandas as pd
import yaml

import pssrflow
from pssrflow.crappifier import settings_of
from pssrflow.degradation import calibration_summary, twins_of
from pssrflow.evaluate import matched_boxes
from pssrflow.jobs import read_json
from pssrflow.metrics import AffineFit
from pssrflow.prediction.fill import interpolate
from pssrflow.prediction.place import lr_corner
from pssrflow.store import open_level, read_volume

matplotlib.use("Agg")
from matplotlib import pyplot as plt

log = logging.getLogger(__name__)

TEMPLATE = Path(__file__).parents[2] / "report" / "report.html.jinja"
# Pixels along y and x of the largest picture of a whole plane.
OVERVIEW = 1024
# A gain (dB) in the last fifth of a training that promises more.
STILL_RISING = 0.02
# Places that compete for the magnified crop, along y and x.
PLACES = 6


def write_report(path, results, rows, models, config, provenance, calibration=None):
    """Write the page.

    Parameters
    ----------
    path : path-like
    results : str
    rows : list of dict
        `sample`, `role` and `paired` of every row of the sample sheet.
    models : list of str
    config : dict
        With all defaults.
    provenance : dict
    calibration : path-like, optional
        The fitted crappifier, where one was used.
    """
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    metrics = read_metrics(results, rows, models)
    seen = [
        Seen.open(results, row, model, config)
        for row in rows
        if row["role"] != "train"
        for model in models
    ]
    page = environment.from_string(TEMPLATE.read_text()).render(
        title=config["report"]["title"],
        version=pssrflow.__version__,
        scale=config["crappify"]["scale"],
        models=models,
        verdicts=verdicts(metrics),
        headline=headline(metrics),
        notes=_notes(provenance),
        pictures=[picture(view) for view in seen],
        curves=[_curve(results, model) for model in models],
        histograms=[_histogram(view) for view in seen],
        calibration=calibration and calibration_summary(calibration),
        twins=[
            twins_of(
                results,
                config["stores"] or results,
                row,
                settings_of(config["crappify"], calibration, False),
                config["seed"],
            )
            for row in rows
            if row["paired"]
        ],
        stores=_stores(provenance),
        versions={
            "pssrflow": pssrflow.__version__,
            **provenance["machine"],
            **provenance["packages"],
        },
        config=yaml.safe_dump(config, sort_keys=False),
    )
    Path(path).write_text(page)
    log.info("%s: %.1f MB", path, len(page) / 1e6)


# -- figures and words ----------------------------------------------------------------------------


def read_metrics(results, rows, models):
    """Metrics of all test rows, with how their LR image came about."""
    frames = [
        pd.read_csv(f"{results}/{row['sample']}/{model}/metrics.csv").assign(
            origin="acquired" if row["paired"] else "crappified"
        )
        for row in rows
        if row["role"] == "test"
        for model in models
    ]
    return pd.concat(frames) if frames else pd.DataFrame()


def verdicts(metrics):
    """One sentence per test row and model: does the network beat interpolation?"""
    found = []
    for (sample, model, origin), group in _groups(metrics, ["sample", "model", "origin"]):
        # Two scans differ in gain and offset, which no network knows; the affine fit removes them.
        fit = "_affine" if origin == "acquired" else ""
        planes = group.pivot(index=["t", "c", "z"], columns="method")
        psnr, similarity = planes[f"psnr{fit}"], planes[f"ssim{fit}"]
        gain = (psnr["sr"] - psnr["bicubic"]).to_numpy()
        ssim = (similarity["sr"] - similarity["bicubic"]).mean()
        good = bool((gain > 0).all() and ssim > 0)
        text = (
            f"{sample}, model {model}, LR {origin}: PSNR{' after an affine fit' if fit else ''} "
            f"{gain.mean():+.2f} dB against bicubic interpolation "
            f"(worst plane {gain.min():+.2f} dB), SSIM {ssim:+.3f}. "
        )
        text += (
            "Every plane is closer to the truth than interpolation is."
            if good
            else "Not on every plane closer to the truth than interpolation: do not rely on it."
        )
        found.append({"good": good, "text": text})
    return found


def headline(metrics):
    """Rows of the headline table: means over planes, as text; interpolation below the networks."""
    table = []
    for (sample, origin), group in _groups(metrics, ["sample", "origin"]):
        plain = group["method"] == "bicubic"
        # The same beside every network.
        once = group[plain].drop_duplicates(["t", "c", "z"]).assign(model="–")
        base = once["psnr"].mean()
        for (model, method), part in _groups(pd.concat([group[~plain], once]), ["model", "method"]):
            mean = part.mean(numeric_only=True)
            gain = mean["psnr"] - base
            row = {"sample": sample, "model": model, "origin": origin, "method": method}
            row |= {"planes": len(part), "better": "good" if gain > 0 else "poor"}
            row |= {"gain": f"{gain:+.2f}" if method != "bicubic" else ""}
            row |= {n: _number(mean[n], 2) for n in ("psnr", "psnr_affine", "pixel_error")}
            row |= {n: _number(mean[n], 4) for n in ("ssim", "ms_ssim", "nrmse")}
            table.append(row)
    return table


def _groups(metrics, keys):
    return metrics.groupby(keys, sort=False) if len(metrics) else []


def _number(value, digits):
    return f"{value:.{digits}f}" if np.isfinite(value) else "–"


# -- pictures -------------------------------------------------------------------------------------


class Seen:
    """One prediction and what it is compared with, opened lazily.

    Attributes
    ----------
    plane : tuple of int
        t, c, z of the middle plane.
    box : tuple of slice
        SR pixels that LR, SR and HR (where there is one) have in common.
    """

    def __init__(self, title, lr, sr, hr, scale, shift, crop):
        self.title, self.scale, self.crop = title, scale, crop
        self.shift = shift or (0, 0)
        self.grey = 1.0, 0.0
        self.lr, self.sr, self.hr = open_level(lr), open_level(sr), hr and open_level(hr)
        self.intensity = read_volume(lr).intensity
        self.corner = lr_corner(read_volume(lr), read_volume(sr), scale)
        self.plane = tuple(n // 2 for n in self.sr.shape[:3])
        bounds = self.hr.shape if self.hr is not None else self.sr.shape
        boxes = [sr_box for sr_box, _ in matched_boxes(bounds[3:], self.sr.shape[3:], self.shift)]
        starts = [max(box[i].start for box in boxes[:1]) for i in (0, 1)]
        self.box = tuple(
            # Whole LR pixels, so that pictures of all resolutions show the same place.
            slice(-(-a // scale) * scale, box.stop // scale * scale)
            for a, box in zip(starts, boxes[-1])
        )

        if shift is not None:
            self.grey = self._fit()

    def _fit(self):
        """Gain and offset between an acquired LR image and the truth, whose detector differs."""
        images, fit = self.images(*self.middle()), AffineFit()
        fit.add(images["HR"], images["bicubic"])
        return fit.solve()

    @classmethod
    def open(cls, results, row, model, config):
        folder = f"{config['stores'] or results}/{row['sample']}"
        registration = f"{results}/{row['sample']}/registration.json"
        return cls(
            title=f"{row['sample']}, model {model}",
            lr=f"{folder}/lr.ome.zarr",
            sr=f"{folder}/{model}/sr.ome.zarr",
            hr=f"{folder}/hr.ome.zarr" if row["role"] == "test" else None,
            scale=config["crappify"]["scale"],
            shift=read_json(registration)["shift"] if row["paired"] else None,
            crop=config["report"]["crop"],
        )

    def images(self, rows, cols):
        """LR, bicubic, SR and HR of a rectangle of SR pixels, float32, in grey levels of HR."""
        s = self.scale
        depth, *corner = self.corner
        plane = (*self.plane[:2], self.plane[2] + depth)
        whole = [slice(b.start + c * s, b.stop + c * s) for b, c in zip((rows, cols), corner)]
        found = {
            "LR": self.lr[(*plane, *(slice(b.start // s, b.stop // s) for b in whole))],
            "bicubic": interpolate(self.lr, plane, *whole, s),
            "SR": self.sr[(*self.plane, rows, cols)],
        }
        if self.hr is not None:
            moved = (slice(b.start + d, b.stop + d) for b, d in zip((rows, cols), self.shift))
            found["HR"] = self.hr[(*self.plane, *moved)]
        gain, offset = (np.float32(v) for v in self.grey)
        return {
            name: image.astype(np.float32) * (1 if name == "HR" else gain)
            + (0 if name == "HR" else offset)
            for name, image in found.items()
        }

    def middle(self):
        """The largest rectangle that a picture holds, around the middle."""
        return tuple(_shrunk(b, OVERVIEW // self.scale * self.scale, self.scale) for b in self.box)

    def interesting(self):
        """The place of the magnified crop: where the LR image varies most."""
        # At most half a small field, or there is nothing to magnify.
        halves = ((b.stop - b.start) // 2 // self.scale for b in self.middle())
        size = [max(1, min(self.crop, half)) * self.scale for half in halves]
        best, place = -1.0, None
        for y in _places(self.middle()[0], size[0], self.scale):
            for x in _places(self.middle()[1], size[1], self.scale):
                rows, cols = slice(y, y + size[0]), slice(x, x + size[1])
                detail = self.images(rows, cols)["LR"].std()
                if detail > best:
                    best, place = detail, (rows, cols)
        return place


def _shrunk(box, size, scale):
    extra = max(0, box.stop - box.start - size) // 2 // scale * scale
    return slice(box.start + extra, min(box.stop, box.start + extra + size))


def _places(box, size, scale):
    last = (box.stop - size - box.start) // scale
    return sorted({box.start + last * i // PLACES * scale for i in range(PLACES + 1)})


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


def _curve(results, model):
    history = pd.read_csv(f"{results}/models/{model}/history.csv")
    if history["loss"].isna().all():
        return {
            "model": model,
            "caption": "Not trained in this run: its weights are used as they are.",
        }
    figure, axes = plt.subplots(1, 2, figsize=(12, 3.4))
    axes[0].plot(history["step"], history["loss"], marker=".")
    axes[0].set(xlabel="step", ylabel="training loss", yscale="log")
    axes[1].plot(history["step"], history["psnr"], marker=".", label="network")
    axes[1].plot(history["step"], history["psnr_bicubic"], color="grey", label="bicubic")
    axes[1].set(xlabel="step", ylabel="validation PSNR (dB)")
    axes[1].legend(frameon=False)
    last = history.iloc[-1]
    recent = history[history["step"] >= 0.8 * last["step"]]["psnr"]
    caption = (
        f"{int(last['step'])} steps, {last['epoch']:.1f} passes over the training pixels, "
        f"{last['seconds'] / 60:.1f} minutes. Validation patches lie behind a guard band and have "
        "fixed noise; their PSNR takes the display window of the acquisition as its range."
    )
    if recent.iloc[-1] - recent.iloc[0] > STILL_RISING:
        caption += (
            f" In the last fifth it still rose by {recent.iloc[-1] - recent.iloc[0]:.2f} dB: "
            "a longer training will do better."
        )
    return {"model": model, "image": _png(figure), "caption": caption}


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


# -- provenance -----------------------------------------------------------------------------------


def _notes(provenance):
    return [
        {"store": f"{sample} ({name})", "text": note}
        for sample, stores in provenance["samples"].items()
        for name, store in stores.items()
        for note in store.get("notes", [])
    ]


def _stores(provenance):
    return [
        {
            "name": f"{sample}: {name}",
            "shape": " × ".join(map(str, store["shape"])),
            "dtype": store["dtype"],
            "pixel_size": ", ".join(
                "?" if s is None else f"{s:.5g}" for s in store["pixel_size_um"]
            ),
            "content": store["content"],
            "source": _source(store),
        }
        for sample, stores in provenance["samples"].items()
        for name, store in stores.items()
        if "shape" in store
    ]


def _source(store):
    source = store.get("source")
    if not source:
        return "computed"
    return f"{source['path']} ({source['files']} files, sha256 {source['sha256'][:12]})"

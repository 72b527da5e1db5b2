"""The words and figures that the report begins with.

``python -m pssrflow.report.verdict results`` prints the figures, and where the report is.
"""

import glob
import math
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pssrflow.run.files import check_file, read_json
from pssrflow.run.layout import Layout, Sample

PLANE = ["t", "c", "z"]
# Columns of the table that are no metric.
ABOUT = ["sample", "model", "origin", "method", *PLANE]
# What is printed of them in a terminal.
PRINTED = ["psnr", "ssim", "ms_ssim", "nrmse"]


def read_metrics(layout: Layout, samples: Iterable[Sample], models: list[str]) -> pd.DataFrame:
    """Metrics of all test rows, with how their LR image came about, "acquired" or "crappified"."""
    frames = [
        _table(layout, sample.name, model).assign(
            origin="acquired" if sample.paired else "crappified"
        )
        for sample in samples
        if sample.tested
        for model in models
    ]
    return pd.concat(frames) if frames else pd.DataFrame(columns=ABOUT)


def read_table(path: str) -> pd.DataFrame:
    """A table of metrics, in which a sample may be called NA, 001 or nan."""
    named = dict.fromkeys(("sample", "model", "method"), str)
    return pd.read_csv(path, dtype=named, keep_default_na=False, na_values=[""])


def _table(layout: Layout, sample: str, model: str) -> pd.DataFrame:
    table, done = layout.metrics(sample, model), layout.map_done("metrics", sample, model)
    check_file(table, read_json(done)["sha256"], done)
    return read_table(table)


# -- does the network beat every baseline? --------------------------------------------------------

# Baselines as they are called in a sentence.
SPELLED = {
    "bicubic": "bicubic interpolation",
    "input": "the input itself",
    "lanczos": "Lanczos interpolation",
    "smoothed": "smoothed interpolation",
    "denoised": "denoising and interpolation",
    "constant": "a constant",
}


@dataclass(frozen=True)
class Verdict:
    """A network against the strongest baseline of one test row.

    Attributes
    ----------
    sample, model, origin : str
    affine : bool
        Whether the figures are those after an affine fit of the grey levels.
    left_out : tuple of str
        Planes that cannot be compared: of one grey level, or got exactly by a method.
    baseline : str
        The one that comes closest to the truth.
    psnr_gain, worst_psnr_gain : float or None
        PSNR (dB) above it, mean over planes, and of the worst plane above any baseline; None where
        no plane can be compared.
    ssim_gain : float or None
        SSIM above plain interpolation, or above the input where nothing is enlarged; None where
        planes are too thin for it.
    plain : str
        "bicubic" or "input".
    plain_gain : float or None
        PSNR (dB) above that.
    good : bool
        Closer to the truth than any baseline, on every plane.
    """

    sample: str
    model: str
    origin: str
    affine: bool
    left_out: tuple[str, ...] = ()
    baseline: str = "bicubic"
    psnr_gain: float | None = None
    worst_psnr_gain: float | None = None
    ssim_gain: float | None = None
    plain: str = "bicubic"
    plain_gain: float | None = None
    good: bool = False

    @property
    def text(self) -> str:
        """As a sentence."""
        named = f"{self.sample}, model {self.model}, LR {self.origin}: "
        if self.psnr_gain is None:
            return f"{named}no plane can be compared. {self._left_out}"
        return f"{named}{self._found}. {self._conclusion}{self._left_out}"

    @property
    def _found(self) -> str:
        strongest, against = SPELLED[self.baseline], SPELLED[self.plain]
        found = (
            f"PSNR{' after an affine fit' if self.affine else ''} {self.psnr_gain:+.2f} dB "
            f"against {strongest}, the strongest baseline (worst plane "
            f"{self.worst_psnr_gain:+.2f} dB)"
        )
        if self.baseline != self.plain:
            found += f", {self.plain_gain:+.2f} dB against {against}"
        if self.ssim_gain is not None:
            found += f"; SSIM {self.ssim_gain:+.3f} against {against}"
        return found

    @property
    def _conclusion(self) -> str:
        if self.good:
            return "Every plane is closer to the truth than any baseline is."
        if (self.worst_psnr_gain or 0) > 0:
            return (
                "Every plane is closer to the truth than any baseline is, but "
                f"{SPELLED[self.plain]} has more of its structure (SSIM): do not rely on it."
            )
        return "Not on every plane closer to the truth than every baseline: do not rely on it."

    @property
    def _left_out(self) -> str:
        if not self.left_out:
            return ""
        named = ", ".join(self.left_out[:5]) + " ..." * (len(self.left_out) > 5)
        return (
            f" {len(self.left_out)} plane(s) of one grey level, or that a method gets exactly, "
            f"are left out: {named}."
        )


def verdicts(metrics: pd.DataFrame) -> list[Verdict]:
    """One for each test row and model."""
    groups = metrics.groupby(["sample", "model", "origin"], sort=False)
    return [_verdict(planes, *names) for names, planes in groups]


def comparable(metrics: pd.DataFrame) -> "pd.Series[bool]":
    """Rows of planes on which methods can be compared.

    A lost section, of one grey level, and a plane that a method gets exactly have no figures in
    decibel.
    """
    figures = metrics[["psnr", "psnr_affine"]].to_numpy(float)
    finite = pd.Series(np.isfinite(figures).all(axis=1), metrics.index) & metrics["nrmse"].notna()
    return finite.groupby([metrics[name] for name in ("sample", *PLANE)]).transform("all")


def _verdict(planes, sample, model, origin):
    # Two scans differ in gain and offset, which no network knows; the affine fit removes them.
    affine = origin == "acquired"
    known = comparable(planes)
    left_out = _places(planes[~known])
    if not known.any():
        return Verdict(sample, model, origin, affine, left_out=left_out)
    table = planes[known].pivot(index=PLANE, columns="method")
    psnr, ssim = (table[f"{name}{'_affine' * affine}"] for name in ("psnr", "ssim"))
    others = psnr.drop(columns="sr")
    plain, strongest = plain_of(others.columns), others.mean().idxmax()
    gain, closer = psnr["sr"] - psnr[strongest], (ssim["sr"] - ssim[plain]).mean()
    # Strips that are too thin for the window of SSIM have none.
    closer = None if math.isnan(closer) else float(closer)
    return Verdict(
        *(sample, model, origin, affine, left_out, strongest),
        psnr_gain=float(gain.mean()),
        worst_psnr_gain=float((psnr["sr"] - others.max(axis=1)).min()),
        ssim_gain=closer,
        plain=plain,
        plain_gain=float((psnr["sr"] - psnr[plain]).mean()),
        good=bool((psnr["sr"] > others.max(axis=1)).all() and (closer is None or closer > 0)),
    )


def _places(planes):
    """Planes in words."""
    places = planes[PLANE].drop_duplicates().itertuples(index=False, name=None)
    return tuple(" ".join(f"{a}={n}" for a, n in zip(PLANE, place)) for place in places)


def plain_of(methods: Iterable[str]) -> str:
    """What is made of the LR image alone: "bicubic", or "input" where nothing is enlarged."""
    return "input" if "input" in methods else "bicubic"


# -- headline table -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Headline:
    """A row of the headline table.

    Attributes
    ----------
    sample, origin, method : str
    model : str or None
        None for a baseline, which is the same beside every network.
    planes : int
    figure : str
        The one that decides: "psnr", or "psnr_affine" of an acquired pair.
    psnr_gain : float or None
        That (dB) above the strongest baseline; None for baselines.
    means : dict of str to float
        Every metric of the table, mean over planes.
    """

    sample: str
    model: str | None
    origin: str
    method: str
    planes: int
    figure: str
    psnr_gain: float | None
    means: dict[str, float]


def headline(metrics: pd.DataFrame) -> list[Headline]:
    """Rows of the headline table; baselines below the networks."""
    if metrics.empty:
        return []
    groups = metrics[comparable(metrics)].groupby(["sample", "origin"], sort=False)
    return [row for _, planes in groups for row in _rows(planes)]


def _rows(planes: pd.DataFrame) -> Iterator[Headline]:
    made, figure = planes["method"] == "sr", "psnr"
    if planes["origin"].iloc[0] == "acquired":
        # As the verdict: two scans differ in gain and offset.
        figure = "psnr_affine"
    # The same beside every network.
    once = planes[~made].drop_duplicates(["method", *PLANE])
    base = once.groupby("method")[figure].mean().max()
    for (model, method), part in planes[made].groupby(["model", "method"], sort=False):
        yield _row(part, model, method, figure, part[figure].mean() - base)
    for method, part in once.groupby("method", sort=False):
        yield _row(part, None, method, figure, None)


def _row(part, model, method, figure, gain):
    sample, origin = part[["sample", "origin"]].iloc[0]
    means = part.drop(columns=ABOUT).mean().to_dict()
    return Headline(sample, model, origin, method, len(part), figure, gain, means)


# -- in a terminal --------------------------------------------------------------------------------


def summary(results: str) -> str:
    """The path of the report, and the mean metrics of every test row.

    Parameters
    ----------
    results : str
        Folder of a finished run.
    """
    where = f"\nReport: {Path(Layout.of(results, None).page).resolve()}"
    files = sorted(glob.glob(Layout.of(glob.escape(results), None).metrics("*", "*")))
    if not files:
        return where
    table = pd.concat(map(read_table, files))
    means = table.groupby(["sample", "model", "method"], sort=False)[PRINTED].mean()
    return f"\n{means.round(4).to_string()}\n{where}"


if __name__ == "__main__":
    print(summary(sys.argv[1]))

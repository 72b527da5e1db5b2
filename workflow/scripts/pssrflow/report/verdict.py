"""The words and figures that the report begins with.

``python -m pssrflow.report.verdict results`` prints the figures, and where the report is.
"""

import glob
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

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


# -- does the network beat interpolation? ---------------------------------------------------------


@dataclass(frozen=True)
class Verdict:
    """A network against bicubic interpolation, on one test row.

    Attributes
    ----------
    sample, model, origin : str
    affine : bool
        Whether the figures are those after an affine fit of the grey levels.
    psnr_gain, worst_psnr_gain : float
        PSNR (dB) above interpolation: mean over planes, and of the worst plane.
    ssim_gain : float
        SSIM above interpolation.
    good : bool
        Closer to the truth on every plane.
    """

    sample: str
    model: str
    origin: str
    affine: bool
    psnr_gain: float
    worst_psnr_gain: float
    ssim_gain: float
    good: bool

    @property
    def text(self) -> str:
        """As a sentence."""
        return (
            f"{self.sample}, model {self.model}, LR {self.origin}: "
            f"PSNR{' after an affine fit' if self.affine else ''} {self.psnr_gain:+.2f} dB "
            f"against bicubic interpolation (worst plane {self.worst_psnr_gain:+.2f} dB), "
            f"SSIM {self.ssim_gain:+.3f}. "
        ) + (
            "Every plane is closer to the truth than interpolation is."
            if self.good
            else "Not on every plane closer to the truth than interpolation: do not rely on it."
        )


def verdicts(metrics: pd.DataFrame) -> list[Verdict]:
    """One for each test row and model."""
    groups = metrics.groupby(["sample", "model", "origin"], sort=False)
    return [_verdict(planes, *names) for names, planes in groups]


def _verdict(planes, sample, model, origin):
    # Two scans differ in gain and offset, which no network knows; the affine fit removes them.
    affine = origin == "acquired"
    table = planes.pivot(index=PLANE, columns="method")
    psnr, ssim = (table[f"{name}{'_affine' * affine}"] for name in ("psnr", "ssim"))
    gain = psnr["sr"] - psnr["bicubic"]
    closer = (ssim["sr"] - ssim["bicubic"]).mean()
    return Verdict(
        *(sample, model, origin, affine),
        psnr_gain=float(gain.mean()),
        worst_psnr_gain=float(gain.min()),
        ssim_gain=float(closer),
        good=bool((gain > 0).all() and closer > 0),
    )


# -- headline table -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Headline:
    """A row of the headline table.

    Attributes
    ----------
    sample, origin, method : str
    model : str or None
        None for interpolation, which is the same beside every network.
    planes : int
    psnr_gain : float or None
        PSNR (dB) above interpolation; None for interpolation.
    means : dict of str to float
        Every metric of the table, mean over planes.
    """

    sample: str
    model: str | None
    origin: str
    method: str
    planes: int
    psnr_gain: float | None
    means: dict[str, float]


def headline(metrics: pd.DataFrame) -> list[Headline]:
    """Rows of the headline table; interpolation below the networks."""
    groups = metrics.groupby(["sample", "origin"], sort=False)
    return [row for _, planes in groups for row in _rows(planes)]


def _rows(planes: pd.DataFrame) -> Iterator[Headline]:
    plain = planes["method"] == "bicubic"
    # The same beside every network.
    once = planes[plain].drop_duplicates(PLANE)
    base = once["psnr"].mean()
    for (model, method), part in planes[~plain].groupby(["model", "method"], sort=False):
        yield _row(part, model, method, part["psnr"].mean() - base)
    yield _row(once, None, "bicubic", None)


def _row(part, model, method, gain):
    sample, origin = part[["sample", "origin"]].iloc[0]
    means = part.drop(columns=ABOUT).mean().to_dict()
    return Headline(sample, model, origin, method, len(part), gain, means)


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

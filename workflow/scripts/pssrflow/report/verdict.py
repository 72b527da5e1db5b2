"""The words and figures that the report begins with."""

import numpy as np
import pandas as pd

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

"""The words and figures that the report begins with."""

import math
import subprocess
import sys

import pandas as pd
import pytest
from pssrflow.report.verdict import headline, read_metrics, summary, verdicts
from pssrflow.run.layout import Sample


def rows(model, psnr, smoothed=19.9):
    """Metrics of two planes of one test row, as `evaluate` writes them."""
    other = {"ssim": 0.5, "ms_ssim": 0.6, "nrmse": 0.1, "pixel_error": 9.0}
    return [
        {"sample": "b", "model": model, "origin": "crappified", "method": method, "t": 0, "c": 0}
        | {"z": z, "psnr": value, "psnr_affine": value, **other}
        for z in range(2)
        for method, value in (
            ("sr", psnr + z),
            ("bicubic", 20.0 + z),
            ("smoothed", smoothed + z),
            ("constant", 12.0),
        )
    ]


def test_baselines_stand_once_below_the_networks_in_their_order():
    table = headline(pd.DataFrame(rows("small", 21.0) + rows("base", 19.5)))
    seen = [(r.model, r.method, r.planes, r.means["psnr"], r.psnr_gain) for r in table]
    assert seen == [
        ("small", "sr", 2, 21.5, 1.0),
        ("base", "sr", 2, 20.0, -0.5),
        (None, "bicubic", 2, 20.5, None),
        (None, "smoothed", 2, 20.4, None),
        (None, "constant", 2, 12.0, None),
    ]


def test_a_metric_that_the_page_does_not_know_is_in_the_headline_too():
    table = headline(pd.DataFrame(rows("small", 21.0)).assign(bias=lambda t: t["z"] + 0.5))
    assert [row.means["bias"] for row in table] == [1.0] * 4
    assert set(table[0].means).isdisjoint({"t", "c", "z"})


def test_a_network_that_does_not_beat_interpolation_is_told_so():
    metrics = pd.DataFrame(rows("small", 21.0) + rows("base", 19.5)).assign(
        ssim=lambda t: t["ssim"] + 0.1 * (t["method"] == "sr")
    )
    good, poor = verdicts(metrics)
    assert good.good and "+1.00 dB" in good.text
    assert not poor.good and "do not rely on it" in poor.text


def test_what_is_closer_but_lacks_structure_is_told_so():
    metrics = pd.DataFrame(rows("small", 21.0)).assign(
        ssim=lambda t: t["ssim"] - 0.1 * (t["method"] == "sr")
    )
    [found] = verdicts(metrics)
    assert not found.good and "bicubic interpolation has more of its structure" in found.text
    assert "Not on every plane" not in found.text


def test_smoothed_interpolation_must_be_beaten_too():
    metrics = pd.DataFrame(rows("small", 22.5, smoothed=23.2)).assign(
        ssim=lambda t: t["ssim"] + 0.1 * (t["method"] == "sr")
    )
    [found] = verdicts(metrics)
    assert not found.good and found.baseline == "smoothed"
    assert "-0.70 dB against smoothed interpolation, the strongest baseline" in found.text
    assert "+2.50 dB against bicubic interpolation" in found.text


@pytest.mark.parametrize(
    ("column", "wrong"),
    [("psnr", math.inf), ("psnr", -math.inf), ("psnr_affine", math.nan), ("nrmse", math.nan)],
)
@pytest.mark.parametrize("method", ["sr", "bicubic"])
def test_a_plane_without_figures_is_left_out_and_named(column, wrong, method):
    metrics = pd.DataFrame(rows("small", 21.0)).assign(
        ssim=lambda t: t["ssim"] + 0.1 * (t["method"] == "sr")
    )
    metrics.loc[(metrics["z"] == 1) & (metrics["method"] == method), column] = wrong
    [found] = verdicts(metrics)
    assert found.good and found.psnr_gain == pytest.approx(1.0)
    assert "1 plane(s) of one grey level, or that a method gets exactly" in found.text
    assert found.left_out == ("t=0 c=0 z=1",)
    assert [row.planes for row in headline(metrics)] == [1] * 4
    metrics["nrmse"] = math.nan
    [nothing] = verdicts(metrics)
    assert not nothing.good and "no plane can be compared" in nothing.text
    assert headline(metrics) == []


def test_strips_that_are_too_thin_for_ssim_are_judged_without():
    [found] = verdicts(pd.DataFrame(rows("small", 21.0)).assign(ssim=math.nan))
    assert found.good and "SSIM" not in found.text


def test_one_plane_that_is_worse_spoils_the_verdict():
    metrics = pd.DataFrame(rows("small", 25.0)).assign(
        ssim=lambda t: t["ssim"] + 0.1 * (t["method"] == "sr")
    )
    metrics.loc[(metrics["z"] == 1) & (metrics["method"] == "sr"), "psnr"] = 20.9
    [found] = verdicts(metrics)
    assert not found.good
    assert found.psnr_gain == pytest.approx(2.45) and found.worst_psnr_gain == pytest.approx(-0.1)


def test_an_acquired_pair_is_judged_after_the_affine_fit():
    metrics = pd.DataFrame(rows("small", 19.0)).assign(
        origin="acquired",
        psnr_affine=lambda t: t["psnr"] + 5 * (t["method"] == "sr"),
        ssim_affine=lambda t: t["ssim"] + 0.1 * (t["method"] == "sr"),
    )
    [found] = verdicts(metrics)
    assert found.good and found.affine and "after an affine fit +4.00 dB" in found.text


def test_a_run_without_test_rows_has_no_verdict_and_no_headline(layout):
    metrics = read_metrics(layout, [Sample("train", "train"), Sample("new", "predict")], ["net"])
    assert verdicts(metrics) == [] and headline(metrics) == []


def test_the_command_prints_figures_and_where_the_report_is(finished, root):
    folder = finished.layout.results
    command = [sys.executable, "-m", "pssrflow.report.verdict", folder]
    done = subprocess.run(
        command, cwd=root / "workflow/scripts", capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().endswith(f"Report: {folder}/report.html")
    for word in ("made", "scanned", "net", "bicubic", "psnr", "ms_ssim"):
        assert word in done.stdout


def test_the_command_knows_of_runs_without_figures(tmp_path):
    assert summary(str(tmp_path)) == f"\nReport: {tmp_path}/report.html"

"""The report's tables, without the pictures."""

import pandas as pd
from pssrflow.report.verdict import headline, verdicts


def rows(model, psnr):
    """Metrics of two planes of one test row, as `evaluate` writes them."""
    other = {"ssim": 0.5, "ms_ssim": 0.6, "nrmse": 0.1, "pixel_error": 9.0}
    return [
        {"sample": "b", "model": model, "origin": "crappified", "method": method, "t": 0, "c": 0}
        | {"z": z, "psnr": value, "psnr_affine": value, **other}
        for z in range(2)
        for method, value in (("sr", psnr + z), ("bicubic", 20.0 + z))
    ]


def test_interpolation_stands_once_below_the_networks_in_their_order():
    table = headline(pd.DataFrame(rows("small", 21.0) + rows("base", 19.5)))
    seen = [tuple(row[k] for k in ("model", "method", "planes", "psnr", "gain")) for row in table]
    assert seen == [
        ("small", "sr", 2, "21.50", "+1.00"),
        ("base", "sr", 2, "20.00", "-0.50"),
        ("–", "bicubic", 2, "20.50", ""),
    ]


def test_a_network_that_does_not_beat_interpolation_is_told_so():
    metrics = pd.DataFrame(rows("small", 21.0) + rows("base", 19.5)).assign(
        ssim=lambda t: t["ssim"] + 0.1 * (t["method"] == "sr")
    )
    good, poor = verdicts(metrics)
    assert good["good"] and "+1.00 dB" in good["text"]
    assert not poor["good"] and "do not rely on it" in poor["text"]

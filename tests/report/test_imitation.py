"""Real LR images beside their crappified twins, and what a calibration found."""

import numpy as np
import pytest
from matplotlib import pyplot as plt
from pssrflow.report.imitation import imitation_of, read_fit
from pssrflow.run.files import write_json
from pssrflow.run.layout import Sample

SCANNED = Sample("scanned", "test", paired=True)


def crappifier(noise):
    steps = [{"name": "gaussian", "intensity": noise}]
    return {"scale": 4, "downsample": "area", "noise": steps}


@pytest.mark.parametrize(("noise", "good"), [(3, True), (12, False)])
def test_a_crappifier_imitates_the_scan_if_it_makes_as_much_noise(noise, good, field, layout):
    field(SCANNED, size=(512, 512))
    found = imitation_of(layout, "scanned", crappifier(noise), seed=1)
    assert found.good == good
    assert found.noise == pytest.approx(noise / 3, rel=0.1)
    assert ("calibrate (crappify.fit)" in found.text) != good
    measured = imitation_of(layout, "scanned", crappifier(noise), seed=1, measured=True)
    assert "calibrate" not in measured.text
    assert ("train on the acquired pairs" in measured.text) != good


def test_the_table_says_the_same_of_both_images(field, layout):
    field(SCANNED)
    rows = imitation_of(layout, "scanned", crappifier(3), seed=1).rows
    assert len(rows) == 7
    assert rows[0].acquired == pytest.approx(rows[0].crappified, rel=0.01)
    assert all(np.isfinite([row.acquired, row.crappified]).all() for row in rows)


def test_a_fit_is_read_with_its_plots(tmp_path):
    content = {
        "verdict": "does not fit",
        "reasons": ["the noise grows otherwise"],
        "samples": ["a", "b"],
        "parameters": {
            "kernel": {"value": "probe", "unit": "name"},
            "gain": {"value": 0.9, "low": 0.8, "high": 1.0, "unit": "LR grey per HR grey"},
        },
        "checks": [{"name": "spread", "value": 1.4, "accepted": [0.9, 1.1], "passed": False}],
    }
    write_json(tmp_path / "crappifier.json", content)
    plt.figure().savefig(tmp_path / "variance.png")
    plt.close("all")
    fit = read_fit(tmp_path / "crappifier.json")
    assert [p.name for p in fit.parameters] == ["kernel", "gain"]
    assert fit.parameters[0].low is None and fit.parameters[1].high == 1.0
    assert fit.checks[0].accepted == "0.9 to 1.1" and not fit.checks[0].passed
    assert [picture.alt for picture in fit.pictures] == ["Calibration: variance"]

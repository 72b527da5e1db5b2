"""What the pictures draw, and how they get into the page."""

import base64
import io

import numpy as np
import pytest
from matplotlib import pyplot as plt
from PIL import Image
from pssrflow.report.comparison import Comparison
from pssrflow.report.pictures import FREQUENCIES, data_uri, grey_edges, shown, spectrum
from pssrflow.run.layout import Sample


def test_a_drawing_is_a_png_in_the_page_and_is_closed():
    figure, _ = plt.subplots()
    uri = data_uri(figure)
    head, _, content = uri.partition(",")
    assert head == "data:image/png;base64"
    assert Image.open(io.BytesIO(base64.b64decode(content))).format == "PNG"
    assert not plt.fignum_exists(figure.number)


@pytest.mark.parametrize("frequency", [0.1, 0.25, 0.4])
def test_a_wave_has_its_power_at_its_frequency(frequency):
    y = np.arange(96)[:, None] * np.ones(120)
    power = spectrum(np.sin(2 * np.pi * frequency * y).astype(np.float32))
    assert len(power) == FREQUENCIES
    assert power.argmax() / (FREQUENCIES - 1) / 2 == pytest.approx(frequency, abs=0.015)


@pytest.mark.parametrize(("low", "high"), [(0, 255), (-3.7, 17.2), (100, 60000)])
def test_bins_of_integers_hold_equally_many_grey_levels_each(low, high):
    edges = grey_edges(low, high, "uint16")
    assert (edges % 1 == 0.5).all() and len(set(np.diff(edges))) == 1
    assert edges[0] <= low and edges[-1] >= high


def test_a_prediction_with_a_truth_shows_its_errors_and_says_how_large(field, layout):
    sample = Sample("made", "test")
    field(sample)
    found = shown(Comparison(layout, sample, "net", 4), crop=16)
    assert found.errors is not None and found.rmse["SR"] < found.rmse["bicubic"]
    assert found.rmse["SR"] == pytest.approx(3, rel=0.2)
    assert [b - a for a, b in found.crop] == [48, 52]


def test_a_prediction_without_a_truth_shows_no_errors(field, layout):
    field(Sample("made", "test"))
    found = shown(Comparison(layout, Sample("made", "predict"), "net", 4), crop=8)
    assert found.errors is None and found.rmse == {}
    assert "contrast of the SR image" in found.overview.caption

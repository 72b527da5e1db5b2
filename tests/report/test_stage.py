"""One page that opens from disk, and the same figures as data."""

import json
import math
import re
from dataclasses import dataclass, replace

import pytest
from pssrflow.report.pictures import Picture
from pssrflow.report.stage import number, plain, significant, write_report
from pssrflow.run.files import read_json
from pssrflow.run.layout import Sample


def refuse(constant):
    raise AssertionError(f"{constant} is no JSON")


@pytest.fixture
def written(finished):
    """The page, and the data as a strict reader takes them."""
    write_report(finished)
    with open(finished.layout.page) as page, open(finished.layout.figures) as data:
        return page.read(), json.loads(data.read(), parse_constant=refuse)


def test_the_page_loads_nothing(written):
    page, _ = written
    assert re.findall(r'(?:src|href)="(?!data:|#)', page) == []
    assert "@import" not in page and "url(" not in page
    assert page.count("data:image/png;base64,") == 8


def test_the_page_leads_with_the_verdict(written):
    page, _ = written
    first, then = page.index("against bicubic interpolation"), page.index('<h2 id="pictures">')
    assert page.index("Can it be believed?") < first < then


def test_every_figure_on_the_page_is_in_the_data_and_no_pixels(written):
    page, data = written
    assert "base64" not in json.dumps(data)
    assert data["format"] == 1 and data["models"] == ["net"]
    for verdict in data["verdicts"]:
        assert f"{verdict['psnr_gain']:+.2f} dB" in page
    for row in data["headline"]:
        assert f"<td>{row['means']['ssim']:.4f}</td>" in page
    for prediction in data["predictions"]:
        assert prediction["rmse"]["SR"] > 0 and prediction["plane"] == [0, 0, 1]
    [training] = data["trainings"]
    assert training["last"]["loss"] == 0.09
    [imitation] = data["imitations"]
    for row in imitation["rows"]:
        assert f"<td>{row['acquired']:.{row['decimals']}f}</td>" in page
    assert [store["name"] for store in data["stores"][:2]] == ["made: hr", "made: lr"]
    assert all(store["content"] in page for store in data["stores"])


def test_the_provenance_is_written_beside(written, finished):
    content = read_json(finished.layout.provenance)
    assert content["format"] == 1 and content["config"] == finished.config


def test_without_a_truth_the_page_says_that_nothing_was_compared(finished):
    write_report(replace(finished, samples=[Sample("made", "predict")]))
    with open(finished.layout.page) as page:
        text = page.read()
    assert "nothing here was compared with a truth" in text
    assert "None was used: every LR image was acquired" in text
    assert read_json(finished.layout.figures)["headline"] == []


def test_nothing_of_the_configuration_reaches_the_page_unescaped(finished):
    title = '<script>alert("&")</script>'
    config = finished.config | {"report": finished.config["report"] | {"title": title}}
    write_report(replace(finished, config=config))
    with open(finished.layout.page) as page:
        text = page.read()
    assert "<script" not in text and "&lt;script&gt;" in text
    assert read_json(finished.layout.figures)["title"] == title


@dataclass
class Something:
    value: float
    pictures: tuple[Picture, ...]


def test_data_are_plain():
    found = plain([Something(math.inf, (Picture("data:", "alt", "caption"),)), {"a": math.nan}])
    assert found == [
        {"value": None, "pictures": [{"alt": "alt", "caption": "caption"}]},
        {"a": None},
    ]


def test_numbers_on_the_page():
    assert [number(v, 2) for v in (1.005, math.nan, math.inf, None)] == ["1.00", "–", "–", "–"]
    assert number(0.5, 2, "+") == "+0.50"
    assert [significant(v) for v in (0.123456, 12345.0, "probe", None)] == [
        "0.1235",
        "1.234e+04",
        "probe",
        "–",
    ]

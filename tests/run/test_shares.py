"""Jobs that share a result: what they report is trusted for that result alone."""

import pytest
from pssrflow.run.files import write_json
from pssrflow.run.shares import Shares, made_of


@pytest.fixture
def shares(tmp_path):
    found = Shares(tmp_path / "parts", "a")
    found.begin(3)
    return found


def filler(shares):
    """Function that makes a part, and the list of the parts that it was asked for."""
    asked = []

    def fill(part):
        asked.append(part)
        shares.report(part, {"rows": [part]})

    return fill, asked


def test_what_was_reported_is_not_made_again(shares):
    shares.report(1, {"rows": ["reported"]})
    fill, asked = filler(shares)
    assert [told["rows"] for told in shares.reports(fill)] == [[0], ["reported"], [2]]
    assert asked == [0, 2]


def test_reports_of_another_result_or_another_number_of_parts_are_made_again(shares):
    for part in range(3):
        shares.report(part, {"rows": ["old"]})
    other = Shares(shares.folder, "b")
    assert other.parts == 0
    write_json(shares.folder / "shares.json", {"format": 1, "made_of": "a", "of": 2})
    fill, asked = filler(shares)
    assert list(shares.reports(fill)) and asked == [0, 1]


def test_a_damaged_report_is_made_again(shares):
    shares.report(0, {"rows": []})
    marker = shares.folder / "0.json"
    marker.write_text(marker.read_text()[:-20])
    fill, asked = filler(shares)
    list(shares.reports(fill))
    assert asked == [0, 1, 2]


def test_beginning_anew_forgets_what_is_finished(shares):
    shares.report(0, {"rows": []})
    shares.begin(2)
    assert not (shares.folder / "0.json").exists() and shares.parts == 2


def test_where_nobody_begins_the_first_part_says_of_how_many_it_is(tmp_path):
    shares = Shares(tmp_path / "parts", "a")
    shares.report(1, {"rows": []}, parts=2)
    assert shares.parts == 0
    shares.report(0, {"rows": []}, parts=2)
    assert shares.parts == 2


def test_the_hash_tells_content_and_parameters_apart(tmp_path):
    write_json(tmp_path / "done.json", {"content": "x", "files": 3})
    before = made_of([tmp_path / "done.json"], {"seed": 0})
    assert made_of([tmp_path / "done.json"], {"seed": 1}) != before
    # How many files a store has is nothing of its pixels.
    write_json(tmp_path / "done.json", {"content": "x", "files": 4})
    assert made_of([tmp_path / "done.json"], {"seed": 0}) == before
    write_json(tmp_path / "done.json", {"content": "y", "files": 3})
    assert made_of([tmp_path / "done.json"], {"seed": 0}) != before

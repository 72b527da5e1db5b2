"""The HR image of a pair is read where the LR image shows it, to a fraction of a pixel."""

import numpy as np
import pytest
from pssrflow.evaluate.judged import Judged
from pssrflow.evaluate.stage import measure
from pssrflow.pairs.aligned import Warp, aligned, read_shift
from pssrflow.run.files import write_json
from pssrflow.volumes.store import Store

SIDE = 192
FRACTION = (0.4, -0.3)


def waves(y, x):
    return 100 + 60 * np.sin(2 * np.pi * y / 7) * np.cos(2 * np.pi * x / 9)


@pytest.fixture
def pair(make_store):
    """An HR image, and another of the same field a fraction of a pixel beside it."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    there = waves(y, x), waves(y + FRACTION[0], x + FRACTION[1])
    return [
        Store(make_store(image.astype(np.float32)[None, None, None], name))
        for image, name in zip(there, ("hr", "sr"))
    ]


def test_what_is_read_is_what_lies_there_however_it_is_cut(pair):
    hr, moved = pair
    read = aligned(hr, Warp.of([[FRACTION]], (2, 2)))
    whole = read((0, 0, 0), slice(0, SIDE), slice(0, SIDE))
    inner = np.s_[16:-16, 16:-16]
    expected = np.asarray(moved.level()[0, 0, 0])
    np.testing.assert_allclose(whole[inner], expected[inner], atol=0.2)
    part = read((0, 0, 0), slice(50, 90), slice(3, 60))
    np.testing.assert_allclose(part, whole[50:90, 3:60], atol=1e-3)


def test_whole_pixels_are_read_as_they_are(pair):
    hr, _ = pair
    place = (0, 0, 0), slice(4, 30), slice(5, 60)
    assert (aligned(hr, Warp.of([[(0.01, 0)]], (2, 2)))(*place) == hr.reader()(*place)).all()


def test_a_prediction_is_judged_where_it_lies(pair):
    hr, moved = pair
    beside, placed = (
        {row["method"]: row["psnr"] for row in measure(judged)}["sr"]
        for judged in (
            Judged(hr, moved, moved, 1),
            Judged(hr, moved, moved, 1, warp=Warp.of([[FRACTION]], (2, 2))),
        )
    )
    assert placed > beside + 15


def test_a_registration_gives_whole_pixels_and_the_rest(tmp_path):
    write_json(tmp_path / "r.json", {"shift": [3, -2], "subpixel": [2.62, -2.14]})
    assert read_shift(tmp_path / "r.json") == ((3, -2), Warp.of([[(-0.38, -0.14)]], (2, 2)))

"""How intervals hold on the truth of a test row, and what the verdict says of it."""

from dataclasses import replace

import numpy as np
import pytest
from pssrflow.ingest.settings import Settings
from pssrflow.pairs.field import open_field
from pssrflow.pairs.mask import open_mask
from pssrflow.run.files import read_json
from pssrflow.run.memory import Budget
from pssrflow.run.shares import Shares
from pssrflow.trust.conformal import EDGES
from pssrflow.trust.covered import covered
from pssrflow.trust.maps import CHANNELS, WIDTHS
from pssrflow.trust.stage import Work, begin, complete, fill, make
from pssrflow.trust.words import CARE, GOOD
from pssrflow.volumes.blocks import Region
from pssrflow.volumes.store import Store

SCALE = 4
BUDGET = Budget(2, 2000)


@pytest.fixture
def row(promise_of, looked_at, pictures, make_store):
    """A prediction and the row that it is of, with its truth."""

    def make(planes=2, add=0):
        hr = pictures(planes, 512)
        looked = looked_at(promise_of(), hr)
        truth = (hr.astype(int) + add).clip(0, 255).astype(np.uint8)
        return looked, open_field("a", make_store(truth, "truth"), looked.lr.path, False, SCALE)

    return make


def counted(looked, field):
    region = Region((0,) * 5, (*looked.sr.volume.shape[:3], *looked.shape))
    widths = looked.region(region)[CHANNELS.index(WIDTHS)]
    return covered(field, looked, region, widths), widths


def test_pixels_within_the_intervals_are_counted(row):
    looked, field = row()
    (known, inside), widths = counted(looked, field)
    low, high = looked.lr.volume.intensity.windows[0]
    wide = np.kron(widths[0, 0] / 255 * (high - low), np.ones((1, SCALE, SCALE)))
    error = np.abs(looked.sr.level()[0, 0].astype(float) - field.hr.level()[0, 0])
    assert known == error.size and abs(inside - (error <= wide).sum()) <= error.size * 1e-3
    assert 0.87 < inside / known < 0.95


def test_what_is_not_known_is_not_counted(row, make_store):
    looked, field = row(1)
    moved = replace(field, shift=(3, -5))
    (known, _), _ = counted(looked, moved)
    assert known == (512 - 3) * (512 - 5)
    marks = np.ones((1, 1, 1, 512, 512), np.uint8)
    marks[..., :100, :] = 0
    shapes = looked.lr.volume.shape, SCALE, field.hr.volume.shape
    masked = replace(field, mask=open_mask(make_store(marks, "mask"), *shapes))
    assert counted(looked, masked)[0][0] == 412 * 512


@pytest.mark.parametrize("parts", [1, 3])
def test_the_verdict_says_it_however_many_jobs_there_are(parts, row, tmp_path):
    looked, field = row()
    settings = Settings(chunk=(1, 32, 32), shard=(1, 64, 64))
    work, done = Work(looked, Store(tmp_path / "map"), settings, field), tmp_path / "done.json"
    if parts == 1:
        make(work, done, BUDGET)
    else:
        shares = Shares(tmp_path / "parts", "")
        begin(work, done, shares, parts)
        for part in range(parts):
            fill(work, shares, part, BUDGET)
        complete(work, done, shares, BUDGET)
    (known, inside), _ = counted(looked, field)
    said = read_json(done)["verdict"]
    assert said["verdict"] == GOOD
    assert said["covered"] == pytest.approx(inside / known, abs=1e-4)
    assert f"{inside / known:.1%} of the truth lies within the intervals" in str(said["reasons"])


def test_fewer_than_were_promised_are_a_reason_for_care(row, tmp_path):
    """As where the detector has drifted since: all is as it was but what HR is."""
    looked, field = row(add=7)
    make(Work(looked, Store(tmp_path / "map"), Settings(), field), tmp_path / "done.json", BUDGET)
    said = read_json(tmp_path / "done.json")["verdict"]
    assert said["covered"] < 0.85 and said["verdict"] == CARE


def test_without_a_truth_nothing_is_said(row, tmp_path):
    looked, _ = row(1)
    make(Work(looked, Store(tmp_path / "map"), Settings()), tmp_path / "done.json", BUDGET)
    said = read_json(tmp_path / "done.json")["verdict"]
    assert said["covered"] is None and "truth" not in str(said["reasons"])


@pytest.mark.parametrize("truth", [False, True])
def test_images_that_do_not_speak_for_each_other_are_a_reason_for_care(truth, row, tmp_path):
    """But where the truth of this one shows that they spoke for it."""
    looked, field = row()
    blocks = looked.promise.blocks
    images = np.arange(len(blocks)) % 4
    # Errors of one image are half as large again: histograms, moved by bins.
    moved = int(np.searchsorted(EDGES, 1.5) - np.searchsorted(EDGES, 1.0))
    unlike = np.where((images == 3)[:, None, None], np.roll(blocks, moved, -1), blocks)
    about = looked.promise.about | {"samples": list("abcd")}
    promise = replace(looked.promise, blocks=unlike, images=images, about=about)
    work = Work(replace(looked, promise=promise), Store(tmp_path / "map"), Settings())
    make(replace(work, truth=field if truth else None), tmp_path / "done.json", BUDGET)
    said = read_json(tmp_path / "done.json")["verdict"]
    assert said["verdict"] == (GOOD if truth else CARE)
    assert said["left_out"]["d"] < 0.8 < 0.9 < said["left_out"]["a"]
    assert "in turn 7" in str(said["reasons"])


def test_one_image_speaks_for_no_other(row, tmp_path):
    looked, _ = row(1)
    make(Work(looked, Store(tmp_path / "map"), Settings()), tmp_path / "done.json", BUDGET)
    said = read_json(tmp_path / "done.json")["verdict"]
    assert said["left_out"] == {} and said["verdict"] == GOOD
    assert "calibrated on one image" in str(said["reasons"])

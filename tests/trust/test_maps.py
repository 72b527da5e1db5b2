"""Maps of trust: what they promise holds, what is planted is found, and no cut changes a byte."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from pssrflow.networks.frames import ONE
from pssrflow.networks.registry import build
from pssrflow.pairs.patches import Drawing
from pssrflow.predict.inference import Inference
from pssrflow.trust.conformal import beyond
from pssrflow.trust.learn import Grounds, Learner
from pssrflow.trust.maps import BELIEF, CHANNELS, CONSISTENCY, NOVELTY, WIDTHS
from pssrflow.trust.promise import Promise
from pssrflow.trust.verdict import Tally, Volume, judged
from pssrflow.trust.windows import WINDOW
from pssrflow.trust.words import BAD, CARE, GOOD
from pssrflow.volumes.blocks import Region
from pssrflow.volumes.store import Store

from .conftest import field_of

SCALE = 4


def mapped(looked):
    sr = looked.sr.volume
    region = Region((0,) * 5, (*sr.shape[:3], *looked.shape))
    return dict(zip(CHANNELS, looked.region(region)))


def verdict_of(looked, **size):
    sr = looked.sr.volume
    region = Region((0,) * 5, (*sr.shape[:3], *looked.shape))
    tally = Tally()
    tally.add(looked.region(region), region.start)
    return judged(tally, looked.promise, Volume(SCALE, size.get("size", 0.004)))


def test_nine_of_ten_pixels_lie_within_the_width(promise_of, looked_at, pictures):
    promise, hr = promise_of(), pictures(3, 512)
    looked = looked_at(promise, hr)
    low, high = looked.lr.volume.intensity.windows[0]
    width = mapped(looked)[WIDTHS][0, 0] / 255 * (high - low)
    error = np.abs(looked.sr.level()[0, 0].astype(float) - hr[0, 0])
    inside = error <= np.kron(width, np.ones((1, SCALE, SCALE)))
    assert 0.88 < inside.mean() < 0.95


def test_what_is_as_it_should_be_is_fit_for_use(promise_of, looked_at, pictures):
    found = verdict_of(looked_at(promise_of(), pictures(2, 512)))
    assert found["verdict"] == GOOD and found["calibrated"] and found["blocks"] >= 20
    assert found["shares"]["fit"] > 0.8


def test_what_is_invented_does_not_explain_the_lr_image(promise_of, looked_at, pictures):
    def vesicle(sr):
        y, x = np.mgrid[:512, :512]
        sr[0][(y - 200) ** 2 + (x - 300) ** 2 < 12**2] = 20
        return sr

    looked = looked_at(promise_of(), pictures(1, 512), vesicle)
    found = mapped(looked)
    there, elsewhere = np.s_[0, 0, 0, 48:52, 72:76], np.s_[0, 0, 0, 96:, :]
    assert (found[CONSISTENCY][there] <= 3).all() and (found[BELIEF][there] == 0).all()
    assert np.median(found[CONSISTENCY][elsewhere]) > 60
    worst = verdict_of(looked)["worst"][0]
    assert abs(worst["at"]["y"] - 200) < 256 and abs(worst["at"]["x"] - 300) < 256
    assert worst["why"] == "it does not explain the LR image"


@pytest.mark.parametrize("noise", [18.0, 1.0])
def test_another_dwell_time_is_not_what_was_learnt_from(noise, promise_of, looked_at, pictures):
    looked = looked_at(promise_of(), pictures(1, 512), noise=noise)
    assert np.median(mapped(looked)[NOVELTY]) <= 3
    found = verdict_of(looked)
    assert found["verdict"] == BAD
    assert any("unlike what was learnt from" in reason for reason in found["reasons"])


@pytest.mark.parametrize(
    ("factor", "zoom", "most", "verdict"),
    [
        (1.2, None, 2, GOOD),
        (1.5, None, 1, CARE),
        (0.4, None, 1, CARE),
        (2.1, None, 0, BAD),
        # Patches were drawn as if pixels were twice as large.
        (2.1, [0.5, 1.0], 1, CARE),
        (1.1, [2.0, 2.0], 2, GOOD),
    ],
)
def test_pixels_of_another_size_are_believed_less(
    factor, zoom, most, verdict, promise_of, looked_at, pictures
):
    looked = looked_at(promise_of(), pictures(2, 512))
    here = looked.lr.volume.pixel_side
    about = promise_of().about | {"lr_pixel_size_um": {"a": here / factor}, "zoom": zoom}
    looked = replace(looked, promise=replace(looked.promise, about=about))
    assert mapped(looked)[BELIEF].max() == most
    found = verdict_of(looked, size=here)
    assert found["verdict"] == verdict
    named = any(f"LR pixels of {here * 1e3:.4g} nm" in reason for reason in found["reasons"])
    assert named == (most < 2)
    assert any("intervals are void" in reason for reason in found["reasons"]) == (most == 0)


@pytest.mark.parametrize("planes", [0, 1])
def test_without_blocks_there_is_no_promise(planes, promise_of, looked_at, pictures):
    promise = promise_of(max(planes, 1), 128)
    if not planes:
        promise = Promise.nothing(0.9, "window", promise.crappify)
    assert not promise.calibrated
    looked = looked_at(promise, pictures(1, 256))
    found = mapped(looked)
    assert (found[WIDTHS] == 255).all() and found[BELIEF].max() <= 1
    said = verdict_of(looked)
    assert said["verdict"] == CARE and "uncalibrated" in said["reasons"][0]
    assert said["mean_width"] is None


@pytest.mark.parametrize("step", [(1, 16, 48), (1, 37, 200), (1, 500, 500)])
def test_no_cut_changes_a_byte(step, promise_of, looked_at, pictures):
    looked = looked_at(promise_of(), pictures(2, 640))
    sr = looked.sr.volume
    whole = Region((0,) * 5, (*sr.shape[:3], *looked.shape))
    expected = looked.region(whole)
    made = np.full_like(expected, 77)
    _, dy, dx = step
    for top in range(0, looked.shape[0], dy):
        for left in range(0, looked.shape[1], dx):
            stop = (1, 1, 2, min(top + dy, looked.shape[0]), min(left + dx, looked.shape[1]))
            part = Region((0, 0, 0, top, left), stop)
            made[(slice(None), *part.slices)] = looked.region(part)
    away = np.abs(made.astype(int) - expected)
    assert away.max() <= 1 and (away > 0).mean() < 1e-3


def test_a_constant_image_has_a_map_and_no_figure_that_is_none(promise_of, looked_at, pictures):
    flat = np.full((1, 1, 1, 256, 256), 90, np.uint8)
    said = verdict_of(looked_at(promise_of(), flat, noise=0.0))
    assert said["verdict"] == BAD and all(np.isfinite(v) for v in said["shares"].values())


def test_blocks_are_calibrated_on_as_a_whole(promise_of):
    """Of a small stack a place that is always strange must be known to be so."""
    for planes, side in ((1, 124), (1, 256)):
        promise = promise_of(planes, side)
        blocks, windows = len(promise.blocks), len(promise.windows)
        pixels = (side // SCALE) ** 2 * planes
        assert windows * WINDOW**2 >= 0.95 * pixels, (blocks, windows)


def test_a_promise_is_read_as_it_was_saved(promise_of, looked_at, pictures, tmp_path):
    promise = promise_of()
    promise.save(tmp_path / "trust.safetensors")
    again = Promise.read(tmp_path / "trust.safetensors")
    looked = looked_at(promise, pictures(1, 256))
    other = type(looked)(again, looked.lr, Store(looked.sr.path), looked.limit)
    for one, two in zip(mapped(looked).values(), mapped(other).values()):
        np.testing.assert_array_equal(one, two)
    assert again.about == promise.about and again.multipliers == promise.multipliers


def test_images_are_looked_at_in_the_windows_that_were_calibrated_on(
    promise_of, looked_at, pictures, make_store
):
    """Of a field of 62 LR pixels, which is no multiple of a window of 32."""
    hr = pictures(15, 248)
    looked = looked_at(promise_of(), hr)
    row = field_of("kept", make_store(hr, "kept-hr"), looked.lr.path)
    inference = Inference(build("bicubic", SCALE, {}, 1), torch.device("cpu"), "32")
    nothing = Promise.nothing(0.9, "window", promise_of().crappify)
    grounds = Grounds([row], [None], [row.region], 32)
    promise = Learner(inference, nothing, Drawing(frames=ONE), 0).of(grounds, 200)
    assert promise.block == 32
    found = mapped(replace(looked, promise=promise))[NOVELTY][0, 0, :, ::32, ::32]
    # Half of the windows says what is usual for the other half.
    usual = beyond(promise.distances, promise.distances)
    np.testing.assert_array_equal(np.sort(found.ravel()[1::2]), np.sort(np.rint(usual * 255)))

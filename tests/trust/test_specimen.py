"""What is said of the specimen, which no scan shows, where the noise of scans is known."""

import math

import numpy as np
import pytest
from pssrflow.calibrate.frames import Noise, noise_between, unknowable
from pssrflow.pairs.aligned import Scan, Warp, aligned, noise_kept
from pssrflow.trust.head import Example, learn
from pssrflow.trust.layers import layers
from pssrflow.trust.maps import BELIEF, CHANNELS, SPECIMEN, WIDTHS
from pssrflow.trust.promise import Promise
from pssrflow.trust.specimen import multipliers
from pssrflow.trust.verdict import Tally, Volume, judged
from pssrflow.volumes.blocks import Region
from pssrflow.volumes.store import Store
from scipy import ndimage

from .conftest import NOISE, SCALE, field_of, scanned

SHARED = 2 / SCALE**2


@pytest.fixture
def specimen(tissue):
    return lambda planes, side: tissue((1, 1, planes, side, side), sigma=5).astype(float)


def scan_of(specimen, rng, slope=0.0):
    deviation = np.sqrt(NOISE**2 + slope * specimen)
    noisy = specimen + deviation * rng.standard_normal(specimen.shape)
    return noisy.astype(np.float32)


# -- the noise of scans ---------------------------------------------------------------------------


@pytest.mark.parametrize("slope", [0.0, 0.3])
@pytest.mark.parametrize("gain", [1.0, 1.3])
def test_two_scans_tell_their_noise(slope, gain, specimen, make_store, rng):
    """The second may have been recorded with another gain and offset."""
    values = specimen(2, 512)
    first = Store(make_store(scan_of(values, rng, slope)))
    second = Scan(Store(make_store(scan_of(values, rng, slope) * gain + 9, "second")))
    found = noise_between(first, second, 0)
    for grey in (60, 120, 180):
        assert found.variance(grey) == pytest.approx(NOISE**2 + slope * grey, rel=0.12)


@pytest.mark.parametrize("away", [(0.5, -0.4), (0.2, 1.1)])
def test_a_scan_that_is_moved_between_pixels_is_less_noisy_and_that_is_reckoned_with(
    away, specimen, make_store, rng
):
    clean = specimen(2, 512)
    moved = np.stack([ndimage.shift(p, away, mode="nearest") for p in clean[0, 0]])[None, None]
    stores = {"first": scan_of(clean, rng), "second": scan_of(moved, rng), "clean": moved}
    first, second, still = (Store(make_store(v, n)) for n, v in stores.items())
    warp = Warp.of([[away]], (512, 512))
    inside = (0, 0, 0), slice(20, 480), slice(20, 480)
    noise = aligned(second, warp)(*inside) - aligned(still, warp)(*inside)
    assert noise.var() == pytest.approx(noise_kept(warp) * NOISE**2, rel=0.05)
    assert noise_kept(warp) < 0.95 and noise_kept(Warp()) == 1.0
    found = noise_between(first, Scan(second, warp=warp), 0)
    assert found.variance(120) == pytest.approx(NOISE**2, rel=0.1)


def test_noise_of_one_row_is_that_of_all_of_its_detector(specimen, make_store, rng):
    values = specimen(1, 512)
    rows = []
    for name in ("learnt", "kept"):
        # Of one detector, as far as its range tells.
        scan = scan_of(values, rng).clip(0, 255).astype(np.uint8)
        rows.append(field_of(name, make_store(scan, name), make_store(scanned(scan, rng), "lr")))
    twins = {"kept": Scan(Store(make_store(scan_of(values, rng), "again")))}
    found = unknowable(rows, twins, {}, None, ["learnt"], SCALE)
    assert found["kept"][0].variance(100) == pytest.approx(NOISE**2, rel=0.1)
    # An LR image that is made of a scan tells some of its noise.
    expected = found["kept"][0].variance(100) * (1 - SHARED)
    assert found["learnt"][0].variance(100) == pytest.approx(expected)
    nobody = {"learnt": (None,), "kept": (None,)}
    assert unknowable(rows, {}, {}, None, [], SCALE) == nobody
    # Counts of one row say nothing of another.
    counted = unknowable(rows, {}, {"kept": Noise.of_counts("2, 10")}, None, ["kept"], SCALE)
    assert counted["learnt"] == (None,)
    assert counted["kept"][0].variance(110) == pytest.approx(200 * (1 - SHARED))


# -- the interval ---------------------------------------------------------------------------------


def mapped(looked):
    region = Region((0,) * 5, (*looked.sr.volume.shape[:3], *looked.shape))
    return dict(zip(CHANNELS, looked.region(region)))


@pytest.fixture
def known(promise_of):
    return promise_of(noise=Noise(0.0, NOISE**2 * (1 - SHARED)))


def test_nine_of_ten_pixels_of_the_specimen_lie_within(known, looked_at, specimen, rng):
    clean = specimen(3, 512)
    looked = looked_at(known, scan_of(clean, rng).clip(0, 255).astype(np.uint8))
    found, (low, high) = mapped(looked), looked.lr.volume.intensity.windows[0]
    error = np.abs(looked.sr.level()[0, 0].astype(float) - clean[0, 0])
    wide = np.kron(found[SPECIMEN][0, 0] / 255 * (high - low), np.ones((1, SCALE, SCALE)))
    assert 0.87 < (error <= wide).mean() < 0.95
    # The noise of a second scan is no part of it.
    assert found[SPECIMEN].mean() < found[WIDTHS].mean()


def test_belief_and_verdict_are_by_what_is_known_of_the_specimen(known, looked_at, pictures):
    looked = looked_at(known, pictures(1, 512))
    between = (mapped(looked)[SPECIMEN].mean() + mapped(looked)[WIDTHS].mean()) / 2 / 255
    strict = type(looked)(known, looked.lr, looked.sr, between)
    made = strict.region(Region((0,) * 5, (1, 1, 1, *looked.shape)))
    assert (dict(zip(CHANNELS, made))[BELIEF] == 2).mean() > 0.7
    tally = Tally()
    tally.add(made, (0,) * 5)
    said = judged(tally, known, Volume(SCALE, 0.004))
    assert 0 < said["mean_specimen_width"] < said["mean_width"]


def test_where_noise_is_not_known_nothing_is_said(promise_of, looked_at, pictures):
    promise = promise_of()
    assert not promise.knows_specimen and promise.deviations == [math.inf] * 3
    assert len(looked_at(promise, pictures(1, 256)).region(Region((0,) * 5, (1, 1, 1, 8, 8)))) == 4


def test_rows_whose_noise_is_not_known_are_no_hindrance(rng, tissue):
    """The demo learns from two detectors, of which one was scanned twice."""

    def example(known):
        hr = tissue((1, 16 * SCALE, 16 * SCALE)).astype(np.float32) / 255
        noise = np.full_like(hr, 0.001 if known else np.nan)
        lr = hr.reshape(1, 16, SCALE, 16, SCALE).mean((2, 4))
        sr = hr + 0.1 * rng.standard_normal(hr.shape).astype(np.float32)
        return Example(lr, sr, hr, np.ones_like(hr), noise)

    some = learn(SCALE, [example(n % 2 == 0) for n in range(8)], 0)
    assert some.last.out_channels == 2 and all(p.isfinite().all() for p in some.parameters())
    new = example(True)
    found = some.scales(new.lr[0], *layers(new.sr[0], SCALE))[1]
    assert found.mean() == pytest.approx(math.sqrt(0.01 - 0.001), rel=0.25)
    assert learn(SCALE, [example(False)] * 2, 0).last.out_channels == 1


def test_it_is_read_as_it_was_saved(known, tmp_path):
    known.save(tmp_path / "trust.safetensors")
    again = Promise.read(tmp_path / "trust.safetensors")
    assert again.knows_specimen and again.deviations == known.deviations


def test_few_blocks_make_it_wider_and_rare_strata_are_taken_together(rng):
    def blocks(count):
        wanted = np.ones((count, 2))
        return np.stack([wanted * rng.chisquare(20, (count, 2)) / 20, wanted], -1)

    exact = 1.6449
    assert multipliers(blocks(2000), 0.9) == pytest.approx([exact, exact], rel=0.02)
    assert np.mean([multipliers(blocks(25), 0.9) for _ in range(50)]) > exact * 1.01
    rare = blocks(30)
    rare[5:, 1] = 0
    assert multipliers(rare, 0.9)[1] == pytest.approx(
        multipliers(rare.sum(1, keepdims=True), 0.9)[0]
    )
    assert multipliers(blocks(1), 0.9) == [math.inf] * 2
    # Noise that is more than all of the error is not that of these scans.
    assert multipliers(blocks(30) * [-1, 1], 0.9) == [math.inf] * 2

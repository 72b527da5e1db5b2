"""Errors against the specimen, where all that is recorded of it is noisy."""

import math
from dataclasses import replace

import numpy as np
import pytest
from pssrflow.calibrate.frames import Noise
from pssrflow.evaluate.errors import (
    ALIKE,
    KNOWN,
    SCANS,
    SHARED,
    UNKNOWN,
    Remedy,
    summary,
)
from pssrflow.evaluate.judged import Judged
from pssrflow.evaluate.stage import Evaluation, errors_of, measure
from pssrflow.ingest.readers.counts import Half
from pssrflow.pairs.aligned import Scan, Warp, noise_kept
from pssrflow.volumes.interpolation import interpolated
from pssrflow.volumes.store import Store
from scipy import ndimage

NOISE, SCALE = 12.0, 4


def scans(specimen, rng, count):
    drawn = (specimen + NOISE * rng.standard_normal(specimen.shape) for _ in range(count))
    return [values.astype(np.float32) for values in drawn]


def coarse(values):
    *above, height, width = values.shape
    return values.reshape(*above, height // SCALE, SCALE, width // SCALE, SCALE).mean((-3, -1))


@pytest.fixture
def specimen(tissue):
    """Planes as a perfect detector would see them."""
    return tissue((1, 1, 4, 512, 512), sigma=5).astype(np.float32) * 0.6 + 50


@pytest.mark.parametrize(
    ("crappified", "twice", "known", "name"),
    [
        (False, True, False, SCANS),
        (True, True, False, ALIKE),
        (False, False, True, KNOWN),
        (True, False, True, SHARED),
        (True, False, False, UNKNOWN),
    ],
)
def test_the_error_is_that_against_the_specimen(crappified, twice, known, name, specimen, rng):
    first, second, third = (s[0, 0, 0] for s in scans(specimen, rng, 3))
    clean = specimen[0, 0, 0]
    image = interpolated(coarse(first if crappified else third).astype(np.float32), SCALE)
    noise = Noise(0.0, NOISE**2) if known else None
    remedy = Remedy.of(crappified, 1.0 if twice else None, noise, SCALE)
    assert remedy.name == name
    found = remedy.unbiased(first, image, second if twice else None).mean()
    true, naive = ((image - other) ** 2 for other in (clean, first))
    if name == UNKNOWN:
        assert math.isnan(found)
    elif name == SHARED:
        # A bound: at most what LR pixels share of the noise is added.
        assert true.mean() - 0.5 <= found <= true.mean() + 2 * NOISE**2 / SCALE**2
    else:
        assert found == pytest.approx(true.mean(), abs=2)
    assert naive.mean() > true.mean() + NOISE**2 / 2


@pytest.mark.parametrize("known", [False, True])
def test_a_scan_that_was_moved_between_pixels_has_lost_some_of_its_noise(known, specimen, rng):
    """A second one beside the first; an acquired pair's whose noise is known."""
    first, second = scans(specimen, rng, 2)
    away, clean = (0.5, 0.5), specimen[0, 0, 0]
    moved = ndimage.shift(second[0, 0, 0] - clean, away, mode="nearest") + clean
    kept = noise_kept(Warp.of([[away]], clean.shape))
    image = interpolated(coarse(first)[0, 0, 0].astype(np.float32), SCALE)
    if known:
        remedy = Remedy.of(False, None, Noise(0.0, NOISE**2).times(kept), SCALE)
        found = remedy.unbiased(moved, image, None)
    else:
        found = Remedy.of(True, kept, None, SCALE).unbiased(first[0, 0, 0], image, moved)
    true = ((image - clean) ** 2).mean()
    assert found.mean() == pytest.approx(true, abs=3) and NOISE**2 * (1 - kept) / 2 > 20


def test_halves_of_counts_tell_the_error_against_the_specimen(specimen, rng):
    clean = specimen[0, 0, 0]
    counts = rng.poisson(clean / 2).astype(np.uint8)
    grey = (2 * counts + 10).astype(np.uint16)
    first, second = (
        Half.of("2, 10", half, "a").taken(grey, (0,) * 5).astype(np.float32) for half in (0, 1)
    )
    image = interpolated(coarse(first).astype(np.float32), SCALE)
    found = Remedy.of(True, 1.0, None, SCALE).unbiased(first, image, second).mean()
    true, naive = (((image - other) ** 2).mean() for other in (clean + 10, first))
    assert found == pytest.approx(true, abs=3) and naive > true + 100


def judged_by(make_store, specimen, rng, tag):
    first, second = scans(specimen, rng, 2)
    lr = coarse(first).astype(np.float32)
    sr = np.stack([interpolated(p, SCALE) for p in lr[0, 0]])[None, None]
    names = [f"{n}-{tag}" for n in ("hr", "hr2", "lr", "sr")]
    hr, hr2, *rest = (Store(make_store(v, n)) for v, n in zip((first, second, lr, sr), names))
    return Judged(hr, *rest, SCALE, second=Scan(hr2)), sr


def test_a_remedy_is_told_what_was_moved(make_store, specimen, rng):
    judged, _ = judged_by(make_store, specimen, rng, "moved")
    warp = Warp.of([[(0.5, 0.5)]], specimen.shape[3:])
    kept = noise_kept(warp)
    assert kept < 0.6 and judged.remedy(0).kept == 1
    again = replace(judged, second=Scan(judged.second.store, warp=warp))
    assert again.remedy(0).kept == kept
    noise = (Noise(0.0, 4.0),)
    acquired = replace(judged, second=None, crappified=False, warp=warp, noise=noise)
    assert acquired.remedy(0).noise.base == pytest.approx(4 * kept)


def test_the_interval_holds_the_psnr_to_the_clean_truth(make_store, specimen, rng):
    """Of 10 runs; more of them by benchmarks.trust truth."""
    held, away = 0, []
    for run in range(10):
        judged, sr = judged_by(make_store, specimen, rng, run)
        work = Evaluation(judged)
        plane = [work.measured(unit) for unit in work.units]
        found = errors_of(work, {unit[0]: [one] for unit, one in zip(work.units, plane)})["0"]
        assert found["floor"] == ALIKE
        value, low, high = found["figures"]["upsnr"]["sr"]["psnr"]
        span = judged.hr.volume.intensity.ranges[0].span
        true = 10 * math.log10(span**2 / ((sr - specimen) ** 2).mean())
        held += low <= true <= high
        away.append(value - true)
    assert held >= 8 and abs(np.mean(away)) < 0.05


def test_the_rows_say_it_too_and_say_nothing_where_it_is_not_known(make_store, specimen, rng):
    judged, _ = judged_by(make_store, specimen, rng, "rows")
    rows = [row for row in measure(judged) if row["method"] == "sr"]
    assert all(row["upsnr"] > row["psnr"] + 1 for row in rows)
    alone = Judged(judged.hr, judged.lr, judged.sr, SCALE)
    assert all(math.isnan(row["upsnr"]) for row in measure(alone))


def test_a_second_scan_of_another_gain_is_taken_in_grey_levels_of_the_first(
    make_store, specimen, rng
):
    judged, _ = judged_by(make_store, specimen, rng, "gain")
    values = judged.second.store.level()[:] * 0.7 + 30
    other = Scan(Store(make_store(values.astype(np.float32), "gained")))
    plain = {r["z"]: r["upsnr_affine"] for r in measure(judged) if r["method"] == "sr"}
    again = Judged(judged.hr, judged.lr, judged.sr, SCALE, second=other)
    for row in measure(again):
        if row["method"] == "sr":
            assert row["upsnr_affine"] == pytest.approx(plain[row["z"]], abs=0.02)


def test_both_scans_of_an_acquired_pair_are_moved_on_its_lr_image(make_store, tissue, rng):
    """The second lies on the first, which lies beside the LR image."""
    clean = tissue((1, 1, 2, 400, 400), sigma=2).astype(np.float32) * 0.6 + 50
    away = (0.45, -0.3)
    recorded = np.stack([ndimage.shift(p, away, mode="nearest") for p in clean[0, 0]])[None, None]
    first, second = (Store(make_store(s, n)) for s, n in zip(scans(recorded, rng, 2), "ab"))
    lr = coarse(scans(clean, rng, 1)[0]).astype(np.float32)
    sr = np.stack([interpolated(p, SCALE) for p in lr[0, 0]])[None, None]
    stores = (Store(make_store(v, n)) for v, n in ((lr, "lr"), (sr, "sr")))
    warp = Warp.of([[away]], (400, 400))
    judged = Judged(
        first, *stores, SCALE, warp=warp, crappified=False, second=Scan(second), mask=None
    )
    span = first.volume.intensity.ranges[0].span
    inner = np.s_[..., 20:-20, 20:-20]
    true = 10 * math.log10(span**2 / ((sr - clean)[inner] ** 2).mean())
    found = [row["upsnr"] for row in measure(judged) if row["method"] == "sr"]
    assert np.mean(found) == pytest.approx(true, abs=0.15)


def test_warps_one_after_the_other_move_by_both():
    rows, cols = slice(0, 50), slice(10, 60)
    smooth = Warp.of(np.arange(18.0).reshape(3, 3, 2) / 10, (100, 120))
    shift, coarser = Warp.of([[(0.3, -0.2)]], (100, 120)), Warp.of(np.ones((2, 2, 2)), (100, 120))
    for other in (shift, coarser):
        for both in (smooth.then(other), other.then(smooth)):
            expected = smooth.over(rows, cols) + other.over(rows, cols)
            np.testing.assert_allclose(both.over(rows, cols), expected, atol=1e-9)
    assert smooth.then(Warp()) is smooth and Warp().then(shift).over(rows, cols)[0, 0, 0] == 0.3


def test_a_shifted_second_scan_is_read_beside_the_first(make_store, tissue):
    whole = tissue((1, 1, 1, 120, 130))
    first, second = Store(make_store(whole[..., 4:, 6:])), Store(make_store(whole, "second"))
    found = Scan(second, (4, 6)).read((0, 0, 0), (slice(0, 50), slice(100, 130)))
    np.testing.assert_array_equal(found[:, :24], first.level()[0, 0, 0, :50, 100:])
    assert np.isnan(found[:, 24:]).all()


def test_methods_are_compared_in_the_same_blocks(rng):
    """A gain that every block shows is certain, however much blocks differ."""
    hard = np.exp(rng.standard_normal((6, 4, 4)))
    planes = {
        method: {
            (0, 0, z): [np.stack([np.full((4, 4), 100.0), worse * h], -1)]
            for z, h in enumerate(hard)
        }
        for method, worse in (("sr", 100), ("bicubic", 150))
    }
    found = summary(planes, 255)
    _, low, high = found["sr"]["psnr"]
    assert high - low > 1
    assert found["bicubic"]["gain"] == pytest.approx([10 * math.log10(1.5)] * 3, abs=1e-3)

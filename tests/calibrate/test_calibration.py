"""Calibration: planted parameters come back, and what does not fit is not passed off as a fit."""

import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from pssrflow.calibrate.result import Pair
from pssrflow.calibrate.scanner.fit import fit_pairs
from pssrflow.calibrate.scanner.single import fit_single
from pssrflow.calibrate.stage import scanner_chain
from pssrflow.crappify.chain import Crappifier, crappify_plane
from pssrflow.crappify.downsample import downsample_region
from pssrflow.crappify.kernels import Downsampling
from pssrflow.crappify.squares import NoiseKey
from pssrflow.errors import InputError
from pssrflow.simulate.microscope import sample
from pssrflow.simulate.settings import Microscope
from scipy import ndimage
from scipy.signal import lfilter

SCALE, SIZE, SPOT = 4, 144, 8
HR = Microscope(step_nm=4, spot_nm=5)
LR = Microscope(step_nm=16, spot_nm=SPOT, dwell_us=2, gain=3, offset=22, read_noise=6)
WIDTH = math.sqrt(SPOT**2 - HR.spot_nm**2) / 16
SHIFT = (2, -3)


@pytest.fixture(scope="module")
def fields():
    """Noise-free HR and LR frames of two tissues, the LR ones `SHIFT` HR pixels further."""
    found = []
    for seed in (0, 1):
        # Rendered at 2 nm, where the probe keeps its width: points at 2, 4, 6, ... nm.
        fine = [
            sample(seed, Microscope(step_nm=2, spot_nm=s), 0, (1.0, 1.0), (8 * SIZE + 32,) * 2)
            for s in (HR.spot_nm, SPOT)
        ]
        first = [16 + 3 + 2 * s for s in SHIFT]
        lr = fine[1][first[0] :: 8, first[1] :: 8][:SIZE, :SIZE]
        found.append((fine[0][16::2, 16::2][: 4 * SIZE, : 4 * SIZE], lr))
    return found


def record(clean, microscope, rng, lag=0.0):
    """What a detector with a lag along x records, on a grey scale of 8 bits."""
    counts = rng.poisson(clean * (microscope.counts_per_us * microscope.dwell_us)).astype(float)
    late = lfilter([1 - lag], [1, -lag], counts, axis=1, zi=lag * counts[:, :1])[0]
    noise = microscope.read_noise * rng.standard_normal(counts.shape)
    grey = microscope.gain * late + microscope.offset + noise
    return np.clip(np.rint(grey), 0, 255).astype(np.float32)


def pair_of(field, rng, lr=LR, lag=0.0, name="pair"):
    return Pair(name, record(field[0], HR, rng), record(field[1], lr, rng, lag), 1.0, 1.0)


def calibrate(*pairs):
    return fit_pairs(list(pairs), SCALE, dark=HR.offset)


def inside(estimate, true, slack=1.5):
    """Within the interval, widened: one draw in twenty lies outside it by design."""
    half = slack * (estimate.high - estimate.low) / 2
    middle = (estimate.high + estimate.low) / 2
    return middle - half <= true <= middle + half


def planted(lr=LR, lag=0.0):
    return {
        "width": WIDTH,
        "gain": lr.dwell_us * lr.gain / (HR.dwell_us * HR.gain),
        "offset": lr.offset,
        "count_gain": lr.gain,
        "read_noise": lr.read_noise,
        "lag": lag,
    }


# Half widths that the intervals must not exceed, relative to the planted value.
PRECISE = {"width": 0.2, "gain": 0.03, "offset": 0.08, "count_gain": 0.1, "read_noise": 0.35}


def test_planted_parameters_are_found_with_tight_intervals(fields, rng):
    found = calibrate(pair_of(fields[0], rng))
    assert found.verdict == "fits"
    for name, true in planted().items():
        assert inside(found.parameters[name], true), name
    for name, share in PRECISE.items():
        estimate = found.parameters[name]
        assert estimate.high - estimate.low < 2 * share * planted()[name], name
    for shift, true in zip(found.pairs[0]["shift"], SHIFT):
        assert shift["value"] == pytest.approx(true, abs=0.15)
        assert shift["low"] < shift["value"] < shift["high"] < shift["low"] + 0.3
    assert found.parameters["kernel"].value == "probe"
    assert found.hr_noise["count_gain"] == pytest.approx(HR.gain, rel=0.06)


def test_noise_of_the_hr_frame_does_not_bias_gain_nor_noise(fields, rng):
    """An HR frame as noisy as the LR one: plain least squares would find a gain 2 % too small."""
    noisy = HR.changed(dwell_us=0.5, gain=8)
    pair = replace(pair_of(fields[0], rng), hr=record(fields[0][0], noisy, rng))
    found = calibrate(pair).parameters
    assert inside(found["gain"], LR.dwell_us * LR.gain / (0.5 * 8))
    assert inside(found["count_gain"], LR.gain)
    assert inside(found["width"], WIDTH)


def test_noise_that_a_crappifier_adds_makes_the_total_of_the_lr_scan(fields, rng):
    noisy = HR.changed(dwell_us=1, gain=6)
    clean, lr = fields[0]
    hr = record(clean, noisy, rng)
    found = calibrate(Pair("pair", hr, record(lr, LR, rng), 1.0, 1.0))
    down = Downsampling(SCALE, "probe", found.parameters["width"].value)
    whole = range(SIZE), range(SIZE)
    error = hr - (clean * (noisy.counts_per_us * noisy.gain) + noisy.offset)
    left, _ = downsample_region(lambda y, x: error[y, x], hr.shape, down, *whole)
    gain = found.parameters["gain"].value
    signal = LR.gain * LR.counts_per_us * LR.dwell_us * lr.mean()
    added = found.effective["count_gain"] * signal + found.effective["read_noise"] ** 2
    total = LR.gain * signal + LR.read_noise**2
    survives = (gain * left).var()
    assert survives > 0.2 * total
    assert added + survives == pytest.approx(total, rel=0.05)


def test_lag_is_found_and_taken_into_account(fields, rng):
    found = calibrate(pair_of(fields[0], rng, lag=0.3), pair_of(fields[1], rng, lag=0.3))
    assert found.verdict == "fits"
    for name, true in planted(lag=0.3).items():
        assert inside(found.parameters[name], true), name
    assert found.parameters["lag"].low > 0.2
    for shift, true in zip(found.pairs[0]["shift"], SHIFT):
        assert shift["value"] == pytest.approx(true, abs=0.2)


def test_a_detector_of_another_contrast_is_told_by_its_curve(fields, rng):
    """Gamma of 0.7: what the model says of a grey level is what was planted, within one."""
    hr, lr = fields[0]
    white = lr.max()
    found = calibrate(pair_of((hr, white * (lr / white) ** 0.7), rng))
    assert any("follow a curve" in note for note in found.notes)
    levels, values = (np.array(found.response[name]) for name in ("levels", "values"))
    per_grey = HR.counts_per_us * HR.dwell_us * HR.gain
    signal = np.clip((levels - HR.offset) / per_grey, 0, None)
    planted_mean = white * (signal / white) ** 0.7 * LR.counts_per_us * LR.dwell_us * LR.gain
    gain, offset = (found.parameters[name].value for name in ("gain", "offset"))
    told = gain * (values - HR.offset) + offset
    np.testing.assert_allclose(told[1:-1], planted_mean[1:-1] + LR.offset, atol=2)


def test_a_line_is_no_curve(fields, rng):
    assert calibrate(pair_of(fields[0], rng)).response is None


def test_saturated_pixels_do_not_bias_and_are_reported(fields, rng):
    bright = LR.changed(gain=5.5)
    pair = pair_of(fields[0], rng, bright)
    assert 0.05 < (pair.lr == 255).mean() < 0.5
    found = calibrate(pair).parameters
    assert found["saturation"].value == 255
    for name in ("gain", "offset", "count_gain"):
        assert inside(found[name], planted(bright)[name]), name


def test_pairs_share_a_detector_and_keep_their_shifts(fields, rng):
    first, second = (pair_of(f, rng, name=n) for f, n in zip(fields, ("a", "b")))
    second = replace(second, hr=second.hr[:-20, 12:], lr=second.lr[:-5, 3:])
    moved = replace(second, hr=np.roll(second.hr, (3, 2), axis=(0, 1)))
    alone, both = calibrate(first), calibrate(first, moved)
    assert [p["name"] for p in both.pairs] == ["a", "b"]
    for shift, true in zip(both.pairs[1]["shift"], np.add(SHIFT, (3, 2))):
        assert shift["value"] == pytest.approx(true, abs=0.15)
    for name in ("gain", "count_gain"):
        one, two = alone.parameters[name], both.parameters[name]
        assert inside(two, planted()[name])
        assert two.high - two.low < 0.9 * (one.high - one.low)


def test_a_mismatched_pair_does_not_fit_and_has_no_parameters(fields, rng):
    mixed = pair_of((fields[0][0], fields[1][1]), rng)
    found = calibrate(mixed)
    assert found.verdict == "does not fit"
    assert not found.pairs[0]["used"]
    assert all(e.value is None and e.low is None for e in found.parameters.values())


def test_a_mismatched_pair_among_others_is_named_and_left_out(fields, rng):
    good = pair_of(fields[0], rng, name="good")
    bad = pair_of((fields[1][0], fields[0][1]), rng, name="bad")
    found = calibrate(bad, good)
    assert [(p["name"], p["used"]) for p in found.pairs] == [("bad", False), ("good", True)]
    assert "not the same field" in found.pairs[0]["reason"]
    assert found.parameters == calibrate(good).parameters


def test_what_the_model_cannot_make_is_named(fields, rng):
    pair = pair_of(fields[0], rng)
    salt = np.where(np.arange(pair.lr.size).reshape(pair.lr.shape) % 50, pair.lr, 255)
    found = calibrate(replace(pair, lr=salt.astype(np.float32)))
    assert found.verdict == "does not fit"
    failed = [check.name for check in found.checks if not check.passed]
    assert any("distribution" in name for name in failed), failed


def test_lines_that_are_means_of_three_fit(fields, rng):
    pair = pair_of(fields[0], rng)
    found = calibrate(replace(pair, lr=ndimage.uniform_filter1d(pair.lr, 3, axis=0)))
    assert found.verdict == "fits" and found.grain is not None


def test_noise_that_neighbours_share_is_imitated(fields, rng):
    """Noise of the fast scan is that of means of three lines."""
    pair = pair_of(fields[0], rng)
    mean = fields[0][1] * (LR.counts_per_us * LR.dwell_us * LR.gain) + LR.offset
    lr = mean + ndimage.uniform_filter1d(pair.lr - mean, 3, axis=0)
    found = calibrate(replace(pair, lr=np.rint(lr).astype(np.float32)))
    assert found.verdict == "fits"
    assert any("Neighbours share their noise" in note for note in found.notes)
    told = found.to_json()
    value = {name: of["value"] for name, of in told["parameters"].items()}
    chain = scanner_chain(value, told["effective"], told["response"], told["grain"])
    assert [step["name"] for step in chain][-2:] == ["readout", "grain"]
    crappifier = Crappifier.from_config(SCALE, "probe", chain, value["width"])
    grey = np.full((4 * SIZE, 4 * SIZE), pair.hr.mean(), np.float32)
    made = crappify_plane(grey, crappifier, NoiseKey(0, "s", 0, 0, 0, 0), 0, 255)
    noise = made - made.mean()
    for lag, share in ((1, 2 / 3), (2, 1 / 3), (3, 0)):
        assert (noise[lag:] * noise[:-lag]).mean() / noise.var() == pytest.approx(share, abs=0.12)
    assert abs((noise[:, 1:] * noise[:, :-1]).mean()) < 0.1 * noise.var()
    signal = (pair.hr.mean() - HR.offset) * value["gain"]
    total = value["count_gain"] * signal + value["read_noise"] ** 2
    assert total == pytest.approx((lr - mean).var(), rel=0.1)
    # What the slow frame has of it is there already.
    added = found.effective["count_gain"] * signal + found.effective["read_noise"] ** 2
    assert noise.var() == pytest.approx(added, rel=0.05)


def test_white_noise_is_left_white(fields, rng):
    found = calibrate(pair_of(fields[0], rng))
    assert found.grain is None and not any("Neighbours" in note for note in found.notes)
    lagged = calibrate(pair_of(fields[0], rng, lag=0.3))
    assert lagged.grain is None and lagged.parameters["lag"].value == pytest.approx(0.3, abs=0.03)


def test_brightness_and_place_that_differ_over_the_field_are_taken_off(fields, rng):
    """The specimen bleaches by a fifth from left to right, and the stage drifts by 3 HR pixels."""
    line = np.linspace(-0.5, 0.5, SIZE, dtype=np.float32)
    # Fine pixels, of which an HR pixel has two.
    fine = sample(0, Microscope(step_nm=2, spot_nm=SPOT), 0, (1.0, 1.0), (8 * SIZE + 32,) * 2)
    y, x = (16 + 3 + 2 * s + 8 * np.arange(SIZE, dtype=np.float32) for s in SHIFT)
    places = np.meshgrid(y + 6 * line, x, indexing="ij")
    drifted = ndimage.map_coordinates(fine, places, order=3, mode="nearest")
    spoilt = fields[0][0], drifted * (1 + 0.2 * line)
    found = calibrate(pair_of(spoilt, rng))
    assert found.verdict == "fits"
    # Standard deviations of even ramps.
    bleached, drift = (float(text) for text in re.findall(r"by ([\d.]+) (?:%|and)", said(found)))
    assert bleached == pytest.approx(100 * 0.2 / math.sqrt(12), rel=0.25)
    assert drift == pytest.approx(3 / math.sqrt(12), rel=0.25)
    for name in ("gain", "offset", "count_gain", "read_noise"):
        assert inside(found.parameters[name], planted()[name], slack=2), name


def test_scans_that_differ_nowhere_are_left_as_they_are(fields, rng):
    assert "taken off" not in said(calibrate(pair_of(fields[0], rng)))


def said(found):
    return " ".join(found.notes)


def test_a_dark_level_that_nobody_stated_is_where_shot_noise_vanishes(fields, rng):
    """A detector that counts, with hardly any read noise, on an offset of both frames."""
    offset, counting = 40, LR.changed(read_noise=0.2, offset=60)
    slow = HR.changed(offset=offset, read_noise=0.2)
    hr, lr = (record(clean, m, rng) for clean, m in zip(fields[0], (slow, counting)))
    found = fit_pairs([Pair("counted", hr, lr, 1.0, 1.0)], SCALE)
    assert found.parameters["dark"].value == pytest.approx(offset, abs=3)
    assert found.parameters["offset"].value == pytest.approx(60, abs=5)
    variance = next(c for c in found.checks if c.name == "variance at the worst grey level")
    assert variance.passed
    stated = fit_pairs([Pair("counted", hr, lr, 1.0, 1.0)], SCALE, dark=0.0)
    assert stated.parameters["dark"].value == 0


@pytest.mark.parametrize(("kernel", "width"), [("area", 1.0), ("bilinear", 1.0), ("probe", 0.9)])
def test_the_kernel_is_told_where_noise_allows(kernel, width, fields, rng):
    clean = fields[0][0] * (HR.counts_per_us * HR.dwell_us * HR.gain) + HR.offset
    hr = clean + rng.standard_normal(clean.shape)
    down = Downsampling(SCALE, kernel, width)
    lr, _ = downsample_region(lambda y, x: clean[y, x], clean.shape, down, range(SIZE), range(SIZE))
    lr = lr + rng.standard_normal(lr.shape)
    found = calibrate(Pair("pair", hr.astype(np.float32), lr.astype(np.float32)))
    assert found.parameters["kernel"].value == kernel
    assert found.parameters["width"].value == pytest.approx(width, rel=0.03)


def test_the_same_seed_gives_the_same_json(fields, rng):
    pair = pair_of(fields[0], rng)
    first, second = (json.dumps(calibrate(pair).to_json()) for _ in range(2))
    assert first == second
    result = json.loads(first)
    assert result["parameters"]["read_noise"]["unit"] == "LR grey"
    assert set(result["curves"]) > {"variance_lr", "variance_hr", "residuals", "spectrum"}


def test_only_the_middle_of_a_large_field_is_matched_and_all_of_it_fitted(fields, rng, monkeypatch):
    pair = pair_of(fields[0], rng)
    whole = calibrate(pair)
    monkeypatch.setattr("pssrflow.calibrate.scanner.fit.WINDOW", 400)
    found = calibrate(pair)
    assert found.pairs[0]["significance"] < whole.pairs[0]["significance"]
    assert found.parameters["gain"].value == pytest.approx(whole.parameters["gain"].value, rel=1e-3)


def test_a_single_image_tells_its_noise_and_nothing_else(fields, rng):
    found = fit_single(record(fields[0][0], HR, rng), 1.0, HR.offset)
    assert found.verdict == "cannot be checked"
    assert found.parameters["count_gain"].value == pytest.approx(HR.gain, rel=0.05)
    assert inside(found.parameters["read_noise"], HR.read_noise, 2)
    for name in ("kernel", "width", "gain", "offset", "lag"):
        assert found.parameters[name].value is None
    assert any("upper bound" in note for note in found.notes)
    json.dumps(found.to_json(), allow_nan=False)


def test_a_field_too_small_to_hold_pixels_out_cannot_be_checked(fields, rng):
    pair = pair_of(fields[0], rng)
    found = calibrate(replace(pair, hr=pair.hr[:144, :144], lr=pair.lr[:36, :36]))
    assert found.verdict != "fits"
    json.dumps(found.to_json(), allow_nan=False)


def test_images_without_structure_do_not_fit(rng):
    flat = Pair("flat", np.full((256, 256), 9, np.float32), np.full((64, 64), 9, np.float32))
    assert calibrate(flat).verdict == "does not fit"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": np.zeros((30, 99), np.float32)}, "do not agree with scale 4"),
        ({"lr": np.full((64, 64), np.nan, np.float32)}, "finite"),
        ({"hr": np.zeros((3, 256, 256), np.float32)}, "planes"),
    ],
)
def test_bad_pairs_are_refused(change, message):
    good = Pair("p", np.zeros((256, 256), np.float32), np.zeros((64, 64), np.float32))
    with pytest.raises(InputError, match=message):
        calibrate(replace(good, **change))


def test_the_real_confocal_pair_is_placed_and_judged(real_data):
    import tifffile

    folder = real_data / "paired_confocal_sr_caco2"
    hr, lr = (tifffile.imread(folder / f"div{n}.tif").astype(np.float32) for n in (1, 4))
    found = fit_pairs([Pair("caco2", hr, lr, 1.0, 1.0)], 4)
    # Its README: move HR by (+1, -6) pixels to meet the LR image.
    place = [shift["value"] for shift in found.pairs[0]["shift"]]
    np.testing.assert_allclose(place, (-1, 6), atol=1)
    assert found.parameters["gain"].value == pytest.approx(1, abs=0.1)
    assert found.parameters["offset"].low < 2
    # The two scans drifted apart in places.
    assert found.verdict == "fits" and "as when a stage drifts" in said(found)
    assert all("next along" in check.name for check in found.checks if not check.passed)

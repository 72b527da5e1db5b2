"""Metrics agree with other implementations and with their definitions."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from pssrflow.evaluate.metrics import AffineFit, ms_ssim, mse, nrmse, pixel_error, psnr, ssim
from pssrflow.evaluate.stage import evaluate, matched_boxes, measure_plane
from skimage.metrics import peak_signal_noise_ratio, structural_similarity


@pytest.fixture
def pair(tissue, rng):
    truth = tissue((256, 300)).astype(np.float32)
    return truth, truth + rng.normal(0, 9, truth.shape).astype(np.float32)


def test_psnr_and_ssim_equal_those_of_scikit_image(pair):
    truth, image = pair
    assert psnr(mse(truth, image, 255), 255) == pytest.approx(
        peak_signal_noise_ratio(truth, image, data_range=255)
    )
    reference = structural_similarity(
        truth, image, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ssim(truth, image, 255) == pytest.approx(reference, abs=2e-3)


def test_identical_images_are_perfect(pair):
    truth, _ = pair
    assert psnr(mse(truth, truth, 255), 255) == math.inf
    assert ssim(truth, truth, 255) == pytest.approx(1)
    assert ms_ssim(truth, truth, 255) == pytest.approx(1)
    assert pixel_error(truth, truth, 255) == 0


def test_ms_ssim_below_its_smallest_size_is_nan_not_an_error(pair):
    truth, image = (i[:160, :160] for i in pair)
    assert math.isnan(ms_ssim(truth, image, 255))
    assert math.isfinite(ssim(truth, image, 255))


def test_nrmse_is_relative_to_the_range_of_the_truth():
    assert nrmse(25.0, 100.0) == 0.05


def test_the_affine_fit_finds_a_planted_gain_and_offset(pair):
    truth, _ = pair
    fit = AffineFit()
    for rows in (slice(0, 100), slice(100, 256)):
        fit.add(truth[rows], (truth[rows] - 12) / 0.8)
    assert fit.solve() == pytest.approx((0.8, 12), rel=1e-4)


def test_a_plane_in_pieces_has_the_figures_of_the_whole(pair):
    truth, image = pair
    halves = [(truth[:128], {"sr": image[:128]}), (truth[128:], {"sr": image[128:]})]
    [whole] = measure_plane(lambda: [(truth, {"sr": image})], 255)
    [parts] = measure_plane(lambda: halves, 255)
    for name in ("psnr", "psnr_affine", "nrmse", "pixel_error", "affine_gain"):
        assert parts[name] == pytest.approx(whole[name], rel=1e-5)
    assert parts["ssim"] == pytest.approx(whole["ssim"], abs=0.02)


@pytest.mark.parametrize("shift", [(0, 0), (3, -2), (-5, 7)])
@pytest.mark.parametrize("size", [(10, 12), (4500, 2049)])
def test_matched_boxes_cover_what_both_images_show_once(shift, size):
    sr_size = tuple(n + 2 for n in size)
    hits = np.zeros(sr_size, np.int8)
    for sr_box, hr_box in matched_boxes(size, sr_size, shift):
        hits[sr_box] += 1
        assert all(b.start == a.start + d for a, b, d in zip(sr_box, hr_box, shift))
        assert all(0 <= b.start < b.stop <= n for b, n in zip(hr_box, size))
    seen = [n if d == 0 else n - abs(d) + min(2, max(0, -d)) for n, d in zip(size, shift)]
    assert hits.max() == 1 and hits.sum() == seen[0] * seen[1]


def test_the_table_has_a_row_per_plane_and_method(make_store, tissue, tmp_path):
    hr = make_store(tissue((2, 1, 3, 66, 70)))
    sr = make_store(tissue((2, 1, 3, 68, 72)), "sr")
    lr = make_store(tissue((2, 1, 3, 17, 18)), "lr")
    table = tmp_path / "metrics.csv"
    evaluate(hr, lr, sr, 4, (0, 0), "s", "m", table)
    frame = pd.read_csv(table)
    planes = set(itertools.product(range(2), [0], range(3), ["sr", "bicubic"]))
    assert set(frame[["t", "c", "z", "method"]].itertuples(index=False, name=None)) == planes
    assert {"psnr", "ssim", "ms_ssim", "nrmse", "pixel_error", "psnr_affine"} <= set(frame)
    assert np.isfinite(frame["psnr"]).all()
